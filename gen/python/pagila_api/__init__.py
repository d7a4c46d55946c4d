"""Client of the Pagila API.

`Client` and `AsyncClient` have a method for each operation. What they return is in
`pagila_api.models`. What they raise is in `pagila_api.errors`.
"""

from ._async_client import AsyncClient
from ._client import Client
from ._protocol import AskEvent
from ._version import VERSION as __version__
from .errors import (
    APIError,
    HTTPError,
    IncompleteAnswerError,
    NetworkError,
    ProblemError,
    TimeoutError,
)
from .models import DeltaEvent, DoneEvent, SourcesEvent

__all__ = [
    "APIError",
    "AskEvent",
    "AsyncClient",
    "Client",
    "DeltaEvent",
    "DoneEvent",
    "HTTPError",
    "IncompleteAnswerError",
    "NetworkError",
    "ProblemError",
    "SourcesEvent",
    "TimeoutError",
    "__version__",
]
