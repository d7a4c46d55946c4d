from typing import Literal, cast

TokenRequestGrantType = Literal["password"]

TOKEN_REQUEST_GRANT_TYPE_VALUES: set[TokenRequestGrantType] = {
    "password",
}


def check_token_request_grant_type(value: str) -> TokenRequestGrantType:
    return cast(TokenRequestGrantType, value)
