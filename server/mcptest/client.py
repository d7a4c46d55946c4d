"""Lists the tools with the official Python client and calls every one, well and badly.

The client compares each result with the tool's output schema.
"""

import asyncio
import json
import os
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

URL = os.environ["PAGILA_URL"]


@asynccontextmanager
async def connect(mode: str, headers: dict[str, str]) -> AsyncGenerator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(f"{URL}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


async def refused(client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the problem document of a call that was refused."""
    result = await client.call_tool(name, arguments)
    assert result.is_error, f"{name} {arguments} was not refused"
    return json.loads(result.content[0].text)


def marked() -> list[str]:
    """Returns the operations that the contract marks as tools."""
    with urllib.request.urlopen(f"{URL}/openapi.json") as response:
        paths = json.load(response)["paths"]
    operations = (operation for path in paths.values() for operation in path.values())
    return sorted(o["operationId"] for o in operations if o.get("x-tool"))


async def made(client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the result of a call that succeeds."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error and result.structured_content is not None, result
    return result.structured_content


async def prepare(client: Client, customer: int, copies: list[int]) -> dict[str, dict[str, Any]]:
    """Returns what tools need beside the number 1 for each required argument.

    The tools are called in the order of their names, so this makes a rental and a subscription for those that end
    them. It uses this customer and the next one, who have none yet.
    """
    rented = await made(client, "createRental", {"customer_id": customer, "inventory_id": copies[0], "staff_id": 1})
    subscribed = await made(client, "createSubscription", {"customer_id": customer, "plan_name": "basic"})
    film = await made(client, "getFilm", {"film_id": 1})
    rental = {"customer_id": customer, "rental_id": rented["rental_id"]}
    subscription = {"customer_id": customer, "subscription_id": subscribed["subscription_id"]}
    return {
        "createRental": {"customer_id": customer, "inventory_id": copies[1]},
        "createSubscription": {"customer_id": customer + 1, "plan_name": "standard"},
        "getRental": rental,
        "returnRental": rental,
        "getSubscription": subscription,
        "cancelSubscription": subscription,
        "updateFilm": {"streaming_available": True, "If-Match": film["etag"]},
    }


async def call_all(client: Client, needed: dict[str, dict[str, Any]]) -> int:
    """Calls every tool and returns the number of calls."""
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == marked()
    calls = 0
    for tool in tools:
        required = dict.fromkeys(tool.input_schema.get("required", []), 1) | needed.get(tool.name, {})
        for argument in tool.input_schema["properties"]:
            problem = await refused(client, tool.name, {**required, argument: {"made": "up"}})
            places = [error.get("parameter", error.get("pointer")) for error in problem["errors"]]
            assert problem["status"] == 400 and {argument, f"#/{argument}"} & set(places), problem
            calls += 1
        problem = await refused(client, tool.name, {**required, "made_up": 1})
        assert problem["status"] == 400, problem
        result = await client.call_tool(tool.name, required)
        assert not result.is_error, result
        assert result.structured_content == json.loads(result.content[0].text)
        calls += 2
    return calls


async def free_copies(client: Client) -> list[int]:
    """Returns two copies that can be rented."""
    copies: list[int] = []
    for film in range(3, 100):
        result = await client.call_tool("listFilmInventory", {"film_id": film})
        items = (result.structured_content or {}).get("items", [])
        copies += [item["inventory_id"] for item in items if item["in_stock"]]
        if len(copies) > 1:
            return copies
    raise AssertionError("too few copies are in stock")


async def visit(mode: str, customer: int) -> None:
    async with connect(mode, {"Authorization": f"Bearer {os.environ['API_TOKEN']}"}) as client:
        assert "DVD-rental" in (client.instructions or "")
        copies = await free_copies(client)
        calls = await call_all(client, await prepare(client, customer, copies))
        try:
            await client.call_tool("made_up")
        except MCPError as error:
            assert "unknown tool" in str(error), error
        else:
            raise AssertionError("an unknown tool was called")
        version = client.protocol_version
    async with connect(mode, {}) as anyone:
        problem = await refused(anyone, "createRental", {"customer_id": 1, "inventory_id": copies[0], "staff_id": 1})
        assert problem["code"] == "missing_token", problem
    print(f"mcp-test: Python client, protocol {version}: {len(marked())} tools, {calls + 2} calls")


for each, first in (("auto", 11), ("legacy", 13)):
    asyncio.run(visit(each, first))
