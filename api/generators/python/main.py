"""Uses the generated Python client against the server at PAGILA_URL."""

import json
import os

from pagila import (
    AIApi,
    ApiClient,
    ApiException,
    AuthenticationApi,
    Configuration,
    FilmsApi,
    Problem,
    Rental,
    RentalRequest,
    RentalsApi,
)

FROM_NEWER_SERVER = {
    "type": "about:blank",
    "title": "Conflict",
    "status": 409,
    "detail": "New.",
    "instance": "/films",
    "code": "a_newer_code",
    "request_id": "1",
    "a_newer_member": 1,
}


def problem_of(error: ApiException) -> Problem:
    assert isinstance(error.data, Problem), error
    return error.data


def rent(rentals: RentalsApi) -> Rental:
    """Rents the first copy that is in."""
    for inventory_id in range(1, 1001):
        try:
            return rentals.create_rental(1, RentalRequest(inventory_id=inventory_id, staff_id=1))
        except ApiException as error:
            assert problem_of(error).code == "inventory_not_available", error
    raise AssertionError("all copies are out")


def rent_twice(rentals: RentalsApi) -> tuple[Rental, Problem]:
    rental = rent(rentals)
    assert rental.return_date is None and rental.due_date > rental.rental_date, rental
    assert rentals.get_rental(1, rental.rental_id) == rental
    try:
        rentals.create_rental(1, RentalRequest(inventory_id=rental.inventory_id, staff_id=1))
    except ApiException as error:
        return rental, problem_of(error)
    raise AssertionError("one copy was rented twice")


def read_missing(films: FilmsApi) -> Problem:
    try:
        films.get_film(2147483647)
    except ApiException as error:
        return problem_of(error)
    raise AssertionError("there is a film 2147483647")


def main() -> None:
    config = Configuration(host=os.environ["PAGILA_URL"])
    client = ApiClient(config)

    films = FilmsApi(client)
    page = films.list_films(page_size=5)
    assert len(page.items) == 5 and page.total > 5, page
    film = films.get_film(1)
    assert film.rental_rate == os.environ["RENTAL_RATE"], film
    assert json.loads(film.to_json())["rental_rate"] == film.rental_rate
    assert film.actors
    missing = read_missing(films)
    assert (missing.status, missing.code) == (404, "film_not_found"), missing
    assert missing.request_id

    token = AuthenticationApi(client).create_token("password", os.environ["API_USERNAME"], os.environ["API_PASSWORD"])
    config.access_token = token.access_token
    rental, again = rent_twice(RentalsApi(client))
    assert (again.status, again.code) == (409, "inventory_not_available"), again

    answer = AIApi(client).ask_question("Which comedies are rated PG?")
    assert answer and "event:" not in answer, answer
    assert Problem.from_dict(FROM_NEWER_SERVER).code == "a_newer_code"

    print(
        f'{page.total} films, film 1 for "{film.rental_rate}", {missing.status} {missing.code}, '
        f"rented copy {rental.inventory_id}, {again.status} {again.code}, answer of {len(answer)} characters"
    )


main()
