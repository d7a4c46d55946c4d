from typing import Literal, cast

ReadinessStatus = Literal["ready"]

READINESS_STATUS_VALUES: set[ReadinessStatus] = {
    "ready",
}


def check_readiness_status(value: str) -> ReadinessStatus:
    return cast(ReadinessStatus, value)
