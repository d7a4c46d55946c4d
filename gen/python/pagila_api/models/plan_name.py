from typing import Literal, cast

PlanName = Literal["basic", "premium", "standard"]

PLAN_NAME_VALUES: set[PlanName] = {
    "basic",
    "premium",
    "standard",
}


def check_plan_name(value: str) -> PlanName:
    return cast(PlanName, value)
