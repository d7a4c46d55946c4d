"""Which pages an iterator over a list reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pagila_api._protocol import Position

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "testdata" / "pages.json").read_text()
)
"""The cases of all three SDKs. `pages` are the server's responses."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_all_pages(case: dict[str, Any]) -> None:
    given = case.get("given", {})
    at: Position | None = Position(given.get("page"), case.get("size", 0), given.get("cursor"))
    requests = []
    for page in case["pages"]:
        assert at is not None
        request = {"page": at.number, "cursor": at.cursor}
        requests.append({name: value for name, value in request.items() if value is not None})
        at = at.following(page["items"], total=page.get("total", 0), cursor=page.get("next_cursor"))
    assert at is None
    assert requests == case["requests"]
