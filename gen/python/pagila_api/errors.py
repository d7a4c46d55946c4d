"""The errors of a call. All of them are an `APIError`, and can be pickled and copied."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ._shape import check
from ._shapes import SHAPES
from .models import InputError, Rental, Subscription

T = TypeVar("T")


class APIError(Exception):
    """The base class of every error of a call."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception.__reduce__ would call the class with only the message.
        return _restore, (type(self), self.args), self.__dict__


def _restore(kind: type[APIError], args: tuple[Any, ...]) -> APIError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class NetworkError(APIError):
    """The connection failed, or broke before the response was complete.

    `__cause__` is httpx's own error.
    """


class TimeoutError(APIError, builtins.TimeoutError):
    """The server took longer than the client's timeout.

    The server may still have carried out the request.
    """


class IncompleteAnswerError(APIError):
    """A streamed answer broke off, or the model reached its token limit.

    A failure before the stream begins is raised as one of the other errors.
    """

    def __init__(self, text: str, cause: APIError | None = None) -> None:
        super().__init__(
            f"the answer is incomplete: {cause or 'the model reached its token limit'}"
        )
        self.text = text
        """The part of the answer that arrived."""
        self.cause = cause
        """Why it broke off: a `ProblemError`, `TimeoutError`, `NetworkError` or `HTTPError`.
        None if the model reached its token limit."""


class HTTPError(APIError):
    """A response that the contract does not specify for the operation.

    It may be a proxy's HTML page, JSON that does not have the contract's shape, or a redirect. Every
    `ProblemError` is one too.
    """

    def __init__(  # noqa: PLR0913 one argument for each member
        self,
        status: int,
        content_type: str,
        body: str,
        *,
        request_id: str = "",
        retry_after: float = 0,
        location: str = "",
    ) -> None:
        super().__init__(status, content_type, body)
        self.status = status
        self.content_type = content_type
        self.body = body
        """The body, truncated to 64 KiB."""
        self.request_id = request_id
        """Identifies the request in the server's log. Empty if the response does not come from the
        server."""
        self.retry_after = retry_after
        """How many seconds the server asks the client to wait. 0 if it does not say."""
        self.location = location
        """The target of a redirect. A redirect is not followed, because the token and the body are
        meant only for the server that the caller chose."""

    def __str__(self) -> str:
        redirect = (
            f", a redirect to {self.location}, which is not followed" if self.location else ""
        )
        return f"unexpected response: {self.status} ({self.content_type}): {self.body[:200]!r}{redirect}"


class ProblemError(HTTPError):
    """The server's own error, a problem document (RFC 9457)."""

    def __init__(
        self,
        status: int,
        content_type: str,
        body: str,
        problem: Mapping[str, Any],
        **details: Any,
    ) -> None:
        super().__init__(status, content_type, body, **details)
        self.problem = problem
        """The complete document."""
        self.code = str(problem["code"])
        """The kind of problem, such as `inventory_not_available`. It is stable, so a program can
        compare it. A newer server may send a code that this version does not know."""
        self.detail = _text(problem, "detail")
        """Explains the problem to a person."""
        self.request_id = _text(problem, "request_id") or self.request_id
        self.errors = _input_errors(problem.get("errors"))
        """Lists what is wrong with the request."""
        self.rental = _member(problem, "rental", Rental.from_dict)
        """The rental that stands in the way, with the codes `already_rented_by_customer` and
        `already_returned`."""
        self.subscription = _member(problem, "subscription", Subscription.from_dict)
        """The subscription that stands in the way, with the codes `already_subscribed` and
        `already_cancelled`."""

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail} (request {self.request_id})"


def _text(problem: Mapping[str, Any], member: str) -> str:
    value = problem.get(member)
    return value if isinstance(value, str) else ""


def _member(
    problem: Mapping[str, Any], name: str, from_dict: Callable[[Mapping[str, Any]], T]
) -> T | None:
    """Returns a member. It is None if it does not have the contract's shape."""
    try:
        check(problem.get(name), SHAPES[f"problem {name}"])
        return from_dict(problem[name])
    except ValueError:
        return None


def _input_errors(errors: Any) -> list[InputError]:
    items = errors if isinstance(errors, list) else []
    return [
        InputError.from_dict({"detail": "", **item}) for item in items if isinstance(item, dict)
    ]
