"""Code shared by the sync and async clients: everything without I/O."""

from __future__ import annotations

import codecs
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import Lock
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from ._shape import check
from ._shapes import SHAPES
from ._version import VERSION
from .errors import (
    APIError,
    HTTPError,
    IncompleteAnswerError,
    NetworkError,
    ProblemError,
    TimeoutError,
)
from .models import DeltaEvent, DoneEvent, SourcesEvent, ToolEvent
from .types import UNSET

T = TypeVar("T")

DEFAULT_TIMEOUT = 130.0
"""In seconds. The server allows its language model 120."""

DEFAULT_IDLE_TIMEOUT = 60.0
"""In seconds. The server sends something at least every 15 seconds."""

DEFAULT_RETRIES = 2

DEFAULT_BACKOFF = 0.2
"""In seconds."""

_RETRIED_METHODS = frozenset({"GET", "HEAD"})
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_MAX_TIMEOUT = 2**31 / 1000
"""In seconds: 24 days, the maximum that sockets accept on some systems."""
_MAX_BACKOFF = 5.0
"""The longest pause before a retry, in seconds, apart from Retry-After."""
_MAX_RETRY_AFTER = 30.0
"""The longest Retry-After that is honored, in seconds. Beyond it, the error is raised immediately."""

MAX_ERROR_BODY = 64 << 10
"""The number of bytes of an error's body that are kept. The server's own errors are well below 4 KiB."""

_MAX_EVENT = 1 << 20
_LINE_END = re.compile(r"\r\n|\n|\r")

JSON = "application/json"
EVENTS = "text/event-stream"

_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""The errors of decoding data that is malformed, too deeply nested or without the contract's shape."""


AskEvent = ToolEvent | SourcesEvent | DeltaEvent | DoneEvent
"""An event of an answer: the calls of tools, the sources, the chunks, then the end."""

_NO_BODY = "none"
"""The shape of a response without a body."""


@dataclass(frozen=True)
class Repeat:
    """How the server responds to a request that it carried out before.

    The response is 409 with this code, and the result in this member of the problem document.
    """

    code: str
    member: str


@dataclass
class Call:
    """A call of an operation. In the query and in headers, None values are omitted."""

    operation: str
    method: str
    path: str
    path_params: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    body_required: bool = False
    form: dict[str, str] = field(default_factory=dict)
    accept: str = JSON
    repeat: Repeat | None = None
    """None if the request must not be repeated after a lost response."""
    open: bool = False
    """Whether an attempt that failed may have been carried out."""

    @property
    def is_stream(self) -> bool:
        return self.accept == EVENTS

    def _json(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in self.body.items() if value is not UNSET}

    def request(self) -> dict[str, Any]:
        """Returns the arguments of httpx for the request."""
        body = self._json()
        return {
            "method": self.method,
            "url": self._url(),
            "params": _given(self.query) or None,
            "headers": {"Accept": self.accept, **_header_texts(self.headers)},
            "json": body if body or self.body_required else None,
            "data": self.form or None,
        }

    def _url(self) -> str:
        url = self.path
        for name, value in self.path_params.items():
            if str(value) in ("", ".", "..") or value is None:
                raise ValueError(f"{value!r} cannot be {name} in {self.path}")
            url = url.replace(f"{{{name}}}", quote(str(value), safe=""))
        return url

    def repeated_result(self, error: ProblemError) -> Any:
        """Returns the result, if the error says that a repeated request was carried out before.

        Returns None for any other error, and for a result that does not have what the request asked
        for. It was there before, such as a subscription to another plan.
        """
        if self.repeat is None or not self.open:
            return None
        if (error.status, error.code) != (httpx.codes.CONFLICT, self.repeat.code):
            return None
        result = getattr(error, self.repeat.member)
        found = error.problem[self.repeat.member] if result is not None else {}
        is_requested = all(found.get(name, value) == value for name, value in self._json().items())
        return result if is_requested else None

    def failed(self, error: APIError) -> None:
        """Notes that an attempt failed, and will be repeated.

        With every problem except outcome_unknown, the server says that nothing was written.
        """
        if not isinstance(error, ProblemError) or error.code == "outcome_unknown":
            self.open = True

    def shape(self, response: httpx.Response) -> Any:
        """Returns the shape of a response, or None if the contract does not have its status."""
        return SHAPES.get(f"{self.operation} {response.status_code}")

    def is_expected(self, response: httpx.Response) -> bool:
        """Whether the contract has the status and the media type of a response."""
        if self.is_stream:
            return response.status_code == httpx.codes.OK and media_type(response) == EVENTS
        shape = self.shape(response)
        return shape == _NO_BODY or (shape is not None and media_type(response) == JSON)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _header_texts(values: dict[str, Any]) -> dict[str, str]:
    """Converts values for headers. The items of a list are joined."""
    lists = httpx.QueryParams(_given(values))  # writes booleans as JSON does
    return {name: ",".join(lists.get_list(name)) for name in lists}


