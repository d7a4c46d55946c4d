from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.source import Source


T = TypeVar("T", bound="SourcesEvent")


@_attrs_define
class SourcesEvent:
    """The data of the server-sent event `sources`. The films that the model was given, in the order of the
    results.

        Attributes:
            films (list[Source]): The films.
            total (int): The number of films that were found. The model is given only the first of many. After a search
                with `count=capped`, 10001 means that there are more than 10000.
                 Example: 58.
    """

    films: list[Source]
    total: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        films = []
        for films_item_data in self.films:
            films_item = films_item_data.to_dict()
            films.append(films_item)

        total = self.total

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "films": films,
                "total": total,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.source import Source  # noqa: PLC0415

        d = dict(src_dict)
        films = []
        _films = d.pop("films")
        for films_item_data in _films:
            films_item = Source.from_dict(films_item_data)

            films.append(films_item)

        total = d.pop("total")

        sources_event = cls(
            films=films,
            total=total,
        )

        sources_event.additional_properties = d
        return sources_event

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
