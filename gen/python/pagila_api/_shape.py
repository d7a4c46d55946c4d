"""Checks JSON against the shapes that api/sdk derives from the contract. It documents their format."""

from __future__ import annotations

import re
import sys
from typing import Any

_FORMATS = {
    "string": re.compile(r".*", re.DOTALL),
    "date": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII),
}


def check(value: Any, shape: Any, at: str = "#") -> None:
    """Raises a ValueError with the pointer to the first value that does not have its shape."""
    if isinstance(shape, dict) and isinstance(value, dict):
        _check_members(value, shape, at)
    elif isinstance(shape, list) and isinstance(value, list):
        for i, item in enumerate(value):
            check(item, shape[0], f"{at}/{i}")
    elif not isinstance(shape, str) or not _is_scalar(value, shape):
        raise ValueError(f"{at} does not have the contract's type")


def _check_members(members: dict[str, Any], shape: dict[str, Any], at: str) -> None:
    for key, of in shape.items():
        name = key.removesuffix("?")
        if name != key and members.get(name) is None:
            continue
        if name not in members:
            raise ValueError(f"{at}/{name} is missing")
        check(members[name], of, f"{at}/{name}")


def _is_scalar(value: Any, shape: str) -> bool:
    kind = shape.removesuffix("|null")
    match value:
        case None:
            return kind != shape
        case bool():
            return kind == "boolean"
        case str():
            return kind in _FORMATS and _FORMATS[kind].fullmatch(value) is not None
        case int() | float() if kind == "number":
            return abs(value) <= sys.float_info.max
        case int():
            return kind == "integer" or (kind == "int32" and -(2**31) <= value < 2**31)
    return False
