"""Client of the Pagila API.

`Client` and `AsyncClient` have a method for each operation. The methods return models of
`pagila_api.models` and raise errors of `pagila_api.errors`.
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
from .models import DeltaEvent, DoneEvent, SourcesEvent, ToolEvent

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
    "ToolEvent",
    "__version__",
]
