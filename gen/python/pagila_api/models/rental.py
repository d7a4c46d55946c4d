from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Rental")


@_attrs_define
class Rental:
    """A rental. A time that RFC 3339 cannot express (before the year 1, after 9999, or infinity) is
    replaced by the nearest one that it can.

        Attributes:
            rental_id (int): The rental's number. Example: 16050.
            rental_date (datetime.datetime): When the rental began. Example: 2026-11-22T12:00:00Z.
            inventory_id (int): The copy. Example: 1.
            store_id (int): The store of the copy. Example: 1.
            customer_id (int): The customer who rented it. Example: 1.
            staff_id (int): The member of staff who rented it out. Example: 1.
            return_date (datetime.datetime | None): When the copy was returned. Null while it is rented.
            film_id (int): The film of the copy. Example: 1.
            title (str): The film's title. Example: ACADEMY DINOSAUR.
            due_date (datetime.datetime): When the copy is due, from the film's `rental_duration`. Example:
                2026-11-28T12:00:00Z.
            days_overdue (int): How many whole days after the due date the copy was returned. For an open rental, up to now.
                 Example: 0.
            late_fee (str | Unset): One dollar for each of the days overdue, and the film's replacement cost as well if the
                copy is more
                than twice the rental duration overdue. For an open rental, up to now. Absent if the database does
                not know the replacement cost.
                 Example: 0.00.
    """

    rental_id: int
    rental_date: datetime.datetime
    inventory_id: int
    store_id: int
    customer_id: int
    staff_id: int
    return_date: datetime.datetime | None
    film_id: int
    title: str
    due_date: datetime.datetime
    days_overdue: int
    late_fee: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        rental_id = self.rental_id

        rental_date = self.rental_date.isoformat()

        inventory_id = self.inventory_id

        store_id = self.store_id

        customer_id = self.customer_id

        staff_id = self.staff_id

        return_date: None | str
        if isinstance(self.return_date, datetime.datetime):
            return_date = self.return_date.isoformat()
        else:
            return_date = self.return_date

        film_id = self.film_id

        title = self.title

        due_date = self.due_date.isoformat()

        days_overdue = self.days_overdue

        late_fee = self.late_fee

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "rental_id": rental_id,
                "rental_date": rental_date,
                "inventory_id": inventory_id,
                "store_id": store_id,
                "customer_id": customer_id,
                "staff_id": staff_id,
                "return_date": return_date,
                "film_id": film_id,
                "title": title,
                "due_date": due_date,
                "days_overdue": days_overdue,
            }
        )
        if late_fee is not UNSET:
            field_dict["late_fee"] = late_fee

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        rental_id = d.pop("rental_id")

        rental_date = datetime.datetime.fromisoformat(d.pop("rental_date"))

        inventory_id = d.pop("inventory_id")

        store_id = d.pop("store_id")

        customer_id = d.pop("customer_id")

        staff_id = d.pop("staff_id")

        def _parse_return_date(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                return_date_type_0 = datetime.datetime.fromisoformat(data)

                return return_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        return_date = _parse_return_date(d.pop("return_date"))

        film_id = d.pop("film_id")

        title = d.pop("title")

        due_date = datetime.datetime.fromisoformat(d.pop("due_date"))

        days_overdue = d.pop("days_overdue")

        late_fee = d.pop("late_fee", UNSET)

        rental = cls(
            rental_id=rental_id,
            rental_date=rental_date,
            inventory_id=inventory_id,
            store_id=store_id,
            customer_id=customer_id,
            staff_id=staff_id,
            return_date=return_date,
            film_id=film_id,
            title=title,
            due_date=due_date,
            days_overdue=days_overdue,
            late_fee=late_fee,
        )

        rental.additional_properties = d
        return rental

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
