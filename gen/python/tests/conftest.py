"""Fixtures that run each test with `Client` and with `AsyncClient`."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from pagila_api import AsyncClient, Client


class Blocking:
    """An AsyncClient with the blocking interface of a Client."""

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
        end = object()

        async def following() -> Any:
            return await anext(items, end)

        try:
            while (item := self._runner.run(following())) is not end:
                yield item
        finally:
            self._runner.run(items.aclose())

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


class Recording(Client):
    """A Client that records the pauses between attempts instead of waiting."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pauses: list[float] = []
        self._sleep = self.pauses.append


Make = Callable[..., Recording]


@pytest.fixture(params=["sync", "asyncio"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Creates clients of one kind, and closes them."""
    clients: list[Recording] = []

    def create(*args: Any, **kwargs: Any) -> Recording:
        kind = Recording if request.param == "sync" else Blocking
        client = cast(Recording, kind(*args, **kwargs))
        clients.append(client)
        return client

    yield create
    for client in clients:
        client.close()


@pytest.fixture
def live(make: Make) -> Recording:
    """A client of the live server."""
    url = os.environ.get("PAGILA_URL")
    if not url:
        pytest.skip("PAGILA_URL is not set")
    return make(url, token=os.environ.get("API_TOKEN", "dvd_admin"))
