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
    FilmUpdate,
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
    """Rents a copy of the first film that is in, and that the customer does not have."""
    for film_id in range(1, 1001):
        try:
            return rentals.create_rental(1, RentalRequest(film_id=film_id, store_id=1, staff_id=1))
        except ApiException as error:
            codes = ("inventory_not_available", "already_rented_by_customer")
            assert problem_of(error).code in codes, error
    raise AssertionError("all copies are out")


def rent_twice(rentals: RentalsApi) -> tuple[Rental, Problem]:
    """Rents a copy and returns it. The second request gets the rental in the problem."""
    rental = rent(rentals)
    assert rental.return_date is None and rental.due_date > rental.rental_date, rental
    assert rentals.get_rental(1, rental.rental_id) == rental
    try:
        rentals.create_rental(1, RentalRequest(inventory_id=rental.inventory_id, staff_id=1))
    except ApiException as error:
        problem = problem_of(error)
    else:
        raise AssertionError("one copy was rented twice")
    assert problem.rental == rental, problem
    returned = rentals.return_rental(1, rental.rental_id)
    assert returned.return_date is not None and returned.late_fee == "0.00", returned
    return rental, problem


def stream(films: FilmsApi) -> Problem:
    """Offers the film 1 for streaming. Its ETag as it was read allows one change."""
    film = films.get_film(1)
    update = FilmUpdate(streaming_available=not film.streaming_available)
    assert films.update_film(1, update, if_match=film.etag).streaming_available == update.streaming_available
    try:
        films.update_film(1, update, if_match=film.etag)
    except ApiException as error:
        return problem_of(error)
    raise AssertionError("a film that had changed was changed")


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
    assert (again.status, again.code) == (409, "already_rented_by_customer"), again
    stale = stream(films)
    assert (stale.status, stale.code) == (412, "precondition_failed"), stale

    answer = AIApi(client).ask_question("Which comedies are rated PG?")
    assert answer and "event:" not in answer, answer
    assert Problem.from_dict(FROM_NEWER_SERVER).code == "a_newer_code"

    print(
        f'{page.total} films, film 1 for "{film.rental_rate}", {missing.status} {missing.code}, '
        f"rented copy {rental.inventory_id}, {again.status} {again.code}, {stale.status} {stale.code}, answer of {len(answer)} characters"
    )


main()
