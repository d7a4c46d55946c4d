"""Client of the Pagila API.

`Client` and `AsyncClient` have a method for each operation. What they return are the contract's
models, in `pagila_api.generated.models`. What they raise is in `pagila_api.errors`.
"""

from ._async_client import AsyncClient
from ._client import Client
from ._protocol import Delta, Done, Event, Sources
from .errors import (
    HTTPError,
    IncompleteAnswerError,
    NetworkError,
    PagilaError,
    ProblemError,
    RequestTimeoutError,
)

__all__ = [
    "AsyncClient",
    "Client",
    "Delta",
    "Done",
    "Event",
    "HTTPError",
    "IncompleteAnswerError",
    "NetworkError",
    "PagilaError",
    "ProblemError",
    "RequestTimeoutError",
    "Sources",
]
