"""The client against servers that fail, on real sockets."""

from __future__ import annotations

import asyncio
import copy
import json
import keyword
import math
import multiprocessing
import pickle
import re
import socket
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from pagila_api import (
    APIError,
    AsyncClient,
    Client,
    DeltaEvent,
    HTTPError,
    IncompleteAnswerError,
    NetworkError,
    ProblemError,
    TimeoutError,
    __version__,
)
from pagila_api._protocol import Call
from pagila_api.types import UNSET

from .conftest import Make, Recording
from .server import PATIENCE, Server

TESTDATA = Path(__file__).parents[2] / "testdata"

FAULTS: list[dict[str, Any]] = json.loads((TESTDATA / "faults.json").read_text())["cases"]
"""The cases of all three SDKs. The first lines of the table explain the members."""

KINDS = {
    ProblemError: "problem",
    HTTPError: "http",
    NetworkError: "network",
    TimeoutError: "timeout",
    IncompleteAnswerError: "incomplete",
}

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(*responses: dict[str, Any], other: str = "") -> Server:
        servers.append(Server(*responses, other=other))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def films(client: Recording) -> str:
    return ",".join(film.title for film in client.list_all_films())


def return_late(client: Recording) -> str:
    rental = client.return_rental(1, 16050)
    return f"{rental.rental_id} {rental.late_fee}"


def ask(client: Recording) -> Iterator[str]:
    yield from client.ask_question("x")


def ask_events(client: Recording) -> Iterator[str]:
    for event in client.ask_question_events("x"):
        if isinstance(event, DeltaEvent):
            yield event.text


CALLS: dict[str, list[Callable[[Recording], str | Iterator[str]]]] = {
    "film": [lambda client: client.get_film(1).title],
    "films": [films],
    "rent": [lambda client: str(client.create_rental(1, inventory_id=1, staff_id=1).rental_id)],
    "rent_film": [
        lambda client: str(client.create_rental(1, film_id=1, store_id=1, staff_id=1).rental_id)
    ],
    "return": [return_late],
    "subscribe": [
        lambda client: str(
            client.create_subscription(
                1,
                plan_name="standard",
                start_date=date(2026, 11, 26),
                end_date=date(2027, 11, 25),
            ).subscription_id
        )
    ],
    "subscribe_now": [
        lambda client: str(client.create_subscription(1, plan_name="standard").subscription_id)
    ],
    "cancel": [lambda client: str(client.cancel_subscription(1, 7).subscription_id)],
    "update": [
        lambda client: client.update_film(1, streaming_available=True, if_match='"5f0c"').title
    ],
    "token": [lambda client: client.create_token("so me", "a&b").access_token],
    "ask": [ask, ask_events],
}


def run(
    call: Callable[[Recording], str | Iterator[str]], client: Recording
) -> tuple[str, APIError | None]:
    """Returns the text of a call, or the text that arrived before the error."""
    text = ""
    try:
        for chunk in call(client):
            text += chunk
    except APIError as error:
        return text, error
    return text, None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["name"])
def test_fault(make: Make, serve: Serve, fault: dict[str, Any]) -> None:
    for call in CALLS[fault["call"]]:
        other = serve()
        server = serve(*fault["responses"], other=other.url)
        options = {"retries": fault.get("retries", 0), "token": fault.get("token")}
        for limit in ("timeout", "idle_timeout"):
            if limit in fault:
                options[limit] = float(fault[limit])
        if fault["want"]["kind"] == "rejected":
            with pytest.raises(ValueError):
                make(server.url, **options)
            continue
        client = make(server.url, **options)
        text, error = run(call, client)
        check(fault["want"], server, text, error)
        assert len(client.pauses) == len(server.requests) - 1
        assert len(server.requests) == fault.get("requests", len(server.requests))
        if fault["call"] != "films":
            assert all(request == server.requests[0] for request in server.requests)
        for part in fault.get("sent", []):
            assert part in server.requests[0]
        for part in fault.get("not_sent", []):
            assert part not in server.requests[0]
        assert other.requests == []


