# Written by generate.sh from _async_client.py. Edit that one.
"""The client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from . import _protocol as protocol
from ._protocol import Delta, Event
from .errors import IncompleteAnswerError
from .generated.api.ai import ask_question, hand_off, summarize_film
from .generated.api.authentication import create_token
from .generated.api.films import get_film, list_films
from .generated.api.operations import get_health, get_readiness
from .generated.api.rentals import create_rental, get_rental
from .generated.models import (
    Answer,
    Film,
    FilmDetail,
    FilmPage,
    FilmSummary,
    Health,
    Question,
    Readiness,
    Rental,
    RentalRequest,
    SummaryRequest,
    Token,
    TokenRequest,
)

T = TypeVar("T")


class Client:
    """A client of one server. Close it, or use it in a `with`.

    Args:
        base_url: Where the server is, such as `http://localhost:8080`.
        token: The bearer token, which rentals need.
        timeout: Seconds that one try may take. A stream may take this long until its head, and then
            be silent for 60 at most.
        retries: How often GET is tried again after a broken connection, 429, 502, 503 or 504. POST
            never is.
        transport: Carries the requests, for tests and for proxies.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        timeout: float = protocol.DEFAULT_TIMEOUT,
        retries: int = protocol.DEFAULT_RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retries = retries
        self._timeout = timeout
        self._sleep: Callable[[float], object] = time.sleep
        self._http = httpx.Client(
            base_url=base_url,
            headers=protocol.headers(token),
            timeout=timeout,
            transport=transport,
        )

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def list_films(
        self, *, page: int = 1, page_size: int = 20, category: str | None = None
    ) -> FilmPage:
        """One page of the films, of a category if one is given."""
        kwargs = list_films._get_kwargs(
            page=page, page_size=page_size, category=protocol.optional(category)
        )
        return self._call(kwargs, FilmPage.from_dict)

    def iter_films(self, *, category: str | None = None, page_size: int = 100) -> Iterator[Film]:
        """All films, of a category if one is given, page by page."""
        page = 1
        while True:
            answer = self.list_films(page=page, page_size=page_size, category=category)
            for film in answer.items:
                yield film
            if page * page_size >= answer.total or not answer.items:
                return
            page += 1

    def get_film(self, film_id: int) -> FilmDetail:
        """A film with its actors."""
        return self._call(get_film._get_kwargs(film_id), FilmDetail.from_dict)

    def create_rental(self, customer_id: int, *, inventory_id: int, staff_id: int) -> Rental:
        """Rents a copy to a customer, from now on. Needs the token.

        `ProblemError.code` is `inventory_not_available` where the copy is out.
        """
        body = RentalRequest(inventory_id=inventory_id, staff_id=staff_id)
        return self._call(create_rental._get_kwargs(customer_id, body=body), Rental.from_dict)

    def get_rental(self, customer_id: int, rental_id: int) -> Rental:
        """A rental of a customer's. Needs the token."""
        return self._call(get_rental._get_kwargs(customer_id, rental_id), Rental.from_dict)

    def ask(self, question: str) -> Iterator[str]:
        """The answer to a question about the catalogue, piece by piece, as it is written.

        Raises `IncompleteAnswerError` where the stream ends before the answer does.
        """
        for event in self.ask_events(question):
            if isinstance(event, Delta):
                yield event.data.text

    def ask_events(self, question: str) -> Iterator[Event]:
        """The answer as events: `Sources`, a `Delta` for each piece, `Done`."""
        kwargs = ask_question._get_kwargs(question=question)
        kwargs["headers"]["Accept"] = protocol.EVENTS
        response = self._send(kwargs, stream=True)
        try:
            events = protocol.EventStream(response)
            for piece in response.iter_bytes():
                for event in events.feed(piece):
                    yield event
                if events.done:
                    return
            events.end()
        except httpx.TimeoutException as cause:
            raise protocol.request_error(cause) from cause
        except httpx.RequestError as cause:
            raise IncompleteAnswerError(f"the stream broke: {cause}") from cause
        finally:
            response.close()

    def summarize_film(self, film_id: int) -> FilmSummary:
        """The language model's verified summary of a film."""
        kwargs = summarize_film._get_kwargs(body=SummaryRequest(film_id=film_id))
        return self._call(kwargs, FilmSummary.from_dict)

    def hand_off(self, question: str) -> Answer:
        """The whole answer to a question, by the search agent or the language model."""
        kwargs = hand_off._get_kwargs(body=Question(question=question))
        return self._call(kwargs, Answer.from_dict)

    def create_token(self, username: str, password: str) -> Token:
        """Logs in. The token is for a client of its own."""
        body = TokenRequest(grant_type="password", username=username, password=password)
        return self._call(create_token._get_kwargs(body=body), Token.from_dict)

    def get_health(self) -> Health:
        """Is the server alive?"""
        return self._call(get_health._get_kwargs(), Health.from_dict)

    def get_readiness(self) -> Readiness:
        """What the server runs on. `ProblemError.code` is `not_ready` where it is not ready."""
        return self._call(get_readiness._get_kwargs(), Readiness.from_dict)

    def _call(self, kwargs: dict[str, Any], from_dict: Callable[[Mapping[str, Any]], T]) -> T:
        return protocol.decode(self._send(kwargs, stream=False), from_dict)

    def _send(self, kwargs: dict[str, Any], *, stream: bool) -> httpx.Response:
        """Sends a request, again where that is right, and raises what a refusal means."""
        request = self._http.build_request(**kwargs)
        if stream:
            silence = min(self._timeout, protocol.STREAM_SILENCE)
            request.extensions["timeout"] = httpx.Timeout(self._timeout, read=silence).as_dict()
        wanted = protocol.EVENTS if stream else protocol.JSON
        retry = 0
        while True:
            outcome: httpx.Response | httpx.RequestError
            try:
                outcome = self._http.send(request, stream=True)
                if not (stream and protocol.is_answer(outcome, wanted)):
                    outcome.read()
                    outcome.close()
            except httpx.RequestError as failure:
                outcome = failure
            wait = protocol.pause(request, outcome, retry, self._retries)
            if wait is None:
                break
            self._sleep(wait)
            retry += 1
        if isinstance(outcome, httpx.RequestError):
            raise protocol.request_error(outcome) from outcome
        if not protocol.is_answer(outcome, wanted):
            raise protocol.http_error(outcome)
        return outcome
