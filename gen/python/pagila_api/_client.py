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
from .errors import PagilaError
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
        token: The bearer token, which rentals need. `create_token` gives one for a name and a
            password.
        timeout: Seconds that one attempt may take, for a stream until its head. 0 and `math.inf` are
            no limit, and so is more than 24 days.
        idle_timeout: Seconds that a stream may be silent after its head, with 0 and so on as above.
        retries: How often GET is tried again after a broken connection, 429, 502, 503 or 504. POST
            never is.
        transport: Carries the requests, for tests and for proxies.
    """

    def __init__(  # noqa: PLR0913 what a connection has
        self,
        base_url: str,
        *,
        token: str | None = None,
        timeout: float = protocol.DEFAULT_TIMEOUT,
        idle_timeout: float = protocol.DEFAULT_IDLE_TIMEOUT,
        retries: int = protocol.DEFAULT_RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retries = protocol.attempts(retries)
        self._timeout = protocol.seconds(timeout)
        self._idle_timeout = protocol.seconds(idle_timeout)
        self._sleep: Callable[[float], object] = time.sleep
        self._http = httpx.Client(
            base_url=base_url,
            headers=protocol.headers(token),
            timeout=self._timeout,
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
        return self._call("GET /films", kwargs, FilmPage.from_dict)

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
        return self._call(
            "GET /films/{film_id}", get_film._get_kwargs(film_id), FilmDetail.from_dict
        )

    def create_rental(self, customer_id: int, *, inventory_id: int, staff_id: int) -> Rental:
        """Rents a copy to a customer, from now on. Needs the token.

        `ProblemError.code` is `inventory_not_available` where the copy is out.
        """
        body = RentalRequest(inventory_id=inventory_id, staff_id=staff_id)
        return self._call(
            "POST /customers/{customer_id}/rentals",
            create_rental._get_kwargs(customer_id, body=body),
            Rental.from_dict,
        )

    def get_rental(self, customer_id: int, rental_id: int) -> Rental:
        """A rental of a customer's. Needs the token."""
        return self._call(
            "GET /customers/{customer_id}/rentals/{rental_id}",
            get_rental._get_kwargs(customer_id, rental_id),
            Rental.from_dict,
        )

    def ask(self, question: str) -> Iterator[str]:
        """The answer to a question about the catalogue, piece by piece, as it is written.

        Raises `IncompleteAnswerError`, with the text that came and the cause, where the answer
        breaks off, or the model reaches its token limit.
        """
        for event in self.ask_events(question):
            if isinstance(event, Delta):
                yield event.data.text

    def ask_events(self, question: str) -> Iterator[Event]:
        """The answer as events: `Sources`, a `Delta` for each piece, `Done`.

        Raises as `ask` does, at the token limit after `Done`.
        """
        kwargs = ask_question._get_kwargs(question=question)
        kwargs["headers"] = {"Accept": protocol.EVENTS}
        response, _ = self._send(kwargs, stream=True)
        events = protocol.EventStream(response)
        try:
            for piece in response.iter_bytes():
                for event in events.feed(piece):
                    yield event
                if events.done:
                    return
            events.end()
        except httpx.RequestError as failure:
            cause = protocol.request_error(failure)
            raise events.incomplete(cause) from cause
        finally:
            response.close()

    def summarize_film(self, film_id: int) -> FilmSummary:
        """The language model's verified summary of a film."""
        kwargs = summarize_film._get_kwargs(body=SummaryRequest(film_id=film_id))
        return self._call("POST /ai/summary", kwargs, FilmSummary.from_dict)

    def hand_off(self, question: str) -> Answer:
        """The whole answer to a question, by the search agent or the language model."""
        kwargs = hand_off._get_kwargs(body=Question(question=question))
        return self._call("POST /ai/handoff", kwargs, Answer.from_dict)

    def create_token(self, username: str, password: str) -> Token:
        """Logs in. The token is for a client of its own."""
        body = TokenRequest(grant_type="password", username=username, password=password)
        return self._call("POST /token", create_token._get_kwargs(body=body), Token.from_dict)

    def get_health(self) -> Health:
        """Is the server alive?"""
        return self._call("GET /healthz", get_health._get_kwargs(), Health.from_dict)

    def get_readiness(self) -> Readiness:
        """What the server runs on. `ProblemError.code` is `not_ready` where it is not ready."""
        return self._call("GET /readyz", get_readiness._get_kwargs(), Readiness.from_dict)

    def _call(
        self,
        operation: str,
        kwargs: dict[str, Any],
        from_dict: Callable[[Mapping[str, Any]], T],
    ) -> T:
        response, body = self._send(kwargs, stream=False)
        return protocol.decode(response, body, operation, from_dict)

    def _send(self, kwargs: dict[str, Any], *, stream: bool) -> tuple[httpx.Response, bytes]:
        """Sends a request, again where that is right, and raises what a refusal means."""
        request = self._http.build_request(**kwargs)
        retry = 0
        while True:
            try:
                return self._attempt(request, stream)
            except httpx.RequestError as cause:
                error = protocol.request_error(cause)
            except PagilaError as refusal:
                error = refusal
            wait = protocol.pause(request, error, retry, self._retries)
            if wait is None:
                raise error
            self._sleep(wait)
            retry += 1

    def _attempt(self, request: httpx.Request, stream: bool) -> tuple[httpx.Response, bytes]:
        """Sends a request once, and reads the body, unless it is a stream."""
        deadline = protocol.Deadline(self._timeout)
        limits = request.extensions["timeout"] = httpx.Timeout(self._timeout).as_dict()
        response = self._http.send(request, stream=True)
        is_answer = protocol.is_answer(response, protocol.EVENTS if stream else protocol.JSON)
        # httpx looks at the limit again when it reads the body.
        limits["read"] = self._idle_timeout if stream and is_answer else deadline.left()
        if not is_answer:
            body = self._read(response, deadline, is_error=True)
            raise protocol.http_error(response, body)
        return response, b"" if stream else self._read(response, deadline, is_error=False)

    def _read(
        self, response: httpx.Response, deadline: protocol.Deadline, *, is_error: bool
    ) -> bytes:
        """A body; of an error what it begins with, as the status says more than one that breaks."""
        body = bytearray()
        try:
            for piece in response.iter_bytes():
                body += piece
                deadline.check(response.request)
                if is_error and len(body) >= protocol.MAX_ERROR_BODY:
                    break
        except httpx.RequestError as cause:
            if not is_error or isinstance(cause, httpx.TimeoutException):
                raise
        finally:
            response.close()
        return bytes(body)
