from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Availability")


@_attrs_define
class Availability:
    """How many copies of a film a store has.

    Attributes:
        store_id (int): The number of the store. Example: 1.
        copies (int): The number of its copies, rented out or not. Example: 4.
        in_stock (int): The number of its copies that are there to be rented. Example: 3.
    """

    store_id: int
    copies: int
    in_stock: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        store_id = self.store_id

        copies = self.copies

        in_stock = self.in_stock

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "store_id": store_id,
                "copies": copies,
                "in_stock": in_stock,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        store_id = d.pop("store_id")

        copies = d.pop("copies")

        in_stock = d.pop("in_stock")

        availability = cls(
            store_id=store_id,
            copies=copies,
            in_stock=in_stock,
        )

        availability.additional_properties = d
        return availability

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
