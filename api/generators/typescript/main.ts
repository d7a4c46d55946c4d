// Uses the generated TypeScript client against the server at PAGILA_URL. It is compiled next to that client.
import assert from "node:assert/strict";
import { AIApi, AuthenticationApi, Configuration, CreateTokenGrantTypeEnum, FilmsApi, ProblemFromJSON, RentalsApi, ResponseError } from "./client/index.js";
import type { Problem, Rental } from "./client/index.js";

const { PAGILA_URL: basePath = "", RENTAL_RATE = "", API_USERNAME: username = "", API_PASSWORD: password = "" } = process.env;
const anonymous = new Configuration({ basePath });

async function problemOf(call: Promise<unknown>): Promise<Problem> {
  const error = await call.then(
    () => assert.fail("the call succeeded, want a problem"),
    (error: unknown) => error,
  );
  if (!(error instanceof ResponseError)) throw error;
  return ProblemFromJSON(await error.response.json());
}

/** Rents a copy of the first film that is in, and that the customer does not have. */
async function rent(api: RentalsApi): Promise<Rental> {
  for (let filmId = 1; filmId <= 1000; filmId++) {
    try {
      return await api.createRental({ customerId: 1, rentalRequest: { filmId, storeId: 1, staffId: 1 } });
    } catch (error) {
      if (!(error instanceof ResponseError)) throw error;
      const { code } = ProblemFromJSON(await error.response.json());
      assert.ok(["inventory_not_available", "already_rented_by_customer"].includes(code), code);
    }
  }
  assert.fail("all copies are out");
}

const films = new FilmsApi(anonymous);
const page = await films.listFilms({ pageSize: 5 });
assert.equal(page.items.length, 5);
assert.ok(page.total !== undefined && page.total > 5);
const film = await films.getFilm({ filmId: 1 });
assert.equal(film.rentalRate, RENTAL_RATE);
assert.ok(film.actors.length > 0);

const missing = await problemOf(films.getFilm({ filmId: 2147483647 }));
assert.deepEqual([missing.status, missing.code], [404, "film_not_found"]);
assert.ok(missing.requestId);

const token = await new AuthenticationApi(anonymous).createToken({ grantType: CreateTokenGrantTypeEnum.Password, username, password });
const rentals = new RentalsApi(new Configuration({ basePath, accessToken: token.accessToken }));
const rental = await rent(rentals);
assert.equal(rental.returnDate, null);
assert.ok(rental.dueDate > rental.rentalDate);
const { customerId, inventoryId, staffId } = rental;
const again = await problemOf(rentals.createRental({ customerId, rentalRequest: { inventoryId, staffId } }));
assert.deepEqual([again.status, again.code, again.rental?.rentalId], [409, "already_rented_by_customer", rental.rentalId]);
const returned = await rentals.returnRental({ customerId, rentalId: rental.rentalId });
assert.ok(returned.returnDate);
assert.equal(returned.lateFee, "0.00");

const staff = new FilmsApi(new Configuration({ basePath, accessToken: token.accessToken }));
const seen = await staff.getFilm({ filmId: 1 });
const update = { filmId: 1, ifMatch: seen.etag, filmUpdate: { streamingAvailable: !seen.streamingAvailable } };
assert.equal((await staff.updateFilm(update)).streamingAvailable, !seen.streamingAvailable);
const stale = await problemOf(staff.updateFilm(update));
assert.deepEqual([stale.status, stale.code], [412, "precondition_failed"]);

const answer = await new AIApi(anonymous).askQuestion({ question: "Which comedies are rated PG?" });
assert.ok(answer && !answer.includes("event:"), `want an answer in plain text, got ${answer}`);

const newer = ProblemFromJSON({ ...missing, request_id: "1", code: "a_newer_code", a_newer_member: 1 });
assert.equal(newer.code, "a_newer_code");

console.log(
  `${page.total} films, film 1 for "${film.rentalRate}", ${missing.status} ${missing.code}, ` +
    `rented copy ${inventoryId}, ${again.status} ${again.code}, ${stale.status} ${stale.code}, answer of ${answer.length} characters`,
);
