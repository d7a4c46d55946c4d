"""The errors of a call. Each is an `APIError`, which can be pickled and copied."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from .models import InputError


class APIError(Exception):
    """A call has failed."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception.__reduce__ would call the class with only the message.
        return _restore, (type(self), self.args), self.__dict__


def _restore(kind: type[APIError], args: tuple[Any, ...]) -> APIError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class NetworkError(APIError):
    """The connection failed or broke. `__cause__` is httpx's error."""


class TimeoutError(APIError, builtins.TimeoutError):
    """The response did not arrive in time. The server may have carried out the request."""


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
    """The response is not one that the contract specifies for the operation.

    A `ProblemError` has a problem document. Any other `HTTPError` is a response such as a proxy's
    page, a redirect, or JSON that does not have the contract's shape.
    """

    def __init__(  # noqa: PLR0913 what a response has
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
        """Identifies the request in the server's log."""
        self.retry_after = retry_after
        """How many seconds the server asks its clients to wait. 0 if it does not say."""
        self.location = location
        """Where a redirect points to. It is not followed: the token and the body are for the server
        that the caller named."""

    def __str__(self) -> str:
        redirect = f" (a redirect to {self.location}, not followed)" if self.location else ""
        return f"status {self.status}{redirect}: {self.body[:200]}"


class ProblemError(HTTPError):
    """The server's own error: a problem document (RFC 9457)."""

    def __init__(
        self,
        status: int,
        content_type: str,
        body: str,
        problem: Mapping[str, Any],
        **more: Any,
    ) -> None:
        super().__init__(status, content_type, body, **more)
        self.problem = problem
        """The complete document."""
        self.code = str(problem["code"])
        """The kind of problem, such as `inventory_not_available`. It is stable."""
        self.detail = _text(problem, "detail")
        """One sentence for a person."""
        self.request_id = _text(problem, "request_id") or self.request_id
        self.errors = _input_errors(problem.get("errors"))
        """What exactly is wrong with the request."""

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail} (request {self.request_id})"


def _text(problem: Mapping[str, Any], member: str) -> str:
    value = problem.get(member)
    return value if isinstance(value, str) else ""


def _input_errors(errors: Any) -> list[InputError]:
    items = errors if isinstance(errors, list) else []
    return [
        InputError.from_dict({"detail": "", **item}) for item in items if isinstance(item, dict)
    ]
