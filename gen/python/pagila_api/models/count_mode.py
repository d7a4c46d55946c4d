from typing import Literal, cast

CountMode = Literal["capped", "estimated", "exact", "none"]

COUNT_MODE_VALUES: set[CountMode] = {
    "capped",
    "estimated",
    "exact",
    "none",
}


def check_count_mode(value: str) -> CountMode:
    return cast(CountMode, value)
