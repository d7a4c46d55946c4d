from typing import Literal

Rating = Literal["G", "NC-17", "PG", "PG-13", "R"]

RATING_VALUES: set[Rating] = {
    "G",
    "NC-17",
    "PG",
    "PG-13",
    "R",
}


def check_rating(value: str) -> Rating:
    if value in RATING_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {RATING_VALUES!r}")
