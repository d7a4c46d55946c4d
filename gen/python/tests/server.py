"""A server that sends the scripted responses of gen/testdata/faults.json on a real socket."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

PATIENCE = 30.0
"""How many seconds a server waits for its client."""

Response = dict[str, Any]


class Server:
    """Sends one response to each connection, and the last one to all further connections."""

    def __init__(self, *responses: Response, other: str = "") -> None:
        self.requests: list[str] = []
        self.left = threading.Event()
        """A client has closed the connection of a response that is `silent`."""
        self._responses = responses
        self._connections: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._addresses = {"{origin}": self.url, "{other}": other}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def expand(self, text: str) -> str:
        """Replaces {origin} and {other} in a text of the table with the URLs of the servers."""
        for name, value in self._addresses.items():
            text = text.replace(name, value)
        return text

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)
        for thread in self._connections:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        for i in range(1 << 16):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection, i), daemon=True)
            self._connections.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, i: int) -> None:
        connection.settimeout(PATIENCE)
        with connection, contextlib.suppress(OSError):  # a client may leave early
            self.requests.append(_receive(connection))
            if self._responses:
                self._send(connection, self._responses[min(i, len(self._responses) - 1)])

    def _send(self, connection: socket.socket, response: Response) -> None:
        chunked = "Transfer-Encoding: chunked" in response["head"]
        time.sleep(response.get("delay", 0))
        if response["head"]:
            close = ["Connection: close"] if "end" not in response else []
            head = "\r\n".join([*response["head"], *close, "", ""])
            connection.sendall(self.expand(head).encode())
        for chunk in _chunks(response):
            if isinstance(chunk, float):
                time.sleep(chunk)
                continue
            connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        match response.get("end", "clean"):
            case "clean" if chunked:
                connection.sendall(b"0\r\n\r\n")
            case "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "drip":
                while not self._closed.wait(0.02):
                    connection.sendall(b" ")
            case "silent":
                while connection.recv(1 << 16):
                    pass  # until the client closes it
                self.left.set()


def _receive(connection: socket.socket) -> str:
    """Reads a request. The names of headers are in lower case."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(1 << 16)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(1 << 16)
    request, *headers = head.decode().split("\r\n")
    named = (line.partition(":") for line in headers)
    lines = [f"{name.lower()}: {value.strip()}" for name, _, value in named]
    return "\n".join([request, *lines, body.decode()])


def _chunks(response: Response) -> Iterator[bytes | float]:
    """The chunks of a body. A number is a silence in seconds."""
    chunks = [_chunk(chunk) for chunk in response["body"]]
    size = response.get("split")
    if not size:
        yield from chunks
        return
    joined = b"".join(chunk for chunk in chunks if isinstance(chunk, bytes))
    for i in range(0, len(joined), size):
        yield joined[i : i + size]


def _chunk(chunk: str | dict[str, Any]) -> bytes | float:
    if isinstance(chunk, str):
        return chunk.encode()
    if "delay" in chunk:
        return float(chunk["delay"])
    if "hex" in chunk:
        return bytes.fromhex(chunk["hex"])
    return str(chunk["repeat"]).encode() * int(chunk["times"])
