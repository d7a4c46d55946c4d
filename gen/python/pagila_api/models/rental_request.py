from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="RentalRequest")


@_attrs_define
class RentalRequest:
    """What to rent, and the member of staff who rents it out. The body has either `inventory_id`, or
    `film_id` and `store_id`.

        Attributes:
            staff_id (int): The member of staff who rents it out. Example: 1.
            inventory_id (int | Unset): The copy. Example: 1.
            film_id (int | Unset): The film, of which any copy in the store will do. Example: 1.
            store_id (int | Unset): The store of the copy, with `film_id`. Example: 1.
    """

    staff_id: int
    inventory_id: int | Unset = UNSET
    film_id: int | Unset = UNSET
    store_id: int | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        staff_id = self.staff_id

        inventory_id = self.inventory_id

        film_id = self.film_id

        store_id = self.store_id

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "staff_id": staff_id,
            }
        )
        if inventory_id is not UNSET:
            field_dict["inventory_id"] = inventory_id
        if film_id is not UNSET:
            field_dict["film_id"] = film_id
        if store_id is not UNSET:
            field_dict["store_id"] = store_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        staff_id = d.pop("staff_id")

        inventory_id = d.pop("inventory_id", UNSET)

        film_id = d.pop("film_id", UNSET)

        store_id = d.pop("store_id", UNSET)

        rental_request = cls(
            staff_id=staff_id,
            inventory_id=inventory_id,
            film_id=film_id,
            store_id=store_id,
        )

        return rental_request
