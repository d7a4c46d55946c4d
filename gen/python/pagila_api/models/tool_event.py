from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.tool_event_arguments import ToolEventArguments


T = TypeVar("T", bound="ToolEvent")


@_attrs_define
class ToolEvent:
    """The data of the server-sent event `tool`. A call of a tool, after it has returned.

    Attributes:
        name (str): The tool, by the `operationId` of its operation, or by the name that the model made up. Example:
            listFilms.
        arguments (ToolEventArguments): The arguments of the call. Empty if they are not a JSON object. Example:
            {'title': 'academy dinosaur'}.
        status (int): The HTTP status of the operation. Example: 200.
        films (int): The number of films in the result. Example: 1.
        duration_ms (int): How long the call took, in milliseconds. Example: 3.
    """

    name: str
    arguments: ToolEventArguments
    status: int
    films: int
    duration_ms: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        arguments = self.arguments.to_dict()

        status = self.status

        films = self.films

        duration_ms = self.duration_ms

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "arguments": arguments,
                "status": status,
                "films": films,
                "duration_ms": duration_ms,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.tool_event_arguments import ToolEventArguments  # noqa: PLC0415

        d = dict(src_dict)
        name = d.pop("name")

        arguments = ToolEventArguments.from_dict(d.pop("arguments"))

        status = d.pop("status")

        films = d.pop("films")

        duration_ms = d.pop("duration_ms")

        tool_event = cls(
            name=name,
            arguments=arguments,
            status=status,
            films=films,
            duration_ms=duration_ms,
        )

        tool_event.additional_properties = d
        return tool_event

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
