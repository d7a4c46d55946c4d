from typing import Literal, cast

RentalState = Literal["open", "overdue", "returned"]

RENTAL_STATE_VALUES: set[RentalState] = {
    "open",
    "overdue",
    "returned",
}


def check_rental_state(value: str) -> RentalState:
    return cast(RentalState, value)
