from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.rental import Rental
from ...types import Response


def _get_kwargs(
    customer_id: int,
    rental_id: int,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/customers/{customer_id}/rentals/{rental_id}".format(
            customer_id=quote(str(customer_id), safe=""),
            rental_id=quote(str(rental_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | Rental | None:
    if response.status_code == 200:
        response_200 = Rental.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

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
) -> Response[Problem | Rental]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    customer_id: int,
    rental_id: int,
    *,
    client: AuthenticatedClient,
) -> Response[Problem | Rental]:
    """Read a rental

     A rental is only found under its own customer.

    Args:
        customer_id (int):
        rental_id (int):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Rental]
    """

    kwargs = _get_kwargs(
        customer_id=customer_id,
        rental_id=rental_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    customer_id: int,
    rental_id: int,
    *,
    client: AuthenticatedClient,
) -> Problem | Rental | None:
    """Read a rental

     A rental is only found under its own customer.

    Args:
        customer_id (int):
        rental_id (int):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Rental
    """

    return sync_detailed(
        customer_id=customer_id,
        rental_id=rental_id,
        client=client,
    ).parsed


async def asyncio_detailed(
    customer_id: int,
    rental_id: int,
    *,
    client: AuthenticatedClient,
) -> Response[Problem | Rental]:
    """Read a rental

     A rental is only found under its own customer.

    Args:
        customer_id (int):
        rental_id (int):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Rental]
    """

    kwargs = _get_kwargs(
        customer_id=customer_id,
        rental_id=rental_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    customer_id: int,
    rental_id: int,
    *,
    client: AuthenticatedClient,
) -> Problem | Rental | None:
    """Read a rental

     A rental is only found under its own customer.

    Args:
        customer_id (int):
        rental_id (int):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Rental
    """

    return (
        await asyncio_detailed(
            customer_id=customer_id,
            rental_id=rental_id,
            client=client,
        )
    ).parsed
