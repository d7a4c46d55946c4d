"""The client against the live server at PAGILA_URL."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pagila_api import DeltaEvent, DoneEvent, ProblemError, SourcesEvent, ToolEvent
from pagila_api.models import Rental, Subscription

from .conftest import Make, Recording

CUSTOMER = 4


def rent(client: Recording) -> Rental:
    """Rents a copy of a random film that the customer does not have."""
    while True:
        try:
            return client.create_rental(
                CUSTOMER, film_id=random.randint(1, 100), store_id=random.randint(1, 2), staff_id=1
            )
        except ProblemError as problem:
            assert problem.code in {"inventory_not_available", "already_rented_by_customer"}


class Losing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Loses every other response to a POST, after the server has carried out the request."""

    def __init__(self) -> None:
        self._sync = httpx.HTTPTransport()
        self._async = httpx.AsyncHTTPTransport()
        self._posts = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._sync.handle_request(request)
        if self._loses(request):
            response.close()
            raise httpx.ReadError("the response is lost")
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._async.handle_async_request(request)
        if self._loses(request):
            await response.aclose()
            raise httpx.ReadError("the response is lost")
        return response

    def _loses(self, request: httpx.Request) -> bool:
        self._posts += request.method == "POST"
        return request.method == "POST" and self._posts % 2 == 1


@pytest.fixture
def lossy(live: Recording, make: Make) -> Recording:
    url, token = os.environ["PAGILA_URL"], os.environ.get("API_TOKEN", "dvd_admin")
    return make(url, token=token, transport=Losing())


def test_all_films_of_a_category(live: Recording) -> None:
    films = list(live.list_all_films(category=["comedy"], page_size=7))
    assert len(films) == live.list_films(category=["Comedy"]).total
    assert len(films) > 7  # noqa: PLR2004
    assert {film.category for film in films} == {"Comedy"}
    assert len({film.film_id for film in films}) == len(films)


def test_film(live: Recording) -> None:
    film = live.get_film(1)
    assert film.film_id == 1
    assert film.actors
    with pytest.raises(ProblemError) as refused:
        live.get_film(2147483647)
    assert refused.value.status == 404  # noqa: PLR2004
    assert refused.value.code == "film_not_found"
    assert refused.value.request_id


def test_rental_whose_responses_are_lost(live: Recording, lossy: Recording) -> None:
    rental = rent(live)
    live.return_rental(CUSTOMER, rental.rental_id)  # so the copy is in, and the customer is without
    request = {"inventory_id": rental.inventory_id, "staff_id": 1}
    rental = lossy.create_rental(CUSTOMER, **request)
    assert live.get_rental(CUSTOMER, rental.rental_id) == rental
    assert rental.return_date is None
    assert rental.due_date > rental.rental_date
    with pytest.raises(ProblemError) as refused:
        live.create_rental(CUSTOMER, **request)
    assert refused.value.status == 409  # noqa: PLR2004
    assert refused.value.code == "already_rented_by_customer"
    assert refused.value.rental is not None
    assert refused.value.rental.rental_id == rental.rental_id
    rentals = list(live.list_all_customer_rentals(CUSTOMER, state="open"))
    assert [r.rental_id for r in rentals if r.inventory_id == rental.inventory_id] == [
        rental.rental_id
    ]

    returned = lossy.return_rental(CUSTOMER, rental.rental_id)
    assert (returned.rental_id, returned.days_overdue, returned.late_fee) == (
        rental.rental_id,
        0,
        "0.00",
    )
    with pytest.raises(ProblemError) as refused:
        live.return_rental(CUSTOMER, rental.rental_id)
    assert refused.value.code == "already_returned"
    assert refused.value.rental == returned


def subscribe(client: Recording) -> Subscription:
    """Subscribes a random customer on a random day."""
    while True:
        day = datetime.now(UTC).date() + timedelta(days=random.randint(1, 360))
        try:
            return client.create_subscription(
                random.randint(1, 599), plan_name="standard", start_date=day, end_date=day
            )
        except ProblemError as problem:
            assert problem.code in {"already_subscribed", "customer_inactive", "customer_not_found"}


def test_subscription_whose_responses_are_lost(live: Recording, lossy: Recording) -> None:
    subscription = subscribe(lossy)
    customer, start = subscription.customer_id, subscription.start_date
    assert live.get_subscription(customer, subscription.subscription_id) == subscription
    with pytest.raises(ProblemError) as refused:
        lossy.create_subscription(customer, plan_name="premium", start_date=start)
    assert refused.value.code == "already_subscribed"
    assert refused.value.subscription == subscription
    with pytest.raises(ProblemError) as refused:
        live.cancel_subscription(customer, subscription.subscription_id)
    assert refused.value.code == "already_cancelled"
    assert refused.value.subscription == subscription


def test_change_of_a_film(live: Recording) -> None:
    film = live.get_film(501)
    wanted = not film.streaming_available
    assert live.update_film(501, streaming_available=wanted, if_match=film.etag) != film
    with pytest.raises(ProblemError) as refused:
        live.update_film(501, streaming_available=wanted, if_match=film.etag)
    assert refused.value.code == "precondition_failed"


def test_invalid_token(live: Recording, make: Make) -> None:
    for token, code in ((None, "missing_token"), ("wrong", "invalid_token")):
        client = make(os.environ["PAGILA_URL"], token=token)
        with pytest.raises(ProblemError) as refused:
            client.create_rental(1, inventory_id=1, staff_id=1)
        assert (refused.value.status, refused.value.code) == (401, code)


def test_invalid_input(live: Recording) -> None:
    with pytest.raises(ProblemError) as refused:
        live.list_films(page=0)
    assert refused.value.code == "invalid_request"
    assert refused.value.errors[0].parameter == "page"


def test_ask(live: Recording) -> None:
    question = "Which short comedies are rated PG?"
    chunks = list(live.ask_question(question))
    assert len(chunks) > 1
    events = list(live.ask_question_events(question))
    assert isinstance(events[0], ToolEvent)
    assert isinstance(events[-1], DoneEvent)
    films = [film for e in events if isinstance(e, SourcesEvent) for film in e.films]
    assert events[-1].finish_reason == "stop"
    assert [e.text for e in events if isinstance(e, DeltaEvent)] == chunks
    assert any(film.title in "".join(chunks) for film in films)


def test_summary_and_hand_off(live: Recording) -> None:
    film = live.get_film(1)
    summary = live.summarize_film(film_id=1)
    assert (summary.title, summary.rating) == (film.title, film.rating)
    answer = live.hand_off(question=f"Who stars in {film.title}?")
    assert answer.agent == "search"
    assert [source.film_id for source in answer.sources] == [1]


def test_token_and_health(live: Recording) -> None:
    user = os.environ.get("API_USERNAME", "staff")
    password = os.environ.get("API_PASSWORD", "dvd_admin")
    assert live.create_token(user, password).access_token
    with pytest.raises(ProblemError) as refused:
        live.create_token(user, "wrong")
    assert refused.value.code == "invalid_credentials"
    assert live.get_readiness().status == "ready"
