"""What a call can raise. All of it is an `APIError`, which can be pickled and copied."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from .models import InputError


class APIError(Exception):
    """A call has failed."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The one of Exception would call the class with the message alone.
        return _restore, (type(self), self.args), self.__dict__


def _restore(kind: type[APIError], args: tuple[Any, ...]) -> APIError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class NetworkError(APIError):
    """The connection failed or broke. `__cause__` is httpx's error."""


class TimeoutError(APIError, builtins.TimeoutError):
    """The response did not come in time. The server may have carried out the request."""


class IncompleteAnswerError(APIError):
    """A streamed answer broke off, or the model reached its token limit.

    What fails before the head of the stream is the plain error.
    """

    def __init__(self, text: str, cause: APIError | None = None) -> None:
        super().__init__(
            f"the answer is incomplete: {cause or 'the model reached its token limit'}"
        )
        self.text = text
        """The part of the answer that arrived."""
        self.cause = cause
        """Why it broke off: a `ProblemError`, `TimeoutError`, `NetworkError` or `HTTPError`.
        None where the model reached its token limit."""


class HTTPError(APIError):
    """The response is not the one that the operation promises.

    This is the class itself where it is no problem document either, such as a proxy's page, a
    redirect, or JSON that is not of the contract's shape.
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
        """The body as it came, cut after 64 KiB."""
        self.request_id = request_id
        """Names the request in the server's log."""
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
        """The whole document."""
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
