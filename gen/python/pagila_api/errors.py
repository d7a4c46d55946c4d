"""What a call can raise. All of it is a `PagilaError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class PagilaError(Exception):
    """A call has failed."""


class NetworkError(PagilaError):
    """There is no answer: no connection, or it broke. `__cause__` is httpx's error."""


class RequestTimeoutError(PagilaError):
    """The answer did not come in time. The server may have done what it was asked."""


class IncompleteAnswerError(PagilaError):
    """A stream ended before the answer did. What came of it is not the whole."""


class HTTPError(PagilaError):
    """The answer is not what was asked for.

    This is the class itself where the answer is no problem document either, such as a proxy's page.
    """

    def __init__(self, status: int, content_type: str, body: str) -> None:
        super().__init__(f"status {status}: {body[:200]}")
        self.status = status
        self.content_type = content_type
        self.body = body


class ProblemError(HTTPError):
    """The server's own error: a problem document (RFC 9457)."""

    def __init__(
        self, status: int, content_type: str, body: str, problem: Mapping[str, Any]
    ) -> None:
        super().__init__(status, content_type, body)
        self.problem = problem
        """The whole document."""
        self.code = str(problem.get("code", ""))
        """The kind of problem, such as `inventory_not_available`. It is stable."""
        self.detail = str(problem.get("detail", ""))
        """One sentence for a person."""
        self.request_id = str(problem.get("request_id", ""))
        """Names the request in the server's log."""
        errors = problem.get("errors")
        self.errors: list[Mapping[str, Any]] = errors if isinstance(errors, list) else []
        """What exactly is wrong with the request."""

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail} (request {self.request_id})"
