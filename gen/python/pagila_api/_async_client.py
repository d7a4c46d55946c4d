"""The client, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import httpx

from . import _protocol as protocol
from . import models
from ._async_operations import AsyncOperations
from ._protocol import AskEvent, Call
from .errors import APIError, ProblemError

T = TypeVar("T")


class AsyncClient(AsyncOperations):
    """A client of a server, for asyncio. Close it, or use it in an `async with` statement.

    Args:
        base_url: The URL of the server, such as `http://localhost:8080`.
        token: The bearer token. Without one, only operations that need no token can be called.
            `create_token` returns one for a username and a password.
        timeout: How many seconds an attempt may take, for a stream until its headers. 0, `math.inf`
            and more than 24 days mean no limit.
        idle_timeout: How many seconds a stream may be silent after its headers. 0, `math.inf` and
            more than 24 days mean no limit.
        retries: How often GET and HEAD are retried after a network error, 429, 502, 503 or 504.
            `create_rental`, `return_rental`, `create_subscription` and `cancel_subscription` are
            retried too, and also after a timeout. If the server carried out the request before,
            they return its result. Other writes are never retried, nor is a read that timed out.
        backoff: The pause before the first retry, in seconds. Each further pause is twice as long,
            up to 5 s, and all are shortened at random by up to a half.
        transport: Sends the requests, such as a transport for a proxy, certificates or tests.

    Raises:
        ValueError: An option is invalid.
    """

    def __init__(  # noqa: PLR0913 one argument for each option
        self,
        base_url: str,
        *,
        token: str | None = None,
        timeout: float = protocol.DEFAULT_TIMEOUT,
        idle_timeout: float = protocol.DEFAULT_IDLE_TIMEOUT,
        retries: int = protocol.DEFAULT_RETRIES,
        backoff: float = protocol.DEFAULT_BACKOFF,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._retries = protocol.Retries(retries, backoff)
        self._timeout = protocol.seconds(timeout)
        self._idle_timeout = protocol.seconds(idle_timeout)
        self._sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=protocol.default_headers(token),
            timeout=self._timeout,
            transport=transport,
            cookies=protocol.no_cookies(),
        )
        self._bookmark = protocol.Bookmark()

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

    async def ask_question(self, question: str) -> AsyncGenerator[str, None]:
        """Streams the answer to a question about the catalogue in chunks.

        Raises `IncompleteAnswerError` if the answer breaks off or reaches the model's token limit.
        If there is no error, the answer is complete.
        """
        async with aclosing(self.ask_question_events(question)) as events:
            async for event in events:
                if isinstance(event, models.DeltaEvent):
                    yield event.text

    async def ask_question_events(self, question: str) -> AsyncGenerator[AskEvent, None]:
        """Streams the events of an answer: `SourcesEvent`, a `DeltaEvent` for each chunk, `DoneEvent`.

        Raises the same errors as `ask_question`. If the model reached its token limit, the error
        follows `DoneEvent`.
        """
        call = Call("askQuestion", "GET", "/ai/ask", accept=protocol.EVENTS)
        call.query["question"] = question
        response, _ = await self._send(call)
        events = protocol.EventStream(response)
        try:
            async for chunk in response.aiter_bytes():
                for event in events.feed(chunk):
                    yield event
                if events.done:
                    return
            events.end()
        except httpx.RequestError as error:
            cause = protocol.request_error(error)
            raise events.incomplete(cause) from cause
        finally:
            await response.aclose()

    async def create_token(self, username: str, password: str) -> models.Token:
        """Logs in with a username and a password. Create another client with the token."""
        call = Call("createToken", "POST", "/token")
        call.form.update(grant_type="password", username=username, password=password)
        return await self._call(call, models.Token.from_dict)

    async def _call(self, call: Call, from_dict: Callable[[Mapping[str, Any]], T]) -> T:
        try:
            response, body = await self._send(call)
        except ProblemError as problem:
            result = call.repeated_result(problem)
            if result is None:
                raise
            return cast(T, result)
        return protocol.decode(response, body, call, from_dict)

    async def _send(self, call: Call) -> tuple[httpx.Response, bytes]:
        """Sends a request, with retries if that is safe."""
        request = self._http.build_request(**call.request())
        failures = 0
        while True:
            try:
                return await self._attempt(request, call)
            except httpx.RequestError as cause:
                error = protocol.request_error(cause)
            except APIError as api_error:
                error = api_error
            pause = self._retries.pause(call, error, failures)
            if pause is None:
                raise error
            await self._sleep(pause)
            failures += 1
            call.failed(error)

    async def _attempt(self, request: httpx.Request, call: Call) -> tuple[httpx.Response, bytes]:
        """Sends a request once. Reads the body, unless it is a stream."""
        deadline = protocol.Deadline(self._timeout)
        limits = request.extensions["timeout"] = httpx.Timeout(self._timeout).as_dict()
        sent = self._bookmark.add_to(request)
        response = await self._http.send(request, stream=True)
        self._bookmark.keep(response, sent)
        is_expected = call.is_expected(response)
        # httpx applies the new limit to the body.
        limits["read"] = self._idle_timeout if call.is_stream and is_expected else deadline.left()
        if not is_expected:
            body = await self._read(response, deadline, is_error=True)
            raise protocol.http_error(response, body)
        if call.is_stream:
            return response, b""
        return response, await self._read(response, deadline, is_error=False)

    async def _read(
        self, response: httpx.Response, deadline: protocol.Deadline, *, is_error: bool
    ) -> bytes:
        """Reads a body.

        Read errors are ignored for an error response, because its status matters more.
        """
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                deadline.check(response.request)
                if is_error and len(body) >= protocol.MAX_ERROR_BODY:
                    break
        except httpx.RequestError as cause:
            if not is_error or isinstance(cause, httpx.TimeoutException):
                raise
        finally:
            await response.aclose()
        return bytes(body)
