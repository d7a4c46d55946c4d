"""A method for each operation of the contract. Written by api/sdk. Do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

from . import models
from ._protocol import Call, Position

__all__ = ["AsyncOperations"]

T = TypeVar("T")


class AsyncOperations:
    """The methods that call the operations of the contract."""

    async def _call(self, call: Call, from_dict: Callable[[Mapping[str, Any]], T]) -> T:
        raise NotImplementedError

    async def create_rental(
        self,
        customer_id: int,
        *,
        inventory_id: int,
        staff_id: int,
    ) -> models.Rental:
        """Rent a copy.

        Rents a copy of a film to a customer from now on. A copy is rented to one customer at a time,
        however many requests arrive at the same time. The customer and the member of staff must be
        active. A customer is active unless one of Pagila's columns `active` and `activebool` is false.

        Args:
            inventory_id: The copy.
            staff_id: The member of staff who rents it out.
        """
        _call = Call("createRental", "POST", "/customers/{customer_id}/rentals")
        _call.path_params["customer_id"] = customer_id
        _call.body["inventory_id"] = inventory_id
        _call.body["staff_id"] = staff_id
        _call.body_required = True
        return await self._call(_call, models.Rental.from_dict)

    async def get_film(
        self,
        film_id: int,
    ) -> models.FilmDetail:
        """Read a film.

        The film with its actors.
        """
        _call = Call("getFilm", "GET", "/films/{film_id}")
        _call.path_params["film_id"] = film_id
        return await self._call(_call, models.FilmDetail.from_dict)

    async def get_health(
        self,
    ) -> models.Health:
        """Is the server alive?

        Succeeds as long as the process serves requests. It checks nothing else.
        """
        _call = Call("getHealth", "GET", "/healthz")
        return await self._call(_call, models.Health.from_dict)

    async def get_readiness(
        self,
    ) -> models.Readiness:
        """Is the server ready?

        Ready means that the database responds, accepts writes, and has what the operations need (both
        migrations, the tables, the privileges), and that the server is not shutting down. The response
        takes at most a second, however busy the server is.
        """
        _call = Call("getReadiness", "GET", "/readyz")
        return await self._call(_call, models.Readiness.from_dict)

    async def get_rental(
        self,
        customer_id: int,
        rental_id: int,
    ) -> models.Rental:
        """Read a rental.

        Returns 404 if the rental belongs to another customer.
        """
        _call = Call("getRental", "GET", "/customers/{customer_id}/rentals/{rental_id}")
        _call.path_params["customer_id"] = customer_id
        _call.path_params["rental_id"] = rental_id
        return await self._call(_call, models.Rental.from_dict)

    async def hand_off(
        self,
        *,
        question: str,
    ) -> models.Answer:
        """Ask the right agent.

        Two agents share the questions. `search` answers questions about the films that it finds, from
        the database alone: price, category, rating, length, actors, stock and streaming. It hands off
        everything else to `model`, the language model, which answers as in `GET /ai/ask`. `sources` are
        the films that the answer is based on.

        Args:
            question: A question in plain language. It must contain a visible character.
        """
        _call = Call("handOff", "POST", "/ai/handoff")
        _call.body["question"] = question
        _call.body_required = True
        return await self._call(_call, models.Answer.from_dict)

    async def list_films(
        self,
        *,
        page: int | None = None,
        page_size: int | None = None,
        category: str | None = None,
    ) -> models.FilmPage:
        """List films.

        One page of the catalogue, ordered by `film_id`. Page and total come from one snapshot of
        the database. A page past the end, or an unknown category, is an empty page.

        Args:
            page: The number of the page, from 1.
            page_size: The number of films on a page.
            category: Only films of this category. Case does not matter.
        """
        _call = Call("listFilms", "GET", "/films")
        _call.query["page"] = page
        _call.query["page_size"] = page_size
        _call.query["category"] = category
        return await self._call(_call, models.FilmPage.from_dict)

    async def list_all_films(
        self,
        *,
        page: int | None = None,
        page_size: int | None = None,
        category: str | None = None,
    ) -> AsyncIterator[models.Film]:
        """Yields the items of all pages of `list_films`.

        Begins with the page in the arguments, or with the first. The default of `page_size` is 100.
        The pages are read one after the other, not from one snapshot of the database.
        """
        page_size = 100 if page_size is None else page_size
        _at: Position | None = Position(number=page, size=page_size)
        while _at is not None:
            _found = await self.list_films(
                page=_at.number,
                page_size=page_size,
                category=category,
            )
            for _item in _found.items:
                yield _item
            _at = _at.following(len(_found.items), total=_found.total or 0)

    async def summarize_film(
        self,
        *,
        film_id: int,
    ) -> models.FilmSummary:
        """Summarize a film as JSON.

        The language model names the film and says whether it recommends it. A film is recommended if its
        rating is above PG-13 (R or NC-17) and its rental rate is below 3.00. The server checks the
        model's answer against the schema, the database and that rule.

        Args:
            film_id: The film's number.
        """
        _call = Call("summarizeFilm", "POST", "/ai/summary")
        _call.body["film_id"] = film_id
        _call.body_required = True
        return await self._call(_call, models.FilmSummary.from_dict)

