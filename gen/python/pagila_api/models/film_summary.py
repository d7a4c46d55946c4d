from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

from ..models.rating import Rating, check_rating

T = TypeVar("T", bound="FilmSummary")


@_attrs_define
class FilmSummary:
    """The language model's summary of a film. The model must follow this schema.

    Attributes:
        title (str): The film's title in the catalogue. Example: ACADEMY DINOSAUR.
        rating (Rating): The rating of the Motion Picture Association, mildest first. Example: PG.
        recommended (bool): True if the rating is above PG-13 and the rental rate is below 3.00. Example: False.
    """

    title: str
    rating: Rating
    recommended: bool

    def to_dict(self) -> dict[str, Any]:
        title = self.title

        rating: str = self.rating

        recommended = self.recommended

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "title": title,
                "rating": rating,
                "recommended": recommended,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        title = d.pop("title")

        rating = check_rating(d.pop("rating"))

        recommended = d.pop("recommended")

        film_summary = cls(
            title=title,
            rating=rating,
            recommended=recommended,
        )

        return film_summary
