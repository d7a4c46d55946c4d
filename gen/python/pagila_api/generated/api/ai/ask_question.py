from http import HTTPStatus
from typing import Any, cast

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...types import UNSET, Response


def _get_kwargs(
    *,
    question: str,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["question"] = question

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/ai/ask",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | Problem | str | None:
    if response.status_code == 200:
        response_200 = response.text
        return response_200

    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    if response.status_code == 429:
        response_429 = Problem.from_dict(response.json())

        return response_429

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if response.status_code == 502:
        response_502 = Problem.from_dict(response.json())

        return response_502

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if response.status_code == 504:
        response_504 = Problem.from_dict(response.json())

        return response_504

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | Problem | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    question: str,
) -> Response[Any | Problem | str]:
    """Ask about the catalogue

     Streams the language model's answer. The server first searches the catalogue for films that fit
    the question, and the model answers from them.

    The default is plain text, also for a client that accepts both types alike. `X-AI-Sources` lists
    the films that the model was given. If the model fails midway, the server breaks the connection,
    so an answer that ends without an error is complete.

    A client that prefers `text/event-stream` gets server-sent events: `sources` (`SourcesEvent`), a
    `delta` for each chunk (`DeltaEvent`), and `done` (`DoneEvent`). If the model fails after the
    response has begun, the last event is `error` (`Problem`) instead of `done`. The response begins
    with the first chunk, or after some seconds without one. From then on, comments keep the
    connection alive while the model thinks.

    A browser's `EventSource` reconnects after the end of the stream, with the header
    `Last-Event-ID`. The response to a request with that header is 204, which stops the browser. An
    answer is never repeated.

    HEAD searches the catalogue to return the same headers. It counts as a question.

    Args:
        question (str): A question in plain words. Some of it has to be visible. Example: Who
            stars in ACADEMY DINOSAUR?.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | str]
    """

    kwargs = _get_kwargs(
        question=question,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    question: str,
) -> Any | Problem | str | None:
    """Ask about the catalogue

     Streams the language model's answer. The server first searches the catalogue for films that fit
    the question, and the model answers from them.

    The default is plain text, also for a client that accepts both types alike. `X-AI-Sources` lists
    the films that the model was given. If the model fails midway, the server breaks the connection,
    so an answer that ends without an error is complete.

    A client that prefers `text/event-stream` gets server-sent events: `sources` (`SourcesEvent`), a
    `delta` for each chunk (`DeltaEvent`), and `done` (`DoneEvent`). If the model fails after the
    response has begun, the last event is `error` (`Problem`) instead of `done`. The response begins
    with the first chunk, or after some seconds without one. From then on, comments keep the
    connection alive while the model thinks.

    A browser's `EventSource` reconnects after the end of the stream, with the header
    `Last-Event-ID`. The response to a request with that header is 204, which stops the browser. An
    answer is never repeated.

    HEAD searches the catalogue to return the same headers. It counts as a question.

    Args:
        question (str): A question in plain words. Some of it has to be visible. Example: Who
            stars in ACADEMY DINOSAUR?.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | str
    """

    return sync_detailed(
        client=client,
        question=question,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    question: str,
) -> Response[Any | Problem | str]:
    """Ask about the catalogue

     Streams the language model's answer. The server first searches the catalogue for films that fit
    the question, and the model answers from them.

    The default is plain text, also for a client that accepts both types alike. `X-AI-Sources` lists
    the films that the model was given. If the model fails midway, the server breaks the connection,
    so an answer that ends without an error is complete.

    A client that prefers `text/event-stream` gets server-sent events: `sources` (`SourcesEvent`), a
    `delta` for each chunk (`DeltaEvent`), and `done` (`DoneEvent`). If the model fails after the
    response has begun, the last event is `error` (`Problem`) instead of `done`. The response begins
    with the first chunk, or after some seconds without one. From then on, comments keep the
    connection alive while the model thinks.

    A browser's `EventSource` reconnects after the end of the stream, with the header
    `Last-Event-ID`. The response to a request with that header is 204, which stops the browser. An
    answer is never repeated.

    HEAD searches the catalogue to return the same headers. It counts as a question.

    Args:
        question (str): A question in plain words. Some of it has to be visible. Example: Who
            stars in ACADEMY DINOSAUR?.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | str]
    """

    kwargs = _get_kwargs(
        question=question,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    question: str,
) -> Any | Problem | str | None:
    """Ask about the catalogue

     Streams the language model's answer. The server first searches the catalogue for films that fit
    the question, and the model answers from them.

    The default is plain text, also for a client that accepts both types alike. `X-AI-Sources` lists
    the films that the model was given. If the model fails midway, the server breaks the connection,
    so an answer that ends without an error is complete.

    A client that prefers `text/event-stream` gets server-sent events: `sources` (`SourcesEvent`), a
    `delta` for each chunk (`DeltaEvent`), and `done` (`DoneEvent`). If the model fails after the
    response has begun, the last event is `error` (`Problem`) instead of `done`. The response begins
    with the first chunk, or after some seconds without one. From then on, comments keep the
    connection alive while the model thinks.

    A browser's `EventSource` reconnects after the end of the stream, with the header
    `Last-Event-ID`. The response to a request with that header is 204, which stops the browser. An
    answer is never repeated.

    HEAD searches the catalogue to return the same headers. It counts as a question.

    Args:
        question (str): A question in plain words. Some of it has to be visible. Example: Who
            stars in ACADEMY DINOSAUR?.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | str
    """

    return (
        await asyncio_detailed(
            client=client,
            question=question,
        )
    ).parsed
