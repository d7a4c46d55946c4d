from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Subscription")


@_attrs_define
class Subscription:
    """A subscription to streaming. A day that RFC 3339 cannot express is replaced by the nearest one that
    it can.

        Attributes:
            subscription_id (int): The subscription's number. Example: 1.
            customer_id (int): The customer. Example: 1.
            plan_name (str): The name of the plan. The database may have plans that `PlanName` does not list. Example:
                standard.
            start_date (datetime.date): The first day. Example: 2026-11-26.
            end_date (datetime.date | None): The last day. Null if the subscription has no end.
            active (bool): Whether today is one of its days. Example: True.
    """

    subscription_id: int
    customer_id: int
    plan_name: str
    start_date: datetime.date
    end_date: datetime.date | None
    active: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        subscription_id = self.subscription_id

        customer_id = self.customer_id

        plan_name = self.plan_name

        start_date = self.start_date.isoformat()

        end_date: None | str
        if isinstance(self.end_date, datetime.date):
            end_date = self.end_date.isoformat()
        else:
            end_date = self.end_date

        active = self.active

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "subscription_id": subscription_id,
                "customer_id": customer_id,
                "plan_name": plan_name,
                "start_date": start_date,
                "end_date": end_date,
                "active": active,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        subscription_id = d.pop("subscription_id")

        customer_id = d.pop("customer_id")

        plan_name = d.pop("plan_name")

        start_date = datetime.date.fromisoformat(d.pop("start_date"))

        def _parse_end_date(data: object) -> datetime.date | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                end_date_type_0 = datetime.date.fromisoformat(data)

                return end_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None, data)

        end_date = _parse_end_date(d.pop("end_date"))

        active = d.pop("active")

        subscription = cls(
            subscription_id=subscription_id,
            customer_id=customer_id,
            plan_name=plan_name,
            start_date=start_date,
            end_date=end_date,
            active=active,
        )

        subscription.additional_properties = d
        return subscription

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
