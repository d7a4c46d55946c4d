from typing import Literal, cast

RentalSort = Literal[
    "-due_date",
    "-rental_date",
    "-rental_id",
    "-return_date",
    "due_date",
    "rental_date",
    "rental_id",
    "return_date",
]

RENTAL_SORT_VALUES: set[RentalSort] = {
    "-due_date",
    "-rental_date",
    "-rental_id",
    "-return_date",
    "due_date",
    "rental_date",
    "rental_id",
    "return_date",
}


def check_rental_sort(value: str) -> RentalSort:
    return cast(RentalSort, value)
