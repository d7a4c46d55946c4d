// The client against the server at PAGILA_URL, with the token API_TOKEN.
import assert from "node:assert/strict";
import { test } from "node:test";

import { type AskEvent, type Client, ProblemError, createClient } from "pagila-api-client";

const baseUrl = process.env["PAGILA_URL"] ?? "";
const skip = baseUrl === "" && "PAGILA_URL is not set";
const token = process.env["API_TOKEN"] ?? "dvd_admin";
const api = createClient({ baseUrl, token });
const question = "Which short comedies are rated PG?";

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) {
    list.push(value);
  }
  return list;
}

test("lists all films of a category from all pages", { skip }, async () => {
  const { total } = await api.listFilms({ category: ["Comedy"], page_size: 1 });
  const ids = new Set<number>();
  for await (const film of api.listAllFilms({ category: ["Comedy"], page_size: 7 })) {
    assert.equal(film.category, "Comedy");
    ids.add(film.film_id);
  }
  assert.ok(total !== undefined && total > 7, "the films must fill more than one page");
  assert.equal(ids.size, total);
});

/** A client that loses every other response to a POST, after the server has carried out the request. */
function losing(): Client {
  let posts = 0;
  return createClient({
    baseUrl,
    token,
    backoff: 1,
    async fetch(request, init) {
      const response = await fetch(request, init);
      if ((request as Request).method === "POST" && ++posts % 2 === 1) {
        await response.body?.cancel();
        throw new TypeError("the response is lost");
      }
      return response;
    },
  });
}

/** Makes a call until it succeeds, because another run may have taken what it asks for. */
async function retried<T>(codes: string[], call: () => Promise<T>): Promise<T> {
  for (let attempts = 0; ; attempts++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ProblemError && codes.includes(error.code)) || attempts === 100) {
        throw error;
      }
    }
  }
}

/** A random integer from 1. */
const random = (max: number) => 1 + Math.floor(Math.random() * max);

test("rents and returns a copy once, though responses are lost", { skip }, async () => {
  const lossy = losing();
  const { rental, request } = await retried(["already_rented_by_customer", "inventory_not_available"], async () => {
    const request = { film_id: random(100), store_id: random(2), staff_id: 1 };
    await api.createRental(3, request).then(({ rental_id }) => api.returnRental(3, rental_id)); // the customer did not have it
    return { rental: await lossy.createRental(3, request), request };
  });
  assert.deepEqual([rental.film_id, rental.store_id, rental.customer_id, rental.return_date], [request.film_id, request.store_id, 3, null]);
  assert.deepEqual(await api.getRental(3, rental.rental_id), rental);
  await assert.rejects(api.createRental(3, request), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.deepEqual([error.status, error.code, error.rental?.rental_id], [409, "already_rented_by_customer", rental.rental_id]);
    assert.equal(error.requestId, error.problem.request_id);
    return true;
  });
  assert.equal((await all(api.listAllCustomerRentals(3, { state: "open" }))).filter(({ film_id }) => film_id === request.film_id).length, 1);

  const returned = await lossy.returnRental(3, rental.rental_id);
  assert.deepEqual([returned.rental_id, returned.days_overdue, returned.late_fee], [rental.rental_id, 0, "0.00"]);
  await assert.rejects(api.returnRental(3, rental.rental_id), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.code, "already_returned");
    assert.deepEqual(error.rental, returned);
    return true;
  });
});

test("subscribes and cancels once, though responses are lost", { skip }, async () => {
  const lossy = losing();
  const [customer, subscription] = await retried(["already_subscribed", "customer_not_found", "customer_inactive"], async () => {
    const customer = random(599);
    const start_date = new Date(Date.now() + random(360) * 86_400_000).toISOString().slice(0, 10);
    return [customer, await lossy.createSubscription(customer, { plan_name: "standard", start_date, end_date: start_date })] as const;
  });
  await assert.rejects(
    lossy.createSubscription(customer, { plan_name: "premium", start_date: subscription.start_date }),
    (error) => error instanceof ProblemError && error.code === "already_subscribed" && error.subscription?.plan_name === "standard",
  );
  await assert.rejects(api.cancelSubscription(customer, subscription.subscription_id), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.code, "already_cancelled");
    assert.deepEqual(error.subscription, subscription);
    return true;
  });
});

test("changes a film as it was read", { skip }, async () => {
  const { etag, streaming_available } = await api.getFilm(500);
  const changed = await api.updateFilm(500, { streaming_available: !streaming_available }, { "If-Match": etag });
  assert.equal(changed.streaming_available, !streaming_available);
  await assert.rejects(
    api.updateFilm(500, { streaming_available }, { "If-Match": etag }),
    (error) => error instanceof ProblemError && error.status === 412 && error.code === "precondition_failed",
  );
});

test("streams an answer as text", { skip }, async () => {
  const chunks: string[] = [];
  for await (const chunk of api.askQuestion(question)) {
    chunks.push(chunk);
  }
  assert.ok(chunks.length > 1, "the answer arrived in one chunk");
});

test("streams an answer as events", { skip }, async () => {
  const events: AskEvent[] = [];
  for await (const event of api.askQuestionEvents(question)) {
    events.push(event);
  }
  assert.ok(events.some((event) => event.type === "delta" && event.text !== ""));
  const last = events.at(-1);
  assert.ok(last?.type === "done");
  assert.equal(last.finish_reason, "stop");
});

test("summarizes a film", { skip }, async () => {
  const film = await api.getFilm(1);
  const summary = await api.summarizeFilm({ film_id: 1 });
  assert.equal(summary.title, film.title);
  assert.equal(summary.rating, film.rating);
  assert.equal(typeof summary.recommended, "boolean");
});

test("an invalid token is a ProblemError", { skip }, async () => {
  const anonymous = createClient({ baseUrl, token: "wrong" });
  await assert.rejects(
    anonymous.getRental(1, 1),
    (error) => error instanceof ProblemError && error.status === 401 && error.code === "invalid_token",
  );
});

test("invalid input is a ProblemError that names the parameter", { skip }, async () => {
  await assert.rejects(api.listFilms({ page: 0 }), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.status, 400);
    assert.equal(error.errors[0]?.parameter, "page");
    return true;
  });
});

test("creates a token for a username and a password", { skip }, async () => {
  const username = process.env["API_USERNAME"] ?? "staff";
  const password = process.env["API_PASSWORD"] ?? "dvd_admin";
  const anonymous = createClient({ baseUrl });
  assert.equal((await anonymous.createToken(username, password)).access_token, token);
  await assert.rejects(
    anonymous.createToken(username, "wrong"),
    (error) => error instanceof ProblemError && error.code === "invalid_credentials",
  );
});

test("the other operations return their results", { skip }, async () => {
  const { title } = await api.getFilm(1);
  assert.deepEqual((await api.handOff({ question: `Who stars in ${title}?` })).sources, [{ film_id: 1, title }]);
  assert.equal((await api.getHealth()).status, "ok");
  assert.equal((await api.getReadiness()).status, "ready");
});
