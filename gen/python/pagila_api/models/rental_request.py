from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="RentalRequest")


@_attrs_define
class RentalRequest:
    """The copy to rent, and the member of staff who rents it out.

    Attributes:
        inventory_id (int): The copy. Example: 1.
        staff_id (int): The member of staff who rents it out. Example: 1.
    """

    inventory_id: int
    staff_id: int

    def to_dict(self) -> dict[str, Any]:
        inventory_id = self.inventory_id

        staff_id = self.staff_id

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "inventory_id": inventory_id,
                "staff_id": staff_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        inventory_id = d.pop("inventory_id")

        staff_id = d.pop("staff_id")

        rental_request = cls(
            inventory_id=inventory_id,
            staff_id=staff_id,
        )

        return rental_request
