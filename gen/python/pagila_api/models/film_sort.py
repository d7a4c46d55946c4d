from typing import Literal, cast

FilmSort = Literal[
    "-film_id",
    "-length",
    "-release_year",
    "-rental_rate",
    "-replacement_cost",
    "-title",
    "film_id",
    "length",
    "release_year",
    "relevance",
    "rental_rate",
    "replacement_cost",
    "title",
]

FILM_SORT_VALUES: set[FilmSort] = {
    "-film_id",
    "-length",
    "-release_year",
    "-rental_rate",
    "-replacement_cost",
    "-title",
    "film_id",
    "length",
    "release_year",
    "relevance",
    "rental_rate",
    "replacement_cost",
    "title",
}


def check_film_sort(value: str) -> FilmSort:
    return cast(FilmSort, value)
