from typing import Literal, cast

Rating = Literal["G", "NC-17", "PG", "PG-13", "R"]

RATING_VALUES: set[Rating] = {
    "G",
    "NC-17",
    "PG",
    "PG-13",
    "R",
}


def check_rating(value: str) -> Rating:
    return cast(Rating, value)
