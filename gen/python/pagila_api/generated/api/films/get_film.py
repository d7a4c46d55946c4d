from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.film_detail import FilmDetail
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    film_id: int,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/films/{film_id}".format(
            film_id=quote(str(film_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> FilmDetail | Problem | None:
    if response.status_code == 200:
        response_200 = FilmDetail.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[FilmDetail | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    film_id: int,
    *,
    client: AuthenticatedClient | Client,
) -> Response[FilmDetail | Problem]:
    """Read a film

     The film with its actors.

    Args:
        film_id (int):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[FilmDetail | Problem]
    """

    kwargs = _get_kwargs(
        film_id=film_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    film_id: int,
    *,
    client: AuthenticatedClient | Client,
) -> FilmDetail | Problem | None:
    """Read a film

     The film with its actors.

    Args:
        film_id (int):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        FilmDetail | Problem
    """

    return sync_detailed(
        film_id=film_id,
        client=client,
    ).parsed


async def asyncio_detailed(
    film_id: int,
    *,
    client: AuthenticatedClient | Client,
) -> Response[FilmDetail | Problem]:
    """Read a film

     The film with its actors.

    Args:
        film_id (int):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[FilmDetail | Problem]
    """

    kwargs = _get_kwargs(
        film_id=film_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    film_id: int,
    *,
    client: AuthenticatedClient | Client,
) -> FilmDetail | Problem | None:
    """Read a film

     The film with its actors.

    Args:
        film_id (int):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        FilmDetail | Problem
    """

    return (
        await asyncio_detailed(
            film_id=film_id,
            client=client,
        )
    ).parsed
