from typing import Literal, cast

TokenTokenType = Literal["bearer"]

TOKEN_TOKEN_TYPE_VALUES: set[TokenTokenType] = {
    "bearer",
}


def check_token_token_type(value: str) -> TokenTokenType:
    return cast(TokenTokenType, value)
