"""Runs each block of README.md as a new user would, in a separate environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import venv
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL
)
RESPONSES: dict[tuple[str, str], deque[dict[str, Any]]] = {}
"""The responses to the READMEs of all three SDKs. Equal requests get them in turn."""

for _response in json.loads((PACKAGE.parent / "testdata" / "readme.json").read_text()):
    RESPONSES.setdefault((_response["method"], _response["path"]), deque()).append(_response)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        responses = RESPONSES[self.command, self.path.partition("?")[0]]
        response = responses[0]
        responses.rotate(-1)
        self.send_response(response["status"])
        self.send_header("Content-Type", response["type"])
        self.end_headers()
        self.wfile.write(response["body"].encode())

    do_POST = do_PATCH = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def execute(tmp_path: Path, *command: str) -> str:
    path = f"{tmp_path / 'venv' / 'bin'}:{os.environ['PATH']}"
    process = subprocess.run(
        command,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, f"{command}\n{process.stdout}\n{process.stderr}"
    return process.stdout


def read_visit() -> tuple[str, str]:
    """The Python blocks of the page about all three SDKs, as one program, and their output."""
    page = (PACKAGE.parent / "README.md").read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    code = "".join(text for language, text in blocks if language == "python")
    return code, "".join(text for language, text in blocks if language == "text")


INSTALLED = """
from importlib.metadata import version
import pagila_api
assert pagila_api.__version__ == version("pagila-api-client")
assert "site-packages" in pagila_api.__file__
"""


def test_readme(tmp_path: Path, url: str) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    ignore = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "gen" / "python", ignore=ignore)
    languages = [language for language, _ in BLOCKS]
    assert languages == ["sh"] + ["python", "text"] * 5
    output = ""
    for language, text in BLOCKS:
        match language:
            case "sh":
                execute(tmp_path, "bash", "-euc", text)
            case "python":
                code = text.replace("http://localhost:8080", url)
                output = execute(tmp_path, "python", "-c", code)
            case "text":
                assert output.strip() == text.strip()
    code, shown = read_visit()
    assert execute(tmp_path, "python", "-c", code.replace("http://localhost:8080", url)) == shown
    execute(tmp_path, "python", "-c", INSTALLED)
