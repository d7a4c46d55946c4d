"""What the two clients have in common: everything that does not wait."""

from __future__ import annotations

import codecs
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from .errors import (
    HTTPError,
    IncompleteAnswerError,
    NetworkError,
    PagilaError,
    ProblemError,
    RequestTimeoutError,
)
from .generated.models import DeltaEvent, DoneEvent, SourcesEvent
from .generated.types import UNSET, Unset

T = TypeVar("T")

DEFAULT_TIMEOUT = 130.0
"""Seconds. The server gives its language model 120."""

STREAM_SILENCE = 60.0
"""Seconds of silence within a stream. The server breaks it every 15."""

DEFAULT_RETRIES = 2

_RETRIED_METHODS = frozenset({"GET", "HEAD"})
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 30.0
"""Seconds. Who is asked to wait longer had better be told."""

JSON = "application/json"
EVENTS = "text/event-stream"

_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading raises where the data is no JSON, too deep, or not of the contract's shape."""


@dataclass(frozen=True)
class Sources:
    """The films that the answer rests on, best first. Comes first."""

    data: SourcesEvent


@dataclass(frozen=True)
class Delta:
    """The next piece of the answer."""

    data: DeltaEvent


@dataclass(frozen=True)
class Done:
    """The end of an answer. `finish_reason` is `length` where it was cut at the token limit."""

    data: DoneEvent


Event = Sources | Delta | Done


def optional(value: T | None) -> T | Unset:
    """What the generated code takes for a parameter that is left out."""
    return UNSET if value is None else value


def headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def decode(response: httpx.Response, from_dict: Callable[[Mapping[str, Any]], T]) -> T:
    """The model in an answer that has been read."""
    try:
        return from_dict(response.json())
    except _UNREADABLE as cause:
        raise http_error(response) from cause


def media_type(response: httpx.Response) -> str:
    content_type: str = response.headers.get("Content-Type", "")
    return content_type.partition(";")[0].strip().lower()


def is_answer(response: httpx.Response, wanted: str) -> bool:
    """Whether a response is one of success and of the wanted media type. A proxy's page is not."""
    return response.is_success and media_type(response) == wanted


def http_error(response: httpx.Response) -> HTTPError:
    """What a response means that is not an answer. It has been read."""
    content_type = response.headers.get("Content-Type", "")
    if media_type(response) == "application/problem+json":
        try:
            problem = response.json()
        except (ValueError, RecursionError):
            problem = None
        if isinstance(problem, dict):
            return ProblemError(response.status_code, content_type, response.text, problem)
    return HTTPError(response.status_code, content_type, response.text)


def request_error(cause: httpx.RequestError) -> PagilaError:
    """The error of ours that a failure of httpx is. Raise it from its cause."""
    if isinstance(cause, httpx.TimeoutException):
        return RequestTimeoutError(f"no answer in time: {type(cause).__name__}")
    return NetworkError(f"no answer: {cause}")


def pause(
    request: httpx.Request, outcome: httpx.Response | httpx.RequestError, retry: int, retries: int
) -> float | None:
    """How many seconds to wait before the request is sent again, or None if it is not to be.

    Only what changes nothing is repeated, and not what timed out: that would multiply the wait.
    """
    if retry >= retries or request.method not in _RETRIED_METHODS:
        return None
    wait = random.uniform(0.5, 1) * _FIRST_PAUSE * 2**retry
    if isinstance(outcome, httpx.RequestError):
        return None if isinstance(outcome, httpx.TimeoutException) else wait
    if outcome.status_code not in _RETRIED_STATUSES:
        return None
    wait = max(wait, _seconds(outcome.headers.get("Retry-After", "")))
    return wait if wait <= _LONGEST_PAUSE else None


def _seconds(retry_after: str) -> float:
    """What Retry-After asks for, as seconds or a date (RFC 9110, section 10.2.3). 0 if malformed."""
    try:
        if retry_after.isascii() and retry_after.isdigit():
            return float(retry_after)
        date = parsedate_to_datetime(retry_after)
        return (date - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0


class EventStream:
    """Reads server-sent events (WHATWG HTML, section 9.2) out of pieces of bytes."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._text = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line = ""
        self._name = ""
        self._data: list[str] = []
        self.done = False

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that the piece completes. An `error` raises."""
        *lines, self._line = (self._line + self._text.decode(piece)).split("\n")
        for line in lines:
            event = self._take(line.removesuffix("\r"))
            if event is not None:
                yield event

    def end(self) -> None:
        """Says that no more comes."""
        if not self.done:
            raise IncompleteAnswerError("the stream ended before the answer did")

    def _take(self, line: str) -> Event | None:
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                self._name = value
            elif field == "data":
                self._data.append(value)
            return None
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        return self._event(name, data) if data else None

    def _event(self, name: str, data: str) -> Event | None:
        try:
            value = json.loads(data)
            match name:
                case "sources":
                    return Sources(SourcesEvent.from_dict(value))
                case "delta":
                    return Delta(DeltaEvent.from_dict(value))
                case "done":
                    self.done = True
                    return Done(DoneEvent.from_dict(value))
                case "error":
                    raise ProblemError(
                        int(value["status"]), "application/problem+json", data, value
                    )
                case _:
                    return None  # one of a later version
        except _UNREADABLE as cause:
            content_type = self._response.headers.get("Content-Type", "")
            raise HTTPError(self._response.status_code, content_type, data) from cause
