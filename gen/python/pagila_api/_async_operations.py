"""A method for each operation of the contract. Written by api/sdk. Do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from . import models
from ._protocol import Call, Position, Repeat
from .types import UNSET

__all__ = ["AsyncOperations"]

T = TypeVar("T")


class AsyncOperations:
    """The methods that call the operations of the contract."""

    async def _call(self, call: Call, from_dict: Callable[[Mapping[str, Any]], T]) -> T:
        raise NotImplementedError

    async def cancel_subscription(
        self,
        customer_id: int,
        subscription_id: int,
    ) -> models.Subscription:
        """Cancel a subscription.

        Ends a subscription. Its last day becomes today, in UTC. A subscription that has not begun ends on its
        first day. A new one can begin on the day after. The request has no body.

        The request may be repeated safely. If the subscription ends no later already, the response is 409
        `already_cancelled` with the subscription.
        """
        _call = Call("cancelSubscription", "POST", "/customers/{customer_id}/subscriptions/{subscription_id}/cancel")
        _call.path_params["customer_id"] = customer_id
        _call.path_params["subscription_id"] = subscription_id
        _call.repeat = Repeat("already_cancelled", "subscription")
        return await self._call(_call, models.Subscription.from_dict)

    async def create_rental(
        self,
        customer_id: int,
        *,
        staff_id: int,
        film_id: int | None = None,
        inventory_id: int | None = None,
        store_id: int | None = None,
    ) -> models.Rental:
        """Rent a copy.

        Rents a copy of a film to a customer from now on. The body names the copy (`inventory_id`), or a film
        and a store (`film_id` and `store_id`), of which the database chooses a copy in stock. A copy is
        rented to one customer at a time, however many requests arrive at the same time.

        The customer and the member of staff must be active. A customer is active unless one of Pagila's
        columns `active` and `activebool` says otherwise; NULL does not. The member of staff may belong to
        another store than the copy, as in Pagila's own rentals.

        The request may be repeated safely. If the customer has this copy already, or a copy of this film
        from any store if the body names a film, the response is 409 `already_rented_by_customer` with the
        rental in `rental` and in `Location`. So a client whose first response was lost learns that it was
        successful. To rent a second copy of the same film, name the copy.

        Args:
            staff_id: The member of staff who rents it out.
            film_id: The film, of which any copy in the store will do.
            inventory_id: The copy.
            store_id: The store of the copy, with `film_id`.
        """
        _call = Call("createRental", "POST", "/customers/{customer_id}/rentals")
        _call.path_params["customer_id"] = customer_id
        _call.body["staff_id"] = staff_id
        _call.body["film_id"] = film_id if film_id is not None else UNSET
        _call.body["inventory_id"] = inventory_id if inventory_id is not None else UNSET
        _call.body["store_id"] = store_id if store_id is not None else UNSET
        _call.body_required = True
        _call.repeat = Repeat("already_rented_by_customer", "rental")
        return await self._call(_call, models.Rental.from_dict)

    async def create_subscription(
        self,
        customer_id: int,
        *,
        plan_name: models.PlanName,
        end_date: date | None = None,
        start_date: date | None = None,
    ) -> models.Subscription:
        """Subscribe to streaming.

        Subscribes a customer to a plan, from `start_date` to `end_date` inclusive. Days are counted in UTC.
        The customer must be active, and has at most one subscription on any day, however many requests
        arrive at the same time.

        `start_date` is from today, which is the default, to 366 days ahead. `end_date` is at most 3660 days
        after it. Without `end_date` the subscription has no end. Other dates give 422 `invalid_dates`.

        The request may be repeated safely. If the customer has a subscription on any of these days, the
        response is 409 `already_subscribed` with that subscription in `subscription` and in `Location`.
        A repeated request is recognized first, even if its `start_date` is past by then or the customer is no
        longer active.

        Args:
            plan_name: The name of a streaming plan.
            end_date: A day in UTC such as 2026-11-26, from the year 1 to 9999.
            start_date: A day in UTC such as 2026-11-26, from the year 1 to 9999.
        """
        _call = Call("createSubscription", "POST", "/customers/{customer_id}/subscriptions")
        _call.path_params["customer_id"] = customer_id
        _call.body["plan_name"] = plan_name
        _call.body["end_date"] = end_date if end_date is not None else UNSET
        _call.body["start_date"] = start_date if start_date is not None else UNSET
        _call.body_required = True
        _call.repeat = Repeat("already_subscribed", "subscription")
        return await self._call(_call, models.Subscription.from_dict)

    async def get_actor(
        self,
        actor_id: int,
    ) -> models.ActorDetail:
        """Read an actor.

        The actor with the films by title, at most 1000.
        """
        _call = Call("getActor", "GET", "/actors/{actor_id}")
        _call.path_params["actor_id"] = actor_id
        return await self._call(_call, models.ActorDetail.from_dict)

    async def get_customer(
        self,
        customer_id: int,
    ) -> models.CustomerDetail:
        """Read a customer.

        The customer with the address, the open rentals, what is overdue, the late fees up to now, and the
        subscription that is active today.
        """
        _call = Call("getCustomer", "GET", "/customers/{customer_id}")
        _call.path_params["customer_id"] = customer_id
        return await self._call(_call, models.CustomerDetail.from_dict)

    async def get_film(
        self,
        film_id: int,
    ) -> models.FilmDetail:
        """Read a film.

        The film with its categories, its actors, and how many copies each store has. `ETag` identifies the
        state of all that. A request with this value in the header `If-None-Match` gets 304 while it has not
        changed (RFC 9110, section 13.1.2).
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

    async def get_subscription(
        self,
        customer_id: int,
        subscription_id: int,
    ) -> models.Subscription:
        """Read a subscription.

        Returns 404 if the subscription belongs to another customer.
        """
        _call = Call("getSubscription", "GET", "/customers/{customer_id}/subscriptions/{subscription_id}")
        _call.path_params["customer_id"] = customer_id
        _call.path_params["subscription_id"] = subscription_id
        return await self._call(_call, models.Subscription.from_dict)

    async def hand_off(
        self,
        *,
        question: str,
    ) -> models.Answer:
        """Ask the right agent.

        Two agents share the questions. `search` answers a question if it understands each word of it,
        from the database alone. It hands off everything else to `model`, the language model, which
        answers as in `GET /ai/ask`. `sources` are the films that the answer is based on.

        Args:
            question: A question in plain language. It must contain a visible character.
        """
        _call = Call("handOff", "POST", "/ai/handoff")
        _call.body["question"] = question
        _call.body_required = True
        return await self._call(_call, models.Answer.from_dict)

    async def list_actors(
        self,
        *,
        page: int | None = None,
        page_size: int | None = None,
        q: str | None = None,
    ) -> models.ActorPage:
        """List actors.

        One page of the actors, ordered by last name, first name and `actor_id`, with the number of
        their films. A page past the end is empty.

        Args:
            page: The number of the page, from 1.
            page_size: The largest number of items on a page.
            q: A part of the name, such as `guiness` or `penelope g`. Case does not matter.
        """
        _call = Call("listActors", "GET", "/actors")
        _call.query["page"] = page
        _call.query["page_size"] = page_size
        _call.query["q"] = q
        return await self._call(_call, models.ActorPage.from_dict)

    async def list_all_actors(
        self,
        *,
        page: int | None = None,
        page_size: int | None = None,
        q: str | None = None,
    ) -> AsyncIterator[models.ActorSummary]:
        """Yields the items of all pages of `list_actors`.

        Begins with the page in the arguments, or with the first. The default of `page_size` is 100.
        The pages are read one after the other, not from one snapshot of the database.
        """
        page_size = 100 if page_size is None else page_size
        _at: Position | None = Position(number=page, size=page_size)
        while _at is not None:
            _found = await self.list_actors(
                page=_at.number,
                page_size=page_size,
                q=q,
            )
            for _item in _found.items:
                yield _item
            _at = _at.following(len(_found.items), total=_found.total or 0)

    async def list_categories(
        self,
    ) -> models.CategoryList:
        """List the categories.

        All categories by name, at most 1000, with the number of their films.
        """
        _call = Call("listCategories", "GET", "/categories")
        return await self._call(_call, models.CategoryList.from_dict)

    async def list_customer_payments(
        self,
        customer_id: int,
        *,
        sort: models.PaymentSort | None = None,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
    ) -> models.PaymentPage:
        """List the payments of a customer.

        One page of the customer's payments, by number or by cursor as in `GET /films`. Payments cannot be
        added: Pagila's table has no partition for dates after July 2022.

        Args:
            sort: The order. A minus sign reverses it. Payments of the same time are ordered by `payment_id`. The
default is `-payment_date`, the newest first.

            page: The number of the page, from 1, which is the default. It excludes `cursor`.
            page_size: The largest number of items on a page.
            cursor: The `next_cursor` of the page before.
            count: How `total` is found. `exact` counts all items that match, which takes long in a large database.
There, use `capped`: it counts up to 10001, which means that there are more than 10000.
`estimated` asks the database's planner, which may be wrong. `none` leaves the total out. The
default is `exact`, and `none` with a cursor.

        """
        _call = Call("listCustomerPayments", "GET", "/customers/{customer_id}/payments")
        _call.path_params["customer_id"] = customer_id
        _call.query["sort"] = sort
        _call.query["page"] = page
        _call.query["page_size"] = page_size
        _call.query["cursor"] = cursor
        _call.query["count"] = count
        return await self._call(_call, models.PaymentPage.from_dict)

    async def list_all_customer_payments(
        self,
        customer_id: int,
        *,
        sort: models.PaymentSort | None = None,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
    ) -> AsyncIterator[models.Payment]:
        """Yields the items of all pages of `list_customer_payments`.

        Begins with the page in the arguments, or with the first. The default of `page_size` is 100.
        The pages are read one after the other, not from one snapshot of the database.
        """
        page_size = 100 if page_size is None else page_size
        _at: Position | None = Position(number=page, size=page_size, cursor=cursor)
        while _at is not None:
            _found = await self.list_customer_payments(
                customer_id,
                sort=sort,
                page=_at.number,
                page_size=page_size,
                cursor=_at.cursor,
                count=count,
            )
            for _item in _found.items:
                yield _item
            _at = _at.following(len(_found.items), total=_found.total or 0, cursor=_found.next_cursor or None)

    async def list_customer_rentals(
        self,
        customer_id: int,
        *,
        state: models.RentalState | None = None,
        sort: models.RentalSort | None = None,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
    ) -> models.RentalPage:
        """List the rentals of a customer.

        One page of the customer's rentals, by number or by cursor as in `GET /films`. After a rental whose
        response was lost, `state=open` shows whether it was made.

        Args:
            state: Whether the copy is still out (`open`), was returned (`returned`), or is out and past its due date
(`overdue`).

            sort: The order. A minus sign reverses it. Unknown values come last in both directions, and rentals with
equal values are ordered by `rental_id`. The default is `-rental_date`, the newest first.

            page: The number of the page, from 1, which is the default. It excludes `cursor`.
            page_size: The largest number of items on a page.
            cursor: The `next_cursor` of the page before.
            count: How `total` is found. `exact` counts all items that match, which takes long in a large database.
There, use `capped`: it counts up to 10001, which means that there are more than 10000.
`estimated` asks the database's planner, which may be wrong. `none` leaves the total out. The
default is `exact`, and `none` with a cursor.

        """
        _call = Call("listCustomerRentals", "GET", "/customers/{customer_id}/rentals")
        _call.path_params["customer_id"] = customer_id
        _call.query["state"] = state
        _call.query["sort"] = sort
        _call.query["page"] = page
        _call.query["page_size"] = page_size
        _call.query["cursor"] = cursor
        _call.query["count"] = count
        return await self._call(_call, models.RentalPage.from_dict)

    async def list_all_customer_rentals(
        self,
        customer_id: int,
        *,
        state: models.RentalState | None = None,
        sort: models.RentalSort | None = None,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
    ) -> AsyncIterator[models.Rental]:
        """Yields the items of all pages of `list_customer_rentals`.

        Begins with the page in the arguments, or with the first. The default of `page_size` is 100.
        The pages are read one after the other, not from one snapshot of the database.
        """
        page_size = 100 if page_size is None else page_size
        _at: Position | None = Position(number=page, size=page_size, cursor=cursor)
        while _at is not None:
            _found = await self.list_customer_rentals(
                customer_id,
                state=state,
                sort=sort,
                page=_at.number,
                page_size=page_size,
                cursor=_at.cursor,
                count=count,
            )
            for _item in _found.items:
                yield _item
            _at = _at.following(len(_found.items), total=_found.total or 0, cursor=_found.next_cursor or None)

    async def list_customer_subscriptions(
        self,
        customer_id: int,
    ) -> models.SubscriptionList:
        """List the subscriptions of a customer.

        The customer's subscriptions, the latest `start_date` first. There are at most 1000.
        """
        _call = Call("listCustomerSubscriptions", "GET", "/customers/{customer_id}/subscriptions")
        _call.path_params["customer_id"] = customer_id
        return await self._call(_call, models.SubscriptionList.from_dict)

    async def list_customers(
        self,
        *,
        q: str | None = None,
        store_id: int | None = None,
        active: bool | None = None,
        sort: models.CustomerSort | None = None,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
    ) -> models.CustomerPage:
        """List customers.

        One page of the customers, by number or by cursor as in `GET /films`.

        Args:
            q: A part of the name or of the email address, such as `mary s`. Case does not matter.
            store_id: The customer's store.
            active: Whether the customer may rent.
            sort: The order. A minus sign reverses it. Customers with equal last names are ordered by `customer_id`,
which is the default.

            page: The number of the page, from 1, which is the default. It excludes `cursor`.
            page_size: The largest number of items on a page.
            cursor: The `next_cursor` of the page before.
            count: How `total` is found. `exact` counts all items that match, which takes long in a large database.
There, use `capped`: it counts up to 10001, which means that there are more than 10000.
`estimated` asks the database's planner, which may be wrong. `none` leaves the total out. The
default is `exact`, and `none` with a cursor.

        """
        _call = Call("listCustomers", "GET", "/customers")
        _call.query["q"] = q
        _call.query["store_id"] = store_id
        _call.query["active"] = active
        _call.query["sort"] = sort
        _call.query["page"] = page
        _call.query["page_size"] = page_size
        _call.query["cursor"] = cursor
        _call.query["count"] = count
        return await self._call(_call, models.CustomerPage.from_dict)

    async def list_all_customers(
        self,
        *,
        q: str | None = None,
        store_id: int | None = None,
        active: bool | None = None,
        sort: models.CustomerSort | None = None,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
    ) -> AsyncIterator[models.Customer]:
        """Yields the items of all pages of `list_customers`.

        Begins with the page in the arguments, or with the first. The default of `page_size` is 100.
        The pages are read one after the other, not from one snapshot of the database.
        """
        page_size = 100 if page_size is None else page_size
        _at: Position | None = Position(number=page, size=page_size, cursor=cursor)
        while _at is not None:
            _found = await self.list_customers(
                q=q,
                store_id=store_id,
                active=active,
                sort=sort,
                page=_at.number,
                page_size=page_size,
                cursor=_at.cursor,
                count=count,
            )
            for _item in _found.items:
                yield _item
            _at = _at.following(len(_found.items), total=_found.total or 0, cursor=_found.next_cursor or None)

    async def list_film_inventory(
        self,
        film_id: int,
    ) -> models.FilmInventory:
        """List the copies of a film.

        The copies of the film with their stores, by `inventory_id`. A copy that is rented out has the
        date on which it is due. There are at most 1000.
        """
        _call = Call("listFilmInventory", "GET", "/films/{film_id}/inventory")
        _call.path_params["film_id"] = film_id
        return await self._call(_call, models.FilmInventory.from_dict)

    async def list_films(
        self,
        *,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
        sort: models.FilmSort | None = None,
        q: str | None = None,
        title: str | None = None,
        category: Sequence[str] | None = None,
        rating: Sequence[models.Rating] | None = None,
        language: Sequence[str] | None = None,
        actor: Sequence[str] | None = None,
        actor_id: Sequence[int] | None = None,
        special_feature: Sequence[str] | None = None,
        release_year_min: int | None = None,
        release_year_max: int | None = None,
        length_min: int | None = None,
        length_max: int | None = None,
        rental_rate_min: str | None = None,
        rental_rate_max: str | None = None,
        replacement_cost_min: str | None = None,
        replacement_cost_max: str | None = None,
        rental_duration_min: int | None = None,
        rental_duration_max: int | None = None,
        streaming_available: bool | None = None,
        in_stock: bool | None = None,
        store_id: int | None = None,
    ) -> models.FilmPage:
        """List films.

        The films of the catalogue that meet all of the conditions. A condition on a value that the
        database does not know is not met. An unknown name, such as a category that does not exist,
        gives an empty page.

        There are two ways to read more than one page: by number, with `page`, and by cursor, with the
        `next_cursor` of the page before or its header `Link`. By cursor, each film that stays in the
        catalogue comes exactly once, whatever is inserted or deleted meanwhile, and in the orders
        `film_id` and `title` a page far back costs no more than the first. A cursor belongs to the
        conditions and the order of its request. Only `page_size` and `count` may change.

        A page and its total come from one snapshot of the database.

        Args:
            page: The number of the page, from 1, which is the default. It excludes `cursor`.
            page_size: The largest number of items on a page.
            cursor: The `next_cursor` of the page before.
            count: How `total` is found. `exact` counts all items that match, which takes long in a large database.
There, use `capped`: it counts up to 10001, which means that there are more than 10000.
`estimated` asks the database's planner, which may be wrong. `none` leaves the total out. The
default is `exact`, and `none` with a cursor.

            sort: The order. A minus sign reverses it. Unknown values come last in both directions, and films
with equal values are ordered by `film_id`. `relevance` needs `q`, puts the best match first,
and cannot be reversed. The default is `film_id`, and `relevance` with `q`.

            q: Searches the titles and descriptions for words, in the syntax of web search engines: all
words have to occur, in any form, `or` allows either of two, a minus sign excludes a word,
and quotes enclose a phrase. Without these operators, a word may also be the beginning of a
word of the title: `drama dino` finds the drama ACADEMY DINOSAUR.

            title: A part of the title. Case does not matter.
            category: A category. Case does not matter. Given several times, a film may have any of them.
            rating: A rating. Given several times, a film may have any of them.
            language: A language. Case does not matter. Given several times, a film may have any of them.
            actor: A part of an actor's name: the first name, the last name, or both. Case does not matter. Given
several times, a film must have an actor for each of them.

            actor_id: The number of an actor. Given several times, a film must have all of these actors.
            special_feature: A special feature. Case does not matter. Given several times, a film must have all of them.
            release_year_min: The earliest year of release.
            release_year_max: The latest year of release.
            length_min: The shortest running time, in minutes.
            length_max: The longest running time, in minutes.
            rental_rate_min: The lowest price of a rental.
            rental_rate_max: The highest price of a rental.
            replacement_cost_min: The lowest cost of replacing a lost copy.
            replacement_cost_max: The highest cost of replacing a lost copy.
            rental_duration_min: The fewest days that a rental lasts.
            rental_duration_max: The most days that a rental lasts.
            streaming_available: Whether the film can be streamed.
            in_stock: Whether a copy of the film is there to be rented, in the store `store_id` or in any.
            store_id: The number of a store. Without `in_stock`, the store must have a copy, rented out or not.
        """
        _call = Call("listFilms", "GET", "/films")
        _call.query["page"] = page
        _call.query["page_size"] = page_size
        _call.query["cursor"] = cursor
        _call.query["count"] = count
        _call.query["sort"] = sort
        _call.query["q"] = q
        _call.query["title"] = title
        _call.query["category"] = category
        _call.query["rating"] = rating
        _call.query["language"] = language
        _call.query["actor"] = actor
        _call.query["actor_id"] = actor_id
        _call.query["special_feature"] = special_feature
        _call.query["release_year_min"] = release_year_min
        _call.query["release_year_max"] = release_year_max
        _call.query["length_min"] = length_min
        _call.query["length_max"] = length_max
        _call.query["rental_rate_min"] = rental_rate_min
        _call.query["rental_rate_max"] = rental_rate_max
        _call.query["replacement_cost_min"] = replacement_cost_min
        _call.query["replacement_cost_max"] = replacement_cost_max
        _call.query["rental_duration_min"] = rental_duration_min
        _call.query["rental_duration_max"] = rental_duration_max
        _call.query["streaming_available"] = streaming_available
        _call.query["in_stock"] = in_stock
        _call.query["store_id"] = store_id
        return await self._call(_call, models.FilmPage.from_dict)

    async def list_all_films(
        self,
        *,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
        sort: models.FilmSort | None = None,
        q: str | None = None,
        title: str | None = None,
        category: Sequence[str] | None = None,
        rating: Sequence[models.Rating] | None = None,
        language: Sequence[str] | None = None,
        actor: Sequence[str] | None = None,
        actor_id: Sequence[int] | None = None,
        special_feature: Sequence[str] | None = None,
        release_year_min: int | None = None,
        release_year_max: int | None = None,
        length_min: int | None = None,
        length_max: int | None = None,
        rental_rate_min: str | None = None,
        rental_rate_max: str | None = None,
        replacement_cost_min: str | None = None,
        replacement_cost_max: str | None = None,
        rental_duration_min: int | None = None,
        rental_duration_max: int | None = None,
        streaming_available: bool | None = None,
        in_stock: bool | None = None,
        store_id: int | None = None,
    ) -> AsyncIterator[models.Film]:
        """Yields the items of all pages of `list_films`.

        Begins with the page in the arguments, or with the first. The default of `page_size` is 100.
        The pages are read one after the other, not from one snapshot of the database.
        """
        page_size = 100 if page_size is None else page_size
        _at: Position | None = Position(number=page, size=page_size, cursor=cursor)
        while _at is not None:
            _found = await self.list_films(
                page=_at.number,
                page_size=page_size,
                cursor=_at.cursor,
                count=count,
                sort=sort,
                q=q,
                title=title,
                category=category,
                rating=rating,
                language=language,
                actor=actor,
                actor_id=actor_id,
                special_feature=special_feature,
                release_year_min=release_year_min,
                release_year_max=release_year_max,
                length_min=length_min,
                length_max=length_max,
                rental_rate_min=rental_rate_min,
                rental_rate_max=rental_rate_max,
                replacement_cost_min=replacement_cost_min,
                replacement_cost_max=replacement_cost_max,
                rental_duration_min=rental_duration_min,
                rental_duration_max=rental_duration_max,
                streaming_available=streaming_available,
                in_stock=in_stock,
                store_id=store_id,
            )
            for _item in _found.items:
                yield _item
            _at = _at.following(len(_found.items), total=_found.total or 0, cursor=_found.next_cursor or None)

    async def list_languages(
        self,
    ) -> models.LanguageList:
        """List the languages.

        All languages by name, at most 1000, with the number of their films.
        """
        _call = Call("listLanguages", "GET", "/languages")
        return await self._call(_call, models.LanguageList.from_dict)

    async def list_plans(
        self,
    ) -> models.PlanList:
        """List the streaming plans.

        The plans that a customer can subscribe to. The films for streaming are those of `GET /films` with `streaming_available=true`.
        """
        _call = Call("listPlans", "GET", "/plans")
        return await self._call(_call, models.PlanList.from_dict)

    async def list_rentals(
        self,
        *,
        state: models.RentalState | None = None,
        customer_id: int | None = None,
        film_id: int | None = None,
        store_id: int | None = None,
        rental_date_min: date | None = None,
        rental_date_max: date | None = None,
        sort: models.RentalSort | None = None,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
    ) -> models.RentalPage:
        """List the rentals of the shop.

        One page of the rentals that meet all of the conditions, by number or by cursor as in `GET /films`. An
        unknown customer, film or store gives an empty page.

        Args:
            state: Whether the copy is still out (`open`), was returned (`returned`), or is out and past its due date
(`overdue`).

            customer_id: The customer.
            film_id: The film of the copy.
            store_id: The store of the copy.
            rental_date_min: The first day of the rentals, in UTC.
            rental_date_max: The last day of the rentals, in UTC.
            sort: The order. A minus sign reverses it. Unknown values come last in both directions, and rentals with
equal values are ordered by `rental_id`. The default is `-rental_date`, the newest first.

            page: The number of the page, from 1, which is the default. It excludes `cursor`.
            page_size: The largest number of items on a page.
            cursor: The `next_cursor` of the page before.
            count: How `total` is found. `exact` counts all items that match, which takes long in a large database.
There, use `capped`: it counts up to 10001, which means that there are more than 10000.
`estimated` asks the database's planner, which may be wrong. `none` leaves the total out. The
default is `exact`, and `none` with a cursor.

        """
        _call = Call("listRentals", "GET", "/rentals")
        _call.query["state"] = state
        _call.query["customer_id"] = customer_id
        _call.query["film_id"] = film_id
        _call.query["store_id"] = store_id
        _call.query["rental_date_min"] = rental_date_min
        _call.query["rental_date_max"] = rental_date_max
        _call.query["sort"] = sort
        _call.query["page"] = page
        _call.query["page_size"] = page_size
        _call.query["cursor"] = cursor
        _call.query["count"] = count
        return await self._call(_call, models.RentalPage.from_dict)

    async def list_all_rentals(
        self,
        *,
        state: models.RentalState | None = None,
        customer_id: int | None = None,
        film_id: int | None = None,
        store_id: int | None = None,
        rental_date_min: date | None = None,
        rental_date_max: date | None = None,
        sort: models.RentalSort | None = None,
        page: int | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        count: models.CountMode | None = None,
    ) -> AsyncIterator[models.Rental]:
        """Yields the items of all pages of `list_rentals`.

        Begins with the page in the arguments, or with the first. The default of `page_size` is 100.
        The pages are read one after the other, not from one snapshot of the database.
        """
        page_size = 100 if page_size is None else page_size
        _at: Position | None = Position(number=page, size=page_size, cursor=cursor)
        while _at is not None:
            _found = await self.list_rentals(
                state=state,
                customer_id=customer_id,
                film_id=film_id,
                store_id=store_id,
                rental_date_min=rental_date_min,
                rental_date_max=rental_date_max,
                sort=sort,
                page=_at.number,
                page_size=page_size,
                cursor=_at.cursor,
                count=count,
            )
            for _item in _found.items:
                yield _item
            _at = _at.following(len(_found.items), total=_found.total or 0, cursor=_found.next_cursor or None)

    async def list_stores(
        self,
    ) -> models.StoreList:
        """List the stores.

        All stores by `store_id`, at most 1000, with their addresses.
        """
        _call = Call("listStores", "GET", "/stores")
        return await self._call(_call, models.StoreList.from_dict)

    async def return_rental(
        self,
        customer_id: int,
        rental_id: int,
    ) -> models.Rental:
        """Return a copy.

        Ends a rental now. The response has the days overdue and the late fee, by Pagila's rule: one dollar
        for each whole day overdue, and the replacement cost as well if the copy is more than twice the
        film's `rental_duration` overdue. The request has no body.

        The request may be repeated safely. If the copy was returned before, the response is 409
        `already_returned` with the rental, whose `return_date` is that of the first return.
        """
        _call = Call("returnRental", "POST", "/customers/{customer_id}/rentals/{rental_id}/return")
        _call.path_params["customer_id"] = customer_id
        _call.path_params["rental_id"] = rental_id
        _call.repeat = Repeat("already_returned", "rental")
        return await self._call(_call, models.Rental.from_dict)

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

    async def update_film(
        self,
        film_id: int,
        *,
        streaming_available: bool,
        if_match: str | None = None,
    ) -> models.FilmDetail:
        """Offer a film for streaming, or stop offering it.

        Changes whether the film can be streamed. Read the film first, and send its `etag` in `If-Match`. If
        anything about the film has changed in between, even its stock, the response is 412, so that no
        client overwrites a change that it has not seen. Read the film again and decide anew.

        Args:
            streaming_available: True if the film can be streamed.
            if_match: The `etag` of the film as it was read (RFC 9110, section 13.1.1). Without it, and with `*`, the
response is 428. A weak ETag never matches.

        """
        _call = Call("updateFilm", "PATCH", "/films/{film_id}")
        _call.path_params["film_id"] = film_id
        _call.headers["If-Match"] = if_match
        _call.body["streaming_available"] = streaming_available
        _call.body_required = True
        return await self._call(_call, models.FilmDetail.from_dict)

