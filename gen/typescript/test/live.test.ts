// Against a server that is running: PAGILA_URL says where, API_TOKEN with which token.
import assert from "node:assert/strict";
import { test } from "node:test";

import { type AskEvent, ProblemError, createClient } from "pagila-api-client";

const baseUrl = process.env["PAGILA_URL"] ?? "";
const skip = baseUrl === "" && "PAGILA_URL does not say where a server runs";
const token = process.env["API_TOKEN"] ?? "dvd_admin";
const api = createClient({ baseUrl, token });
const question = "Which short comedies are rated PG?";

test("lists all films of a category over pages", { skip }, async () => {
  const { data } = await api.GET("/films", { params: { query: { category: "Comedy", page_size: 1 } } });
  const ids = new Set<number>();
  for await (const film of api.listAllFilms({ category: "Comedy", pageSize: 7 })) {
    assert.equal(film.category, "Comedy");
    ids.add(film.film_id);
  }
  assert.ok(data.total > 7, "one page would prove nothing");
  assert.equal(ids.size, data.total);
});

test("rents a copy once", { skip }, async () => {
  const rent = (inventory_id: number) =>
    api.POST("/customers/{customer_id}/rentals", { params: { path: { customer_id: 1 } }, body: { inventory_id, staff_id: 1 } });

  // Another run may have rented any copy, and the sample has fewer of them than Pagila.
  const copies = Array.from({ length: 4581 }, (_, i) => i + 1).sort(() => Math.random() - 0.5);
  for (const copy of copies) {
    try {
      const { data } = await rent(copy);
      assert.equal(data.inventory_id, copy);
      assert.equal(data.return_date, null);
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
  assert.fail("there is no free copy");
});

test("streams an answer as text", { skip }, async () => {
  const pieces: string[] = [];
  for await (const piece of api.askQuestion(question)) {
    pieces.push(piece);
  }
  assert.ok(pieces.length > 1, "it came in one piece");
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
  const film = (await api.GET("/films/{film_id}", { params: { path: { film_id: 1 } } })).data;
  const { data, response } = await api.POST("/ai/summary", { body: { film_id: 1 } });
  assert.equal(data.title, film.title);
  assert.equal(data.rating, film.rating);
  assert.equal(typeof data.recommended, "boolean");
  assert.notEqual(response.headers.get("X-AI-Model"), null);
});

test("a wrong token is a typed error", { skip }, async () => {
  const stranger = createClient({ baseUrl, token: "wrong" });
  await assert.rejects(
    stranger.GET("/customers/{customer_id}/rentals/{rental_id}", { params: { path: { customer_id: 1, rental_id: 1 } } }),
    (error) => error instanceof ProblemError && error.status === 401 && error.code === "invalid_token",
  );
});

test("bad input is a typed error that names the parameter", { skip }, async () => {
  await assert.rejects(api.GET("/films", { params: { query: { page: 0 } } }), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.status, 400);
    assert.equal(error.errors[0]?.parameter, "page");
    return true;
  });
});

test("a name and a password give a token", { skip }, async () => {
  const username = process.env["API_USERNAME"] ?? "staff";
  const password = process.env["API_PASSWORD"] ?? "dvd_admin";
  const stranger = createClient({ baseUrl });
  const { data } = await stranger.POST("/token", { body: { grant_type: "password", username, password } });
  assert.equal(data.access_token, token);
  await assert.rejects(
    stranger.POST("/token", { body: { grant_type: "password", username, password: "wrong" } }),
    (error) => error instanceof ProblemError && error.code === "invalid_credentials",
  );
});

test("everything that the contract has can be read as its types say", { skip }, async () => {
  assert.match((await api.GET("/ai/ask", { params: { query: { question } } })).data, /\w/);
  assert.match((await api.GET("/openapi.yaml")).data as string, /^openapi: /);
  assert.ok(Object.keys((await api.GET("/openapi.json")).data).includes("openapi"));
  assert.match((await api.GET("/docs")).data, /<html/);
  const asset = (name: string) => ({ params: { path: { asset: name } } });
  assert.match((await api.GET("/docs/{asset}", { ...asset("swagger-ui.css"), parseAs: "text" })).data, /swagger-ui/);
  const icon = (await api.GET("/docs/{asset}", asset("favicon-32x32.png"))).data;
  assert.deepEqual(new Uint8Array(await icon.arrayBuffer()).slice(1, 4), new TextEncoder().encode("PNG"));
  assert.equal((await api.GET("/healthz")).data.status, "ok");
  assert.equal((await api.GET("/readyz")).data.status, "ready");
  const { data } = await api.GET("/films/{film_id}", { params: { path: { film_id: 1 } }, parseAs: "text" });
  assert.match(data as string, /^\{/);
});
