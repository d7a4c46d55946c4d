from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Copy")


@_attrs_define
class Copy:
    """A copy of a film.

    Attributes:
        inventory_id (int): The number of the copy. A rental names it. Example: 6.
        store_id (int): The number of its store. Example: 2.
        in_stock (bool): Whether the copy is there to be rented. Example: False.
        due_date (datetime.datetime | Unset): When the copy is due, if it is rented out. Example: 2022-08-26T23:30:32Z.
    """

    inventory_id: int
    store_id: int
    in_stock: bool
    due_date: datetime.datetime | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        inventory_id = self.inventory_id

        store_id = self.store_id

        in_stock = self.in_stock

        due_date: str | Unset = UNSET
        if not isinstance(self.due_date, Unset):
            due_date = self.due_date.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "inventory_id": inventory_id,
                "store_id": store_id,
                "in_stock": in_stock,
            }
        )
        if due_date is not UNSET:
            field_dict["due_date"] = due_date

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        inventory_id = d.pop("inventory_id")

        store_id = d.pop("store_id")

        in_stock = d.pop("in_stock")

        _due_date = d.pop("due_date", UNSET)
        due_date: datetime.datetime | Unset
        if isinstance(_due_date, Unset):
            due_date = UNSET
        else:
            due_date = datetime.datetime.fromisoformat(_due_date)

        copy = cls(
            inventory_id=inventory_id,
            store_id=store_id,
            in_stock=in_stock,
            due_date=due_date,
        )

        copy.additional_properties = d
        return copy

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