def _plain(value: Any) -> Any:
    """Converts a value for JSON and queries."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.to_dict() if hasattr(value, "to_dict") else value


@dataclass(frozen=True)
class Position:
    """Where a page of a list begins: the number of the page, or a cursor."""

    number: int | None = None
    size: int = 0
    """The number of items on a page."""
    cursor: str | None = None

    def following(self, items: int, *, total: int = 0, cursor: str | None = None) -> Self | None:
        """Returns the position of the next page, or None if there is none.

        It follows `next_cursor`. Without one, a list that was read by cursor has ended, and any
        other continues with the next page number.
        """
        if cursor:
            return replace(self, number=None, cursor=cursor)
        number = 1 if self.number is None else self.number
        if self.cursor is not None or items == 0 or number * self.size >= total:
            return None
        return replace(self, number=number + 1)


def seconds(timeout: float) -> float | None:
    """Converts a timeout for httpx. None means no limit."""
    if not timeout >= 0:  # NaN too
        raise ValueError(f"a timeout of {timeout} s: it must not be negative")
    return timeout if 0 < timeout < _MAX_TIMEOUT else None


class Deadline:
    """The deadline of one attempt. httpx limits only the wait for each chunk."""

    def __init__(self, limit: float | None) -> None:
        self._end = None if limit is None else time.monotonic() + limit

    def left(self) -> float | None:
        """Returns the seconds that are left, but never 0, which would make the socket non-blocking."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.001)

    def check(self, request: httpx.Request) -> None:
        if self._end is not None and time.monotonic() > self._end:
            raise httpx.ReadTimeout("the body took too long", request=request)


def default_headers(token: str | None) -> dict[str, str]:
    """Returns the headers of each request. An empty token is not sent."""
    headers = {"User-Agent": f"pagila-api-python/{VERSION}"}
    if token:
        if not re.fullmatch(r"[!-~]+", token):
            raise ValueError("the token must contain only visible ASCII characters")
        headers["Authorization"] = f"Bearer {token}"
    return headers


