// The client against the server at PAGILA_URL, with the token API_TOKEN.
import assert from "node:assert/strict";
import { test } from "node:test";

import { type AskEvent, ProblemError, createClient } from "pagila-api-client";

const baseUrl = process.env["PAGILA_URL"] ?? "";
const skip = baseUrl === "" && "PAGILA_URL is not set";
const token = process.env["API_TOKEN"] ?? "dvd_admin";
const api = createClient({ baseUrl, token });
const question = "Which short comedies are rated PG?";

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

test("rents a copy once", { skip }, async () => {
  const rent = (inventory_id: number) => api.createRental(1, { inventory_id, staff_id: 1 });

  // Any copy may be out after another run, and the sample has fewer copies than Pagila.
  const copies = Array.from({ length: 4581 }, (_, i) => i + 1).sort(() => Math.random() - 0.5);
  for (const copy of copies) {
    try {
      const rental = await rent(copy);
      assert.equal(rental.inventory_id, copy);
      assert.equal(rental.return_date, null);
      assert.deepEqual(await api.getRental(1, rental.rental_id), rental);
    } catch (error) {
      assert.ok(error instanceof ProblemError);
      assert.ok(["inventory_not_available", "unknown_reference"].includes(error.code), error.message);
      continue;
    }
    await assert.rejects(rent(copy), (error) => {
      assert.ok(error instanceof ProblemError);
      assert.equal(error.status, 409);
      assert.equal(error.code, "inventory_not_available");
      assert.equal(error.requestId, error.problem.request_id);
      return true;
    });
    return;
  }
  assert.fail("all copies are out");
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
