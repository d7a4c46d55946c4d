from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Address")


@_attrs_define
class Address:
    """A postal address. Members whose value the database does not know are absent.

    Attributes:
        address (str | Unset): The street and the number. Example: 1913 Hanoi Way.
        additional_address (str | Unset): A second line.
        district (str | Unset): The district, such as a province. Example: Nagasaki.
        city (str | Unset): The city. Example: Sasebo.
        postal_code (str | Unset): The postal code. Example: 35200.
        country (str | Unset): The country. Example: Japan.
        phone (str | Unset): The telephone number. Example: 28303384290.
    """

    address: str | Unset = UNSET
    additional_address: str | Unset = UNSET
    district: str | Unset = UNSET
    city: str | Unset = UNSET
    postal_code: str | Unset = UNSET
    country: str | Unset = UNSET
    phone: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        address = self.address

        additional_address = self.additional_address

        district = self.district

        city = self.city

        postal_code = self.postal_code

        country = self.country

        phone = self.phone

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if address is not UNSET:
            field_dict["address"] = address
        if additional_address is not UNSET:
            field_dict["additional_address"] = additional_address
        if district is not UNSET:
            field_dict["district"] = district
        if city is not UNSET:
            field_dict["city"] = city
        if postal_code is not UNSET:
            field_dict["postal_code"] = postal_code
        if country is not UNSET:
            field_dict["country"] = country
        if phone is not UNSET:
            field_dict["phone"] = phone

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        address = d.pop("address", UNSET)

        additional_address = d.pop("additional_address", UNSET)

        district = d.pop("district", UNSET)

        city = d.pop("city", UNSET)

        postal_code = d.pop("postal_code", UNSET)

        country = d.pop("country", UNSET)

        phone = d.pop("phone", UNSET)

        address = cls(
            address=address,
            additional_address=additional_address,
            district=district,
            city=city,
            postal_code=postal_code,
            country=country,
            phone=phone,
        )

        address.additional_properties = d
        return address

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
