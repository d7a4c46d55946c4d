from typing import Literal, cast

CustomerSort = Literal["-customer_id", "-last_name", "customer_id", "last_name"]

CUSTOMER_SORT_VALUES: set[CustomerSort] = {
    "-customer_id",
    "-last_name",
    "customer_id",
    "last_name",
}


def check_customer_sort(value: str) -> CustomerSort:
    return cast(CustomerSort, value)
