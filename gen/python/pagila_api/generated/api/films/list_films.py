from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.film_page import FilmPage
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    page: int | Unset = 1,
    page_size: int | Unset = 20,
    category: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["page"] = page

    params["page_size"] = page_size

    params["category"] = category

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/films",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> FilmPage | Problem | None:
    if response.status_code == 200:
        response_200 = FilmPage.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

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
) -> Response[FilmPage | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    page: int | Unset = 1,
    page_size: int | Unset = 20,
    category: str | Unset = UNSET,
) -> Response[FilmPage | Problem]:
    """List films

     One page of the catalogue, ordered by `film_id`. Page and total come from one snapshot of
    the database. A page past the end, or an unknown category, is an empty page.

    Args:
        page (int | Unset):  Default: 1.
        page_size (int | Unset):  Default: 20.
        category (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[FilmPage | Problem]
    """

    kwargs = _get_kwargs(
        page=page,
        page_size=page_size,
        category=category,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    page: int | Unset = 1,
    page_size: int | Unset = 20,
    category: str | Unset = UNSET,
) -> FilmPage | Problem | None:
    """List films

     One page of the catalogue, ordered by `film_id`. Page and total come from one snapshot of
    the database. A page past the end, or an unknown category, is an empty page.

    Args:
        page (int | Unset):  Default: 1.
        page_size (int | Unset):  Default: 20.
        category (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        FilmPage | Problem
    """

    return sync_detailed(
        client=client,
        page=page,
        page_size=page_size,
        category=category,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    page: int | Unset = 1,
    page_size: int | Unset = 20,
    category: str | Unset = UNSET,
) -> Response[FilmPage | Problem]:
    """List films

     One page of the catalogue, ordered by `film_id`. Page and total come from one snapshot of
    the database. A page past the end, or an unknown category, is an empty page.

    Args:
        page (int | Unset):  Default: 1.
        page_size (int | Unset):  Default: 20.
        category (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[FilmPage | Problem]
    """

    kwargs = _get_kwargs(
        page=page,
        page_size=page_size,
        category=category,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    page: int | Unset = 1,
    page_size: int | Unset = 20,
    category: str | Unset = UNSET,
) -> FilmPage | Problem | None:
    """List films

     One page of the catalogue, ordered by `film_id`. Page and total come from one snapshot of
    the database. A page past the end, or an unknown category, is an empty page.

    Args:
        page (int | Unset):  Default: 1.
        page_size (int | Unset):  Default: 20.
        category (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        FilmPage | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            page=page,
            page_size=page_size,
            category=category,
        )
    ).parsed
