from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.customer import Customer


T = TypeVar("T", bound="CustomerPage")


@_attrs_define
class CustomerPage:
    """One page of customers.

    Attributes:
        items (list[Customer]): The customers in the order of the request.
        page_size (int): The largest number of customers on a page. Example: 20.
        page (int | Unset): The number of the page. Absent if the request had a cursor. Example: 1.
        total (int | Unset): The number of customers on all pages, as `count` says. Example: 599.
        next_cursor (str | Unset): Leads to the next page. Absent on the last page. Example:
            ZgEAAAAgZ9tagFoknoNRwDmqqlbKTFGyMtdRyk6tVLJSMleqBQQAAP__.
    """

    items: list[Customer]
    page_size: int
    page: int | Unset = UNSET
    total: int | Unset = UNSET
    next_cursor: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        items = []
        for items_item_data in self.items:
            items_item = items_item_data.to_dict()
            items.append(items_item)

        page_size = self.page_size

        page = self.page

        total = self.total

        next_cursor = self.next_cursor

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "items": items,
                "page_size": page_size,
            }
        )
        if page is not UNSET:
            field_dict["page"] = page
        if total is not UNSET:
            field_dict["total"] = total
        if next_cursor is not UNSET:
            field_dict["next_cursor"] = next_cursor

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.customer import Customer  # noqa: PLC0415

        d = dict(src_dict)
        items = []
        _items = d.pop("items")
        for items_item_data in _items:
            items_item = Customer.from_dict(items_item_data)

            items.append(items_item)

        page_size = d.pop("page_size")

        page = d.pop("page", UNSET)

        total = d.pop("total", UNSET)

        next_cursor = d.pop("next_cursor", UNSET)

        customer_page = cls(
            items=items,
            page_size=page_size,
            page=page,
            total=total,
            next_cursor=next_cursor,
        )

        customer_page.additional_properties = d
        return customer_page

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
