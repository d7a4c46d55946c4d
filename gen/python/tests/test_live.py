"""The client against the live server at PAGILA_URL."""

from __future__ import annotations

import os
import random

import pytest

from pagila_api import DeltaEvent, DoneEvent, ProblemError, SourcesEvent, ToolEvent
from pagila_api.models import Rental

from .conftest import Make, Recording

COPIES = 1000
"""Every dataset has at least this many copies."""


def rent(client: Recording) -> Rental:
    """Rents a random copy that is in."""
    for inventory_id in random.sample(range(1, COPIES), COPIES - 1):
        try:
            return client.create_rental(1, inventory_id=inventory_id, staff_id=1)
        except ProblemError as problem:
            assert problem.code == "inventory_not_available"
    pytest.fail("all copies are out")


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


def test_rent(live: Recording) -> None:
    rental = rent(live)
    assert live.get_rental(1, rental.rental_id) == rental
    assert rental.return_date is None
    assert rental.due_date > rental.rental_date
    with pytest.raises(ProblemError) as refused:
        live.create_rental(1, inventory_id=rental.inventory_id, staff_id=1)
    assert refused.value.status == 409  # noqa: PLR2004
    assert refused.value.code == "inventory_not_available"


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
