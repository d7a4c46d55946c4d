from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

from ..models.plan_name import PlanName, check_plan_name
from ..types import UNSET, Unset

T = TypeVar("T", bound="SubscriptionRequest")


@_attrs_define
class SubscriptionRequest:
    """The plan, and the days of the subscription.

    Attributes:
        plan_name (PlanName): The name of a streaming plan. Example: standard.
        start_date (datetime.date | Unset): A day in UTC such as 2026-11-26, from the year 1 to 9999. Example:
            2026-11-26.
        end_date (datetime.date | Unset): A day in UTC such as 2026-11-26, from the year 1 to 9999. Example: 2026-11-26.
    """

    plan_name: PlanName
    start_date: datetime.date | Unset = UNSET
    end_date: datetime.date | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        plan_name: str = self.plan_name

        start_date: str | Unset = UNSET
        if not isinstance(self.start_date, Unset):
            start_date = self.start_date.isoformat()

        end_date: str | Unset = UNSET
        if not isinstance(self.end_date, Unset):
            end_date = self.end_date.isoformat()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "plan_name": plan_name,
            }
        )
        if start_date is not UNSET:
            field_dict["start_date"] = start_date
        if end_date is not UNSET:
            field_dict["end_date"] = end_date

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        plan_name = check_plan_name(d.pop("plan_name"))

        _start_date = d.pop("start_date", UNSET)
        start_date: datetime.date | Unset
        if isinstance(_start_date, Unset):
            start_date = UNSET
        else:
            start_date = datetime.date.fromisoformat(_start_date)

        _end_date = d.pop("end_date", UNSET)
        end_date: datetime.date | Unset
        if isinstance(_end_date, Unset):
            end_date = UNSET
        else:
            end_date = datetime.date.fromisoformat(_end_date)

        subscription_request = cls(
            plan_name=plan_name,
            start_date=start_date,
            end_date=end_date,
        )

        return subscription_request
