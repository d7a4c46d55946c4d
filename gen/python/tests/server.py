"""A server that plays scripts on a real socket, as gen/testdata/faults.json has them."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

SLACK = 30.0
"""Seconds after which a server here gives up a client that does nothing."""

Response = dict[str, Any]


class Server:
    """Gives each connection the next of some responses, and the last one to all further ones."""

    def __init__(self, *responses: Response, other: str = "") -> None:
        self.requests: list[str] = []
        self._responses = responses
        self._connections: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._places = {"{origin}": self.url, "{other}": other}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def places(self, text: str) -> str:
        """A text of the table with the addresses of the servers."""
        for name, value in self._places.items():
            text = text.replace(name, value)
        return text

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SLACK)
        for thread in self._connections:
            thread.join(SLACK)

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
        connection.settimeout(SLACK)
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
            connection.sendall(self.places(head).encode())
        for piece in _pieces(response):
            if isinstance(piece, float):
                time.sleep(piece)
                continue
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
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


def _receive(connection: socket.socket) -> str:
    """A request, with its headers in lower case."""
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


def _pieces(response: Response) -> Iterator[bytes | float]:
    """What is to be sent. A number is seconds of silence."""
    pieces = [_piece(piece) for piece in response["body"]]
    size = response.get("split")
    if not size:
        yield from pieces
        return
    whole = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    for i in range(0, len(whole), size):
        yield whole[i : i + size]


def _piece(piece: str | dict[str, Any]) -> bytes | float:
    if isinstance(piece, str):
        return piece.encode()
    if "delay" in piece:
        return float(piece["delay"])
    if "hex" in piece:
        return bytes.fromhex(piece["hex"])
    return str(piece["repeat"]).encode() * int(piece["times"])
