from typing import Literal, cast

PaymentSort = Literal["-payment_date", "payment_date"]

PAYMENT_SORT_VALUES: set[PaymentSort] = {
    "-payment_date",
    "payment_date",
}


def check_payment_sort(value: str) -> PaymentSort:
    return cast(PaymentSort, value)
