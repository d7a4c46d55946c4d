"""The client, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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
    RentalRequest,
    Question,
    Readiness,
    Rental,
    SummaryRequest,
    Token,
    TokenRequest,
)

T = TypeVar("T")


class AsyncClient:
    """A client of one server, for asyncio. Close it, or use it in an async `with`.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._retries = retries
        self._timeout = timeout
        self._sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=protocol.headers(token),
            timeout=timeout,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def list_films(
        self, *, page: int = 1, page_size: int = 20, category: str | None = None
    ) -> FilmPage:
        """One page of the films, of a category if one is given."""
        kwargs = list_films._get_kwargs(
            page=page, page_size=page_size, category=protocol.optional(category)
        )
        return await self._call(kwargs, FilmPage.from_dict)

    async def iter_films(
        self, *, category: str | None = None, page_size: int = 100
    ) -> AsyncIterator[Film]:
        """All films, of a category if one is given, page by page."""
        page = 1
        while True:
            answer = await self.list_films(page=page, page_size=page_size, category=category)
            for film in answer.items:
                yield film
            if page * page_size >= answer.total or not answer.items:
                return
            page += 1

    async def get_film(self, film_id: int) -> FilmDetail:
        """A film with its actors."""
        return await self._call(get_film._get_kwargs(film_id), FilmDetail.from_dict)

    async def create_rental(self, customer_id: int, *, inventory_id: int, staff_id: int) -> Rental:
        """Rents a copy to a customer, from now on. Needs the token.

        `ProblemError.code` is `inventory_not_available` where the copy is out.
        """
        body = RentalRequest(inventory_id=inventory_id, staff_id=staff_id)
        return await self._call(create_rental._get_kwargs(customer_id, body=body), Rental.from_dict)

    async def get_rental(self, customer_id: int, rental_id: int) -> Rental:
        """A rental of a customer's. Needs the token."""
        return await self._call(get_rental._get_kwargs(customer_id, rental_id), Rental.from_dict)

    async def ask(self, question: str) -> AsyncIterator[str]:
        """The answer to a question about the catalogue, piece by piece, as it is written.

        Raises `IncompleteAnswerError` where the stream ends before the answer does.
        """
        async for event in self.ask_events(question):
            if isinstance(event, Delta):
                yield event.data.text

    async def ask_events(self, question: str) -> AsyncIterator[Event]:
        """The answer as events: `Sources`, a `Delta` for each piece, `Done`."""
        kwargs = ask_question._get_kwargs(question=question)
        kwargs["headers"]["Accept"] = protocol.EVENTS
        response = await self._send(kwargs, stream=True)
        try:
            events = protocol.EventStream(response)
            async for piece in response.aiter_bytes():
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
            await response.aclose()

    async def summarize_film(self, film_id: int) -> FilmSummary:
        """The language model's verified summary of a film."""
        kwargs = summarize_film._get_kwargs(body=SummaryRequest(film_id=film_id))
        return await self._call(kwargs, FilmSummary.from_dict)

    async def hand_off(self, question: str) -> Answer:
        """The whole answer to a question, by the search agent or the language model."""
        kwargs = hand_off._get_kwargs(body=Question(question=question))
        return await self._call(kwargs, Answer.from_dict)

    async def create_token(self, username: str, password: str) -> Token:
        """Logs in. The token is for a client of its own."""
        body = TokenRequest(grant_type="password", username=username, password=password)
        return await self._call(create_token._get_kwargs(body=body), Token.from_dict)

    async def get_health(self) -> Health:
        """Is the server alive?"""
        return await self._call(get_health._get_kwargs(), Health.from_dict)

    async def get_readiness(self) -> Readiness:
        """What the server runs on. `ProblemError.code` is `not_ready` where it is not ready."""
        return await self._call(get_readiness._get_kwargs(), Readiness.from_dict)

    async def _call(self, kwargs: dict[str, Any], from_dict: Callable[[Mapping[str, Any]], T]) -> T:
        return protocol.decode(await self._send(kwargs, stream=False), from_dict)

    async def _send(self, kwargs: dict[str, Any], *, stream: bool) -> httpx.Response:
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
                outcome = await self._http.send(request, stream=True)
                if not (stream and protocol.is_answer(outcome, wanted)):
                    await outcome.aread()
                    await outcome.aclose()
            except httpx.RequestError as failure:
                outcome = failure
            wait = protocol.pause(request, outcome, retry, self._retries)
            if wait is None:
                break
            await self._sleep(wait)
            retry += 1
        if isinstance(outcome, httpx.RequestError):
            raise protocol.request_error(outcome) from outcome
        if not protocol.is_answer(outcome, wanted):
            raise protocol.http_error(outcome)
        return outcome
