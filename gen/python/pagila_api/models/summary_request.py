from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="SummaryRequest")


@_attrs_define
class SummaryRequest:
    """The film to summarize.

    Attributes:
        film_id (int): The film's number. Example: 1.
    """

    film_id: int

    def to_dict(self) -> dict[str, Any]:
        film_id = self.film_id

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "film_id": film_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        film_id = d.pop("film_id")

        summary_request = cls(
            film_id=film_id,
        )

        return summary_request
