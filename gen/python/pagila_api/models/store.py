from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Store")


@_attrs_define
class Store:
    """A store and its address. Members whose value the database does not know are absent.

    Attributes:
        store_id (int): The number of the store. Example: 1.
        address (str | Unset): The street and the number. Example: 47 MySakila Drive.
        district (str | Unset): The district, such as a province. Example: Alberta.
        city (str | Unset): The city. Example: Lethbridge.
        country (str | Unset): The country. Example: Canada.
    """

    store_id: int
    address: str | Unset = UNSET
    district: str | Unset = UNSET
    city: str | Unset = UNSET
    country: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        store_id = self.store_id

        address = self.address

        district = self.district

        city = self.city

        country = self.country

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "store_id": store_id,
            }
        )
        if address is not UNSET:
            field_dict["address"] = address
        if district is not UNSET:
            field_dict["district"] = district
        if city is not UNSET:
            field_dict["city"] = city
        if country is not UNSET:
            field_dict["country"] = country

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        store_id = d.pop("store_id")

        address = d.pop("address", UNSET)

        district = d.pop("district", UNSET)

        city = d.pop("city", UNSET)

        country = d.pop("country", UNSET)

        store = cls(
            store_id=store_id,
            address=address,
            district=district,
            city=city,
            country=country,
        )

        store.additional_properties = d
        return store

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
