from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="FilmUpdate")


@_attrs_define
class FilmUpdate:
    """The change of a film.

    Attributes:
        streaming_available (bool): True if the film can be streamed. Example: True.
    """

    streaming_available: bool

    def to_dict(self) -> dict[str, Any]:
        streaming_available = self.streaming_available

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "streaming_available": streaming_available,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        streaming_available = d.pop("streaming_available")

        film_update = cls(
            streaming_available=streaming_available,
        )

        return film_update
