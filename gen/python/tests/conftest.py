"""Each test runs with the client and with the asyncio one, by way of the same calls."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from pagila_api import AsyncClient, Client


class Blocking:
    """An AsyncClient whose calls wait, so that it is used as a Client is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(*args, **kwargs)
        self.pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        self._client._sleep = sleep

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if inspect.isasyncgen(result):
                return self._iterate(result)
            return self._runner.run(result)

        return call

    def _iterate(self, items: Any) -> Iterator[Any]:
        async def following() -> tuple[bool, Any]:
            async for item in items:
                return True, item
            return False, None

        while True:
            there, item = self._runner.run(following())
            if not there:
                return
            yield item

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


class Recording(Client):
    """A Client that does not wait between tries, and remembers how long it was to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pauses: list[float] = []
        self._sleep = self.pauses.append


Make = Callable[..., Recording]


@pytest.fixture(params=["blocking", "asyncio"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes clients of either kind, and closes them."""
    made: list[Recording] = []

    def one(*args: Any, **kwargs: Any) -> Recording:
        kind = Recording if request.param == "blocking" else Blocking
        client = cast(Recording, kind(*args, **kwargs))
        made.append(client)
        return client

    yield one
    for client in made:
        client.close()


@pytest.fixture
def live(make: Make) -> Recording:
    """A client of the live server."""
    url = os.environ.get("PAGILA_URL")
    if not url:
        pytest.skip("needs a server: set PAGILA_URL")
    return make(url, token=os.environ.get("API_TOKEN", "dvd_admin"))
