from typing import Literal

ProblemCode = Literal[
    "body_too_large",
    "customer_inactive",
    "customer_not_found",
    "database_busy",
    "database_unavailable",
    "film_not_found",
    "film_not_rated",
    "internal_error",
    "invalid_credentials",
    "invalid_request",
    "invalid_token",
    "inventory_not_available",
    "llm_bad_response",
    "llm_busy",
    "llm_refused",
    "llm_timeout",
    "llm_unavailable",
    "llm_unverified",
    "method_not_allowed",
    "missing_token",
    "not_found",
    "not_ready",
    "outcome_unknown",
    "rate_limited",
    "refused_by_database",
    "rental_not_found",
    "server_busy",
    "staff_inactive",
    "unknown_reference",
    "unsupported_media_type",
]

PROBLEM_CODE_VALUES: set[ProblemCode] = {
    "body_too_large",
    "customer_inactive",
    "customer_not_found",
    "database_busy",
    "database_unavailable",
    "film_not_found",
    "film_not_rated",
    "internal_error",
    "invalid_credentials",
    "invalid_request",
    "invalid_token",
    "inventory_not_available",
    "llm_bad_response",
    "llm_busy",
    "llm_refused",
    "llm_timeout",
    "llm_unavailable",
    "llm_unverified",
    "method_not_allowed",
    "missing_token",
    "not_found",
    "not_ready",
    "outcome_unknown",
    "rate_limited",
    "refused_by_database",
    "rental_not_found",
    "server_busy",
    "staff_inactive",
    "unknown_reference",
    "unsupported_media_type",
}


def check_problem_code(value: str) -> ProblemCode:
    if value in PROBLEM_CODE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {PROBLEM_CODE_VALUES!r}"
    )
