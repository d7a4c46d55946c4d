from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Customer")


@_attrs_define
class Customer:
    """A customer. Members whose value the database does not know are absent.

    Attributes:
        customer_id (int): The customer's number. Example: 1.
        store_id (int): The customer's store. Example: 1.
        first_name (str): The first name. Example: MARY.
        last_name (str): The last name. Example: SMITH.
        active (bool): Whether the customer may rent and subscribe. Both of Pagila's columns `active` and `activebool`
            count. Example: True.
        email (str | Unset): The email address, as the database has it. Example: MARY.SMITH@sakilacustomer.org.
    """

    customer_id: int
    store_id: int
    first_name: str
    last_name: str
    active: bool
    email: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        customer_id = self.customer_id

        store_id = self.store_id

        first_name = self.first_name

        last_name = self.last_name

        active = self.active

        email = self.email

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "customer_id": customer_id,
                "store_id": store_id,
                "first_name": first_name,
                "last_name": last_name,
                "active": active,
            }
        )
        if email is not UNSET:
            field_dict["email"] = email

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        customer_id = d.pop("customer_id")

        store_id = d.pop("store_id")

        first_name = d.pop("first_name")

        last_name = d.pop("last_name")

        active = d.pop("active")

        email = d.pop("email", UNSET)

        customer = cls(
            customer_id=customer_id,
            store_id=store_id,
            first_name=first_name,
            last_name=last_name,
            active=active,
            email=email,
        )

        customer.additional_properties = d
        return customer

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
