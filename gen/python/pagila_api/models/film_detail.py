from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.rating import Rating, check_rating
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.actor import Actor
    from ..models.availability import Availability


T = TypeVar("T", bound="FilmDetail")


@_attrs_define
class FilmDetail:
    """A film with its categories, its actors and its copies.

    Attributes:
        film_id (int): The film's number. Example: 1.
        title (str): The film's title. Example: ACADEMY DINOSAUR.
        language (str): The name of the film's language. Example: English.
        rental_duration (int): The number of days that a rental lasts. Example: 6.
        special_features (list[str]): The extras on the disc. Example: ['Deleted Scenes', 'Behind the Scenes'].
        streaming_available (bool): True if the film can be streamed. Example: False.
        actors (list[Actor]): The actors by name.
        categories (list[str]): All categories of the film by name. Example: ['Documentary'].
        availability (list[Availability]): The stores that have a copy, by number.
        etag (str): Identifies this state of the film. To change the film, send it in `If-Match`. Example:
            "fdf72e720382caaee781f67bfc26a30f".
        description (str | Unset): The plot in a sentence. Example: A Epic Drama of a Feminist And a Mad Scientist who
            must Battle a Teacher in The Canadian Rockies.
        release_year (int | Unset): The year in which the film was released. Example: 2006.
        category (str | Unset): The film's category. If it has several, the first in alphabetical order. Example:
            Documentary.
        rating (Rating | Unset): The rating of the Motion Picture Association, mildest first. Example: PG.
        length (int | Unset): Running time in minutes. Example: 86.
        rental_rate (str | Unset): A sum of money as a decimal number with two digits after the point. Example: 0.99.
        replacement_cost (str | Unset): A sum of money as a decimal number with two digits after the point. Example:
            0.99.
    """

    film_id: int
    title: str
    language: str
    rental_duration: int
    special_features: list[str]
    streaming_available: bool
    actors: list[Actor]
    categories: list[str]
    availability: list[Availability]
    etag: str
    description: str | Unset = UNSET
    release_year: int | Unset = UNSET
    category: str | Unset = UNSET
    rating: Rating | Unset = UNSET
    length: int | Unset = UNSET
    rental_rate: str | Unset = UNSET
    replacement_cost: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        film_id = self.film_id

        title = self.title

        language = self.language

        rental_duration = self.rental_duration

        special_features = self.special_features

        streaming_available = self.streaming_available

        actors = []
        for actors_item_data in self.actors:
            actors_item = actors_item_data.to_dict()
            actors.append(actors_item)

        categories = self.categories

        availability = []
        for availability_item_data in self.availability:
            availability_item = availability_item_data.to_dict()
            availability.append(availability_item)

        etag = self.etag

        description = self.description

        release_year = self.release_year

        category = self.category

        rating: str | Unset = UNSET
        if not isinstance(self.rating, Unset):
            rating = self.rating

        length = self.length

        rental_rate = self.rental_rate

        replacement_cost = self.replacement_cost

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "film_id": film_id,
                "title": title,
                "language": language,
                "rental_duration": rental_duration,
                "special_features": special_features,
                "streaming_available": streaming_available,
                "actors": actors,
                "categories": categories,
                "availability": availability,
                "etag": etag,
            }
        )
        if description is not UNSET:
            field_dict["description"] = description
        if release_year is not UNSET:
            field_dict["release_year"] = release_year
        if category is not UNSET:
            field_dict["category"] = category
        if rating is not UNSET:
            field_dict["rating"] = rating
        if length is not UNSET:
            field_dict["length"] = length
        if rental_rate is not UNSET:
            field_dict["rental_rate"] = rental_rate
        if replacement_cost is not UNSET:
            field_dict["replacement_cost"] = replacement_cost

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.actor import Actor  # noqa: PLC0415
        from ..models.availability import Availability  # noqa: PLC0415

        d = dict(src_dict)
        film_id = d.pop("film_id")

        title = d.pop("title")

        language = d.pop("language")

        rental_duration = d.pop("rental_duration")

        special_features = cast(list[str], d.pop("special_features"))

        streaming_available = d.pop("streaming_available")

        actors = []
        _actors = d.pop("actors")
        for actors_item_data in _actors:
            actors_item = Actor.from_dict(actors_item_data)

            actors.append(actors_item)

        categories = cast(list[str], d.pop("categories"))

        availability = []
        _availability = d.pop("availability")
        for availability_item_data in _availability:
            availability_item = Availability.from_dict(availability_item_data)

            availability.append(availability_item)

        etag = d.pop("etag")

        description = d.pop("description", UNSET)

        release_year = d.pop("release_year", UNSET)

        category = d.pop("category", UNSET)

        _rating = d.pop("rating", UNSET)
        rating: Rating | Unset
        if isinstance(_rating, Unset):
            rating = UNSET
        else:
            rating = check_rating(_rating)

        length = d.pop("length", UNSET)

        rental_rate = d.pop("rental_rate", UNSET)

        replacement_cost = d.pop("replacement_cost", UNSET)

        film_detail = cls(
            film_id=film_id,
            title=title,
            language=language,
            rental_duration=rental_duration,
            special_features=special_features,
            streaming_available=streaming_available,
            actors=actors,
            categories=categories,
            availability=availability,
            etag=etag,
            description=description,
            release_year=release_year,
            category=category,
            rating=rating,
            length=length,
            rental_rate=rental_rate,
            replacement_cost=replacement_cost,
        )

        film_detail.additional_properties = d
        return film_detail

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
