from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.usage import Usage


T = TypeVar("T", bound="DoneEvent")


@_attrs_define
class DoneEvent:
    """The data of the server-sent event `done`, the last one.

    Attributes:
        finish_reason (str): `length` means that the answer was cut at the token limit. Everything else means that it is
            complete.
             Example: stop.
        model (str): The provider's name for the model. Example: offline.
        usage (Usage): The tokens that the answer used. 0 if the provider does not say.
    """

    finish_reason: str
    model: str
    usage: Usage
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        finish_reason = self.finish_reason

        model = self.model

        usage = self.usage.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "finish_reason": finish_reason,
                "model": model,
                "usage": usage,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.usage import Usage  # noqa: PLC0415

        d = dict(src_dict)
        finish_reason = d.pop("finish_reason")

        model = d.pop("model")

        usage = Usage.from_dict(d.pop("usage"))

        done_event = cls(
            finish_reason=finish_reason,
            model=model,
            usage=usage,
        )

        done_event.additional_properties = d
        return done_event

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
