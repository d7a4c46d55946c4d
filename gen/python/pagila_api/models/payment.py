from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Payment")


@_attrs_define
class Payment:
    """A payment of a customer. Members whose value the database does not know are absent.

    Attributes:
        payment_id (int): The payment's number. Example: 16677.
        customer_id (int): The customer. Example: 1.
        staff_id (int): The member of staff who received it. Example: 1.
        rental_id (int): The rental that was paid for. Example: 76.
        payment_date (datetime.datetime): When it was paid. Example: 2022-06-29T18:09:50.346988Z.
        amount (str | Unset): A sum of money as a decimal number with two digits after the point. Example: 0.99.
    """

    payment_id: int
    customer_id: int
    staff_id: int
    rental_id: int
    payment_date: datetime.datetime
    amount: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        payment_id = self.payment_id

        customer_id = self.customer_id

        staff_id = self.staff_id

        rental_id = self.rental_id

        payment_date = self.payment_date.isoformat()

        amount = self.amount

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "payment_id": payment_id,
                "customer_id": customer_id,
                "staff_id": staff_id,
                "rental_id": rental_id,
                "payment_date": payment_date,
            }
        )
        if amount is not UNSET:
            field_dict["amount"] = amount

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        payment_id = d.pop("payment_id")

        customer_id = d.pop("customer_id")

        staff_id = d.pop("staff_id")

        rental_id = d.pop("rental_id")

        payment_date = datetime.datetime.fromisoformat(d.pop("payment_date"))

        amount = d.pop("amount", UNSET)

        payment = cls(
            payment_id=payment_id,
            customer_id=customer_id,
            staff_id=staff_id,
            rental_id=rental_id,
            payment_date=payment_date,
            amount=amount,
        )

        payment.additional_properties = d
        return payment

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
