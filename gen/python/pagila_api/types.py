"""The value of a member that is omitted in the models."""

from typing import Literal


class Unset:
    def __bool__(self) -> Literal[False]:
        return False

    def __reduce__(self) -> str:
        return "UNSET"  # a copy is the same object, also in another process


UNSET: Unset = Unset()

__all__ = ["UNSET", "Unset"]