def check(want: dict[str, Any], server: Server, text: str, error: APIError | None) -> None:
    assert (KINDS[type(error)] if error else "ok") == want["kind"], repr(error)
    assert text == want.get("text", text)
    if isinstance(error, IncompleteAnswerError):
        assert error.text == text
        assert error.cause is error.__cause__
        error = error.cause
        assert (KINDS[type(error)] if error else "token_limit") == want["cause"], repr(error)
    if not isinstance(error, HTTPError):
        return
    assert error.status == want["status"]
    assert getattr(error, "code", None) == want.get("code")
    if isinstance(error, ProblemError):
        assert (error.rental and error.rental.rental_id) == want.get("rental")
        assert (error.subscription and error.subscription.subscription_id) == want.get(
            "subscription"
        )
    assert error.request_id == want.get("request_id", error.request_id)
    assert error.body == want.get("body", error.body)
    assert len(error.body) == want.get("length", len(error.body))
    assert error.location == server.expand(want.get("location", error.location))
    assert error.retry_after == want.get("retry_after", error.retry_after)
    assert error.retry_after >= want.get("retry_after_min", 0)


SUBSCRIPTION = {
    "subscription_id": 7,
    "customer_id": 1,
    "plan_name": "standard",
    "start_date": "2026-11-26",
    "end_date": None,
    "active": True,
}

ERRORS = [
    NetworkError("the connection failed"),
    TimeoutError("no response"),
    IncompleteAnswerError("half an ", HTTPError(200, "text/html", "<html>")),
    HTTPError(302, "text/html", "<html>", request_id="r", retry_after=7.5, location="/login"),
    ProblemError(
        422,
        "application/problem+json",
        "{…}",
        {"code": "x", "detail": "d", "request_id": "r", "errors": [{"pointer": "#/a"}]},
        retry_after=math.inf,
    ),
    ProblemError(
        409, "application/problem+json", "{…}", {"code": "x", "subscription": SUBSCRIPTION}
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20])
def test_errors_can_be_copied(error: APIError) -> None:
    error.add_note("in the third attempt")
    protocols = range(pickle.HIGHEST_PROTOCOL + 1)
    for same in [
        copy.copy(error),
        copy.deepcopy(error),
        *(pickle.loads(pickle.dumps(error, protocol)) for protocol in protocols),
    ]:
        assert same is not error
        assert type(same) is type(error)
        assert (same.args, str(same)) == (error.args, str(error))
        assert repr(vars(same)) == repr(vars(error))


def fail(url: str) -> None:
    """Raises the error of a call. The test runs this in another process."""
    with Client(url) as client:
        client.create_rental(1, inventory_id=1, staff_id=1)


def test_error_from_another_process(serve: Serve) -> None:
    body = '{"code": "llm_busy", "detail": "Busy.", "request_id": "r1"}'
    head = ["HTTP/1.1 503 X", "Content-Type: application/problem+json", "Retry-After: 7"]
    server = serve({"head": head, "body": [body]})
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(ProblemError) as got:
        pool.apply(fail, (server.url,))
    error = got.value
    assert (error.status, error.code, error.request_id, error.retry_after, error.body) == (
        503,
        "llm_busy",
        "r1",
        7,
        body,
    )


def test_refused_connection(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NetworkError) as got:
        make(url).get_health()
    assert isinstance(got.value, APIError)


def test_pauses_between_attempts(make: Make, serve: Serve) -> None:
    busy = {"head": ["HTTP/1.1 503 X", "Retry-After: 7"], "body": []}
    cut = {"head": [], "body": [], "end": "cut"}
    alive = {
        "head": ["HTTP/1.1 200 X", "Content-Type: application/json"],
        "body": ['{"status":"ok"}'],
    }
    client = make(serve(cut, cut, busy, alive).url, retries=3)
    assert client.get_health().status == "ok"
    first, second, third = client.pauses
    assert 0 < first < second < 1
    assert 7 < third < 8  # noqa: PLR2004


def test_leaving_an_answer_early(make: Make, serve: Serve) -> None:
    """The connection is closed, so that the language model stops."""
    server = serve(
        {
            "head": ["HTTP/1.1 200 X", "Content-Type: text/event-stream"],
            "body": ['event: delta\ndata: {"text":"half"}\n\n'],
            "end": "silent",
        }
    )
    client = make(server.url)
    for chunk in client.ask_question("x"):
        assert chunk == "half"
        break
    assert server.left.wait(PATIENCE)


def test_path_parameter_that_would_change_the_path(make: Make) -> None:
    for value in ["", ".", "..", None]:
        with pytest.raises(ValueError):
            make("http://localhost:1").get_film(cast(int, value))


def test_parameters(make: Make, serve: Serve) -> None:
    """Parameters without a value are omitted, and lists are repeated."""
    server = serve({"head": ["HTTP/1.1 418 X"], "body": []})
    client = make(f"{server.url}/prefix/", retries=0)
    with pytest.raises(HTTPError):
        client.list_films(page=None, category=cast(str, ["A & B", "C"]))
    assert server.requests[0].startswith("GET /prefix/films?category=A+%26+B&category=C HTTP/")


