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

/** Rents the first copy that is in. */
async function rent(api: RentalsApi): Promise<Rental> {
  for (let inventoryId = 1; inventoryId <= 1000; inventoryId++) {
    try {
      return await api.createRental({ customerId: 1, rentalRequest: { inventoryId, staffId: 1 } });
    } catch (error) {
      if (!(error instanceof ResponseError)) throw error;
      assert.equal(ProblemFromJSON(await error.response.json()).code, "inventory_not_available");
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
assert.deepEqual([again.status, again.code], [409, "inventory_not_available"]);

const answer = await new AIApi(anonymous).askQuestion({ question: "Which comedies are rated PG?" });
assert.ok(answer && !answer.includes("event:"), `want an answer in plain text, got ${answer}`);

const newer = ProblemFromJSON({ ...missing, request_id: "1", code: "a_newer_code", a_newer_member: 1 });
assert.equal(newer.code, "a_newer_code");

console.log(
  `${page.total} films, film 1 for "${film.rentalRate}", ${missing.status} ${missing.code}, ` +
    `rented copy ${inventoryId}, ${again.status} ${again.code}, answer of ${answer.length} characters`,
);