def no_cookies() -> CookieJar:
    """Returns a jar that stays empty. `Bookmark` keeps the only cookie that the server has."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


class Bookmark:
    """The cookie with which a client reads its own writes."""

    _NAME = "pagila_bookmark"

    def __init__(self) -> None:
        self._lock = Lock()
        self._value = ""

    def add_to(self, request: httpx.Request) -> str:
        """Adds the cookie to a request, and returns its value."""
        value = self._value
        if value:
            request.headers["Cookie"] = f"{self._NAME}={value}"
        return value

    def keep(self, response: httpx.Response, sent: str) -> None:
        """Keeps the cookie of a response.

        If the client has got another one since it sent the request, it keeps the later of the two,
        which is the greater string.
        """
        value = response.cookies.get(self._NAME)
        with self._lock:
            if value and (self._value == sent or value > self._value):
                self._value = value


def decode(
    response: httpx.Response,
    body: bytes,
    call: Call,
    from_dict: Callable[[Mapping[str, Any]], T],
) -> T:
    """Decodes the body of a response."""
    shape = call.shape(response)
    if shape == _NO_BODY:
        return from_dict({})
    try:
        value = _json(body)
        check(value, shape)
        return from_dict(value)
    except _UNREADABLE as cause:
        raise http_error(response, body) from cause


def _json(document: bytes) -> Any:
    return json.loads(document.decode("utf-8-sig", "replace"), parse_constant=_reject)


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def media_type(response: httpx.Response) -> str:
    content_type: str = response.headers.get("Content-Type", "")
    return content_type.partition(";")[0].strip().lower()


def http_error(response: httpx.Response, body: bytes) -> HTTPError:
    """Converts a response to an error, with as much of its body as could be read."""
    status, content_type = response.status_code, response.headers.get("Content-Type", "")
    body = body[:MAX_ERROR_BODY]
    text = body.decode("utf-8", "replace")
    details = {
        "request_id": response.headers.get("X-Request-ID", ""),
        "retry_after": _parse_retry_after(response.headers.get("Retry-After", "")),
        "location": response.headers.get("Location", ""),
    }
    if media_type(response) == "application/problem+json":
        problem = _parse_problem(body)
        if problem is not None:
            return ProblemError(status, content_type, text, problem, **details)
    return HTTPError(status, content_type, text, **details)


def _parse_problem(document: bytes) -> dict[str, Any] | None:
    """Parses a problem document. Returns None without a code, because the server always sends one."""
    try:
        problem = _json(document)
    except (ValueError, RecursionError):
        return None
    code = problem.get("code") if isinstance(problem, dict) else None
    return problem if isinstance(code, str) and code else None


def request_error(cause: httpx.RequestError) -> APIError:
    """Converts an error of httpx to one of this package."""
    error: APIError
    if isinstance(cause, httpx.TimeoutException):
        error = TimeoutError(f"the server took too long: {type(cause).__name__}")
    else:
        error = NetworkError(f"the connection failed: {cause}")
    error.__cause__ = cause
    return error


@dataclass(frozen=True)
class Retries:
    """Which failures are retried, and when."""

    limit: int
    backoff: float
    """The pause before the first retry, in seconds."""

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError(f"{self.limit} retries: the number must not be negative")
        if not self.backoff > 0:  # NaN too
            raise ValueError(f"a backoff of {self.backoff} s: it must be positive")

    def pause(self, call: Call, error: APIError, failures: int) -> float | None:
        """Returns how many seconds to wait before a retry, or None if the call is not retried.

        `failures` is the number of attempts that failed before this one. A read that timed out is
        not retried, because that would multiply the wait. A write is, because its outcome is
        unknown. Retry-After is added, so that clients that failed at the same time do not retry at
        the same time.
        """
        is_write = call.method not in _RETRIED_METHODS
        if failures >= self.limit or (is_write and call.repeat is None):
            return None
        pause: float = min(self.backoff * 2**failures, _MAX_BACKOFF) * random.uniform(0.5, 1)
        if isinstance(error, NetworkError) or (is_write and isinstance(error, TimeoutError)):
            return pause
        if not isinstance(error, HTTPError) or error.status not in _RETRIED_STATUSES:
            return None
        return pause + error.retry_after if error.retry_after <= _MAX_RETRY_AFTER else None


def _parse_retry_after(value: str) -> float:
    """Parses a Retry-After header (RFC 9110, section 10.2.3). Returns 0 if it is malformed."""
    try:
        if value.isascii() and value.isdigit():
            return float(value)
        date = parsedate_to_datetime(value)
        return max(0, (date - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0


class EventStream:
    """Reads server-sent events (WHATWG HTML, section 9.2) from chunks of bytes."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._line = ""
        self._after_cr = False
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self.text = ""
        """The part of the answer that arrived."""
        self.done = False

    def feed(self, chunk: bytes) -> Iterator[AskEvent]:
        """Yields the events that the chunk completes. Raises an error if the answer is incomplete."""
        for line in self._lines(self._decode(chunk)):
            event = self._take(line)
            if isinstance(event, DeltaEvent):
                self.text += event.text
            if event is not None:
                yield event
            if isinstance(event, DoneEvent):
                self.done = True
                if event.finish_reason == "length":
                    raise self.incomplete(None)
                return

    def end(self) -> None:
        """Ends the stream. Raises an error if the answer is incomplete."""
        if not self.done:
            cause = NetworkError("the stream ended before the answer was complete")
            raise self.incomplete(cause) from cause

    def incomplete(self, cause: APIError | None) -> IncompleteAnswerError:
        """Returns the error for an incomplete answer. Without a cause, it is the token limit."""
        return IncompleteAnswerError(self.text, cause)

    def _lines(self, text: str) -> Iterator[str]:
        """Yields the lines that the text completes. They end with CR, LF or CRLF."""
        if self._after_cr and text:
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r") or (self._after_cr and not text)
        *lines, rest = _LINE_END.split(text)
        for line in lines:
            self._grow(line)
            yield self._line + line
            self._line = ""
        self._grow(rest)
        self._line += rest

    def _grow(self, text: str) -> None:
        """Limits the size of an event, which is usually a few words."""
        self._size += len(text)
        if self._size > _MAX_EVENT:
            cause = self._malformed("\n".join([*self._data, self._line + text]))
            raise self.incomplete(cause) from cause

    def _take(self, line: str) -> AskEvent | None:
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                self._name = value
            elif field == "data":
                self._data.append(value)
            else:
                self._size -= len(line)  # it is not kept
            return None
        name, data = self._name, self._data
        self._name, self._data, self._size = "", [], 0
        return self._event(name, "\n".join(data)) if data else None

    def _event(self, name: str, data: str) -> AskEvent | None:
        try:
            match name:
                case "tool":
                    return self._read(name, data, ToolEvent.from_dict)
                case "sources":
                    return self._read(name, data, SourcesEvent.from_dict)
                case "delta":
                    return self._read(name, data, DeltaEvent.from_dict)
                case "done":
                    return self._read(name, data, DoneEvent.from_dict)
                case "error":
                    error = self._error(data)
                case _:
                    return None  # an event of a newer server
        except _UNREADABLE as cause:
            error = self._malformed(data)
            error.__cause__ = cause
        raise self.incomplete(error) from error

    def _read(self, name: str, data: str, from_dict: Callable[[Mapping[str, Any]], T]) -> T:
        value = _json(data.encode())
        check(value, SHAPES[f"event {name}"])
        return from_dict(value)

    def _error(self, data: str) -> HTTPError:
        problem = _parse_problem(data.encode())
        status = problem.get("status") if problem else None
        if problem is None or not isinstance(status, int):
            return self._malformed(data)
        return ProblemError(status, "application/problem+json", data, problem)

    def _malformed(self, data: str) -> HTTPError:
        return http_error(self._response, data.encode())
