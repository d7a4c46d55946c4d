"""The client against servers that fail, on real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from pagila_api import (
    Delta,
    HTTPError,
    IncompleteAnswerError,
    NetworkError,
    ProblemError,
    RequestTimeoutError,
)

from .conftest import Make

SLACK = 30.0
"""Seconds that a server here waits for a client that does not come."""


class Server:
    """Gives each request the next of some answers, byte for byte, and then ends the connection."""

    def __init__(self, *answers: bytes) -> None:
        self.requests: list[str] = []
        self._answers = answers
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(SLACK)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            connection, _ = self._listener.accept()
            with connection:
                if self._stop.is_set():
                    return  # the client wanted fewer
                connection.settimeout(SLACK)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65536)
                self.requests.append(head.split(b"\r\n")[0].decode())
                if answer == STALL:
                    self._stop.wait(SLACK)
                    continue
                for piece in answer.split(PAUSE):
                    connection.sendall(piece)
                if answer.endswith(PAUSE):
                    self._stop.wait(SLACK)

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():  # it may wait for a client
            socket.create_connection(self._listener.getsockname()).close()
        self._thread.join(SLACK)
        self._listener.close()


STALL = b"stall"
PAUSE = b"(pause)"
"""At the end of an answer: the connection stays open, and silent."""


def answer(status: str, content_type: str, body: str, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers]
    data = body.encode()
    head += [f"Content-Length: {len(data)}", "Connection: close", "", ""]
    return "\r\n".join(head).encode() + data


def events(body: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A stream, one byte a chunk, so that characters and lines are split. Without end it is cut."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + end


HTML = answer("502 Bad Gateway", "text/html", "<html>proxy</html>")
ALIVE = answer("200 OK", "application/json", '{"status": "ok"}')
BUSY = answer(
    "503 Service Unavailable",
    "application/problem+json",
    '{"status": 503, "code": "llm_busy", "detail": "Busy.", "request_id": "r1"}',
    "Retry-After: 7",
)
DELTA = 'id: 1\nevent: delta\ndata: {"text": "größe\\n"}\n\n'.encode()
DONE = (
    b'event: done\ndata: {"finish_reason": "stop", "model": "m", '
    b'"usage": {"prompt_tokens": 1, "completion_tokens": 2}}\n\n'
)

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def one(*answers: bytes) -> Server:
        servers.append(Server(*answers))
        return servers[-1]

    yield one
    for server in servers:
        server.close()


def test_page_of_a_proxy(make: Make, serve: Serve) -> None:
    client = make(serve(HTML).url, retries=0)
    with pytest.raises(HTTPError) as failed:
        client.get_health()
    assert not isinstance(failed.value, ProblemError)
    assert (failed.value.status, failed.value.body) == (502, "<html>proxy</html>")


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '"text"'])
def test_success_that_is_none(make: Make, serve: Serve, body: str) -> None:
    client = make(serve(answer("200 OK", "text/html", body)).url)
    with pytest.raises(HTTPError) as failed:
        client.get_health()
    assert failed.value.status == 200  # noqa: PLR2004


def test_text_of_a_proxy_is_no_json(make: Make, serve: Serve) -> None:
    page = answer("200 OK", "text/plain", '{"status": "ok"}')
    with pytest.raises(HTTPError):
        make(serve(page).url).get_health()


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error"])
@pytest.mark.parametrize("media_type", ["application/json", "application/problem+json"])
def test_json_too_deep_to_read(make: Make, serve: Serve, status: str, media_type: str) -> None:
    with pytest.raises(HTTPError):
        make(serve(answer(status, media_type, "[" * 100_000)).url).get_health()


def test_body_that_cannot_be_unpacked(make: Make, serve: Serve) -> None:
    packed = answer("200 OK", "application/json", "no gzip", "Content-Encoding: gzip")
    with pytest.raises(NetworkError):
        make(serve(packed).url, retries=0).get_health()
    packed = answer("200 OK", "text/event-stream", "no gzip", "Content-Encoding: gzip")
    with pytest.raises(IncompleteAnswerError):
        list(make(serve(packed).url).ask("x"))


def test_get_is_repeated(make: Make, serve: Serve) -> None:
    server = serve(HTML, b"", ALIVE)
    client = make(server.url)
    assert client.get_health().status == "ok"
    assert server.requests == ["GET /healthz HTTP/1.1"] * 3
    first, second = client.pauses
    assert 0 < first < second < 1


def test_retries_end(make: Make, serve: Serve) -> None:
    server = serve(HTML, HTML, HTML, ALIVE)
    with pytest.raises(HTTPError):
        make(server.url, retries=2).get_health()
    assert len(server.requests) == 3  # noqa: PLR2004


def test_retry_after(make: Make, serve: Serve) -> None:
    client = make(serve(BUSY, ALIVE).url)
    assert client.get_health().status == "ok"
    assert client.pauses == [7]

    long = BUSY.replace(b"Retry-After: 7", b"Retry-After: 70")
    with pytest.raises(ProblemError) as refused:
        make(serve(long, ALIVE).url).get_health()
    assert refused.value.code == "llm_busy"


def test_retry_after_as_a_date(make: Make, serve: Serve) -> None:
    past = BUSY.replace(b"Retry-After: 7", b"Retry-After: Wed, 21 Oct 2015 07:28:00 GMT")
    client = make(serve(past, ALIVE).url)
    assert client.get_health().status == "ok"
    assert 0 < client.pauses[0] < 1

    future = BUSY.replace(b"Retry-After: 7", b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT")
    server = serve(future, ALIVE)
    with pytest.raises(ProblemError):
        make(server.url).get_health()
    assert len(server.requests) == 1


@pytest.mark.parametrize("first", [HTML, BUSY, b""])
def test_post_is_not_repeated(make: Make, serve: Serve, first: bytes) -> None:
    server = serve(first, ALIVE)
    client = make(server.url)
    with pytest.raises((HTTPError, NetworkError)):
        client.create_rental(1, inventory_id=1, staff_id=1)
    assert server.requests == ["POST /customers/1/rentals HTTP/1.1"]
    assert client.pauses == []


def test_nobody_there(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NetworkError):
        make(url).get_health()


def test_time_out(make: Make, serve: Serve) -> None:
    server = serve(STALL, ALIVE)
    with pytest.raises(RequestTimeoutError):
        make(server.url, timeout=0.2).get_health()
    assert len(server.requests) == 1


def test_stream(make: Make, serve: Serve) -> None:
    unknown = b"event: weather\ndata: {}\n\n: keep-alive\n\n"
    assert list(make(serve(events(DELTA + unknown + DELTA + DONE)).url).ask("x")) == ["größe\n"] * 2


def test_stream_with_carriage_returns(make: Make, serve: Serve) -> None:
    body = (DELTA + DONE).replace(b"\n", b"\r\n")
    assert list(make(serve(events(body)).url).ask("x")) == ["größe\n"]


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"], ids=["cut", "ended early"])
def test_stream_that_is_not_whole(make: Make, serve: Serve, end: bytes) -> None:
    pieces = make(serve(events(DELTA, end)).url).ask("x")
    assert next(pieces) == "größe\n"
    with pytest.raises(IncompleteAnswerError):
        next(pieces)


def test_stream_that_stalls(make: Make, serve: Serve) -> None:
    pieces = make(serve(events(DELTA, PAUSE)).url, timeout=0.5).ask("x")
    assert next(pieces) == "größe\n"
    with pytest.raises(RequestTimeoutError):
        next(pieces)


def test_stream_with_an_error(make: Make, serve: Serve) -> None:
    error = b'event: error\ndata: {"status": 502, "code": "llm_bad_response"}\n\n'
    stream = make(serve(events(DELTA + error, b"")).url).ask_events("x")
    assert isinstance(next(stream), Delta)
    with pytest.raises(ProblemError) as failed:
        next(stream)
    assert (failed.value.status, failed.value.code) == (502, "llm_bad_response")


@pytest.mark.parametrize("data", ["nonsense", "[]", '{"text": 1', "{}", "[" * 20_000])
def test_stream_of_nonsense(make: Make, serve: Serve, data: str) -> None:
    body = f"event: delta\ndata: {data}\n\n".encode()
    with pytest.raises(HTTPError):
        list(make(serve(events(body)).url).ask("x"))


@pytest.mark.parametrize("status", ["200 OK", "302 Found"])
def test_stream_that_is_a_page(make: Make, serve: Serve, status: str) -> None:
    with pytest.raises(HTTPError) as failed:
        list(make(serve(answer(status, "text/html", "<html>")).url).ask("x"))
    assert failed.value.body == "<html>"


def test_stream_is_repeated_before_its_head_only(make: Make, serve: Serve) -> None:
    server = serve(HTML, events(DELTA + DONE))
    assert list(make(server.url).ask("x")) == ["größe\n"]
    assert len(server.requests) == 2  # noqa: PLR2004