def test_body_and_headers() -> None:
    """None is sent as null. UNSET is omitted, and so is a body without members that is optional."""
    call = Call("x", "PATCH", "/x", body={"a": None, "b": UNSET, "c": date(2026, 1, 31)})
    call.headers.update({"X-Dry-Run": True, "X-List": ["a", 1], "X-None": None})
    request = call.request()
    assert request["json"] == {"a": None, "c": "2026-01-31"}
    assert request["headers"] == {
        "Accept": "application/json",
        "X-Dry-Run": "true",
        "X-List": "a,1",
    }
    assert Call("x", "PUT", "/x", body={"a": UNSET}).request()["json"] is None
    assert Call("x", "PUT", "/x", body={"a": UNSET}, body_required=True).request()["json"] == {}


def snake_case(name: str) -> str:
    """Converts a name of the contract to Python's."""
    name = re.sub(r"\W+", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def as_text(value: Any) -> str:
    """Converts a value to its text in a query."""
    return value if isinstance(value, str) else json.dumps(value)


OPERATIONS = json.loads((TESTDATA / "operations.json").read_text())
"""The contract's operations, with its examples as arguments. All three SDKs test the same list."""

HANDWRITTEN: dict[str, dict[str, str]] = {
    "askQuestion": {"question": "Which short comedies are rated PG?"},
    "createToken": {"username": "a", "password": "b"},
}
"""The arguments of the methods that are written by hand."""


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["id"])
def test_operation(make: Make, serve: Serve, operation: dict[str, Any]) -> None:
    """Each operation of the contract has a method that sends its request."""
    server = serve({"head": ["HTTP/1.1 418 X"], "body": []})
    method = getattr(make(server.url, retries=0), snake_case(operation["id"]))
    given = HANDWRITTEN.get(operation["id"], operation["params"] | operation["body"])
    with pytest.raises(HTTPError):
        list(method(*operation["path_params"], **{snake_case(name): given[name] for name in given}))
    line, *headers, body = server.requests[0].split("\n")
    sent, target, _ = line.split()
    path_params = iter(operation["path_params"])
    path = re.sub(r"\{\w+\}", lambda _: quote(str(next(path_params)), safe=""), operation["path"])
    assert (sent, urlsplit(target).path) == (operation["method"], path)
    query = parse_qs(urlsplit(target).query)
    for name, value in operation["params"].items():
        values = [as_text(item) for item in (value if isinstance(value, list) else [value])]
        assert query.get(name) == values or f"{name.lower()}: {','.join(values)}" in headers
    if operation["body"]:
        assert json.loads(body) == operation["body"]
    assert f"user-agent: pagila-api-python/{__version__}" in headers


def test_bookmark(serve: Serve, make: Make) -> None:
    """A client sends the server's bookmark back, with which it reads its own writes."""
    cookie = "Set-Cookie: pagila_bookmark=position; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
    server = serve({"head": ["HTTP/1.1 404 Not Found", cookie]})
    client = make(server.url)
    for _ in range(2):
        with pytest.raises(HTTPError):
            client.get_film(1)
    assert "pagila_bookmark" not in server.requests[0]
    assert "cookie: pagila_bookmark=position" in server.requests[1].lower()


def test_bookmark_of_concurrent_writes() -> None:
    """The response to the earlier of two writes may arrive last. The later bookmark is kept."""
    cookies = []

    async def run() -> None:
        begun, later = asyncio.Event(), asyncio.Event()

        async def respond(request: httpx.Request) -> httpx.Response:
            cookies.append(request.headers.get("Cookie"))
            first = request.url.path == "/films/1"
            if first:
                begun.set()
                await later.wait()
            set_cookie = f"pagila_bookmark={'A' if first else 'B'}; Path=/; Max-Age=60"
            return httpx.Response(404, headers={"Set-Cookie": set_cookie})

        async def get(client: AsyncClient, film: int) -> None:
            with pytest.raises(HTTPError):
                await client.get_film(film)

        transport = httpx.MockTransport(respond)
        async with AsyncClient("http://pagila.test", transport=transport) as client:
            first = asyncio.create_task(get(client, 1))
            await begun.wait()
            await get(client, 2)
            later.set()
            await first
            await get(client, 3)

    asyncio.run(run())
    assert cookies == [None, None, "pagila_bookmark=B"]
