"""Which responses have the shape that the contract specifies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from pagila_api import HTTPError
from pagila_api._protocol import Call, decode
from pagila_api._shapes import SHAPES

CASES = json.loads((Path(__file__).parents[2] / "testdata" / "shapes.json").read_text())
"""The cases of all three SDKs: a shape, a text, and whether it is valid."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_shape(monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]) -> None:
    monkeypatch.setitem(SHAPES, "x 202", case["shape"])
    response, body = httpx.Response(202), case["text"].encode()

    def decoded() -> Any:
        return decode(response, body, Call("x", "GET", "/x"), lambda value: value)

    if case["valid"]:
        assert decoded() == ({} if case["shape"] == "none" else json.loads(body))
    else:
        with pytest.raises(HTTPError):
            decoded()
