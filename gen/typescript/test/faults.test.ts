// The client against servers, proxies and networks that fail, on real sockets.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { type RequestListener, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";

import {
  APIError,
  type Client,
  type ClientOptions,
  HTTPError,
  IncompleteAnswerError,
  NetworkError,
  ProblemError,
  TimeoutError,
  createClient,
} from "pagila-api-client";

import { type FaultServer, type Script, startServer } from "./server.js";

const testdata = new URL("../../../testdata/", import.meta.url);

type Cause = "network" | "timeout" | "http" | "problem" | "token_limit";

interface Want {
  kind: "ok" | "incomplete" | "rejected" | Cause;
  cause?: Cause;
  text?: string;
  status?: number;
  code?: string;
  request_id?: string;
  body?: string;
  length?: number;
  location?: string;
  retry_after?: number;
  retry_after_min?: number;
  rental?: number;
  subscription?: number;
  typescript?: Want;
}

/** A case of the table that the tests of all three SDKs read. The first lines of the table explain the members. */
interface Fault {
  name: string;
  call: "film" | "films" | "rent" | "rent_film" | "return" | "subscribe" | "subscribe_now" | "cancel" | "update" | "token" | "ask";
  timeout?: number | string;
  idle_timeout?: number | string;
  retries?: number;
  token?: string;
  responses: Script[];
  requests?: number;
  sent?: string[];
  not_sent?: string[];
  want: Want;
}

const calls: Record<Fault["call"], ((api: Client) => AsyncIterable<string>)[]> = {
  film: [
    async function* (api) {
      yield (await api.getFilm(1)).title;
    },
  ],
  films: [
    async function* (api) {
      yield (await all(api.listAllFilms())).map((film) => film.title).join();
    },
  ],
  rent: [
    async function* (api) {
      yield String((await api.createRental(1, { inventory_id: 1, staff_id: 1 })).rental_id);
    },
  ],
  rent_film: [
    async function* (api) {
      yield String((await api.createRental(1, { film_id: 1, store_id: 1, staff_id: 1 })).rental_id);
    },
  ],
  return: [
    async function* (api) {
      const rental = await api.returnRental(1, 16050);
      yield `${rental.rental_id} ${rental.late_fee}`;
    },
  ],
  subscribe: [
    async function* (api) {
      const request = { plan_name: "standard", start_date: "2026-11-26", end_date: "2027-11-25" } as const;
      yield String((await api.createSubscription(1, request)).subscription_id);
    },
  ],
  subscribe_now: [
    async function* (api) {
      yield String((await api.createSubscription(1, { plan_name: "standard" })).subscription_id);
    },
  ],
  cancel: [
    async function* (api) {
      yield String((await api.cancelSubscription(1, 7)).subscription_id);
    },
  ],
  update: [
    async function* (api) {
      yield (await api.updateFilm(1, { streaming_available: true }, { "If-Match": '"5f0c"' })).title;
    },
  ],
  token: [
    async function* (api) {
      yield (await api.createToken("so me", "a&b")).access_token;
    },
  ],
  ask: [
    (api) => api.askQuestion("x"),
    async function* (api) {
      for await (const event of api.askQuestionEvents("x")) {
        if (event.type === "delta") {
          yield event.text;
        }
      }
    },
  ],
};

const { cases } = JSON.parse(readFileSync(new URL("faults.json", testdata), "utf8")) as { cases: Fault[] };
for (const fault of cases) {
  test(fault.name, { timeout: 20_000 }, async (t) => {
    for (const call of calls[fault.call]) {
      const other = await startServer(t, []);
      const server = await startServer(t, fault.responses, other.url);
      const options: ClientOptions = { baseUrl: server.url, retries: fault.retries ?? 0, backoff: 1 };
      if (fault.timeout !== undefined) {
        options.timeout = milliseconds(fault.timeout);
      }
      if (fault.idle_timeout !== undefined) {
        options.idleTimeout = milliseconds(fault.idle_timeout);
      }
      if (fault.token !== undefined) {
        options.token = fault.token;
      }
      if (fault.want.kind === "rejected") {
        assert.throws(() => createClient(options), RangeError);
        continue;
      }
      let text = "";
      let error: unknown;
      try {
        for await (const chunk of call(createClient(options))) {
          text += chunk;
        }
      } catch (thrown) {
        error = thrown;
      }
      check(fault.want.typescript ?? fault.want, server, text, error);
      assert.equal(server.requests.length, fault.requests ?? server.requests.length);
      if (fault.call !== "films") {
        server.requests.forEach((request) => assert.equal(request, server.requests[0]));
      }
      fault.sent?.forEach((part) => assert.ok(server.requests[0]?.includes(part), `${server.requests[0]} has no ${part}`));
      fault.not_sent?.forEach((part) => assert.ok(!server.requests[0]?.includes(part), `${server.requests[0]} has ${part}`));
      assert.deepEqual(other.requests, []);
    }
  });
}

/** Converts a timeout of the table, which is in seconds, or above an hour in the SDK's own unit. */
function milliseconds(timeout: number | string): number {
  if (typeof timeout === "string") {
    return timeout === "nan" ? NaN : timeout.startsWith("-") ? -Infinity : Infinity;
  }
  return timeout > 3600 ? timeout : timeout * 1000;
}

function kindOf(error: unknown): Want["kind"] {
  if (error === undefined) {
    return "ok";
  }
  assert.ok(error instanceof APIError, String(error));
  const kinds = [
    [ProblemError, "problem"],
    [HTTPError, "http"],
    [TimeoutError, "timeout"],
    [IncompleteAnswerError, "incomplete"],
    [NetworkError, "network"],
  ] as const;
  return kinds.find(([kind]) => error instanceof kind)?.[1] ?? assert.fail(error.name);
}

function check(want: Want, server: FaultServer, text: string, error: unknown): void {
  assert.equal(kindOf(error), want.kind, String(error));
  assert.equal(text, want.text ?? text);
  if (error instanceof IncompleteAnswerError) {
    assert.equal(error.text, text);
    assert.equal(error.cause === undefined ? "token_limit" : kindOf(error.cause), want.cause, String(error));
    error = error.cause;
  }
  if (!(error instanceof HTTPError)) {
    return;
  }
  assert.equal(error.status, want.status);
  const problem = error instanceof ProblemError ? error : undefined;
  assert.equal(problem?.code, want.code);
  assert.equal(problem?.rental?.rental_id, want.rental);
  assert.equal(problem?.subscription?.subscription_id, want.subscription);
  assert.equal(error.requestId, want.request_id ?? error.requestId);
  assert.equal(error.body, want.body ?? error.body);
  assert.equal(error.body.length, want.length ?? error.body.length);
  assert.equal(error.location, server.expand(want.location ?? error.location));
  assert.equal(error.retryAfter, (want.retry_after ?? error.retryAfter / 1000) * 1000);
  assert.ok(error.retryAfter >= (want.retry_after_min ?? 0) * 1000);
}

const problem = {
  type: "about:blank",
  title: "Service Unavailable",
  status: 503,
  detail: "The database cannot be used just now.",
  instance: "/films",
  code: "database_unavailable",
  request_id: "01a2b3c4d5e6f708",
};

/** Starts a server for the duration of the test and creates its client. */
async function startClient(t: TestContext, listener: RequestListener, options: Partial<ClientOptions> = {}) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return createClient({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ...options });
}

function sendJSON(response: ServerResponse, status: number, body: unknown, headers = {}) {
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "Content-Type": type, ...headers }).end(JSON.stringify(body));
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) {
    list.push(value);
  }
  return list;
}

test("errors keep their members in JSON and their message in structuredClone", () => {
  const details = { contentType: "text/html", retryAfter: 7000, location: "/login" };
  const errors = [
    new NetworkError("the connection failed", { cause: new TypeError("fetch failed") }),
    new TimeoutError("no response"),
    new IncompleteAnswerError("half an ", new ProblemError(problem, "{…}")),
    new HTTPError("a page", 302, "<html>", "r1", details),
    new ProblemError({ ...problem, errors: [{ detail: "wrong", pointer: "#/a" }] }, "{…}", 503, details),
  ];
  const [network, , incomplete, , refusal] = errors.map((error) => {
    assert.ok(error instanceof APIError && error instanceof Error);
    const json = JSON.parse(JSON.stringify(error));
    assert.deepEqual(structuredClone(error.toJSON()), error.toJSON());
    assert.equal(json.name, error.name);
    assert.equal(json.message, error.message);
    const clone = structuredClone(error);
    assert.ok(clone instanceof Error);
    assert.deepEqual([clone.message, clone.stack], [error.message, error.stack]);
    return json;
  });
  assert.deepEqual(network, { name: "NetworkError", message: "the connection failed", cause: "TypeError: fetch failed" });
  assert.deepEqual([incomplete.text, incomplete.cause.code], ["half an ", "database_unavailable"]);
  const { code, detail, status, requestId, body, contentType, retryAfter, location } = refusal;
  assert.deepEqual([code, detail, status, requestId, body], ["database_unavailable", problem.detail, 503, problem.request_id, "{…}"]);
  assert.deepEqual({ contentType, retryAfter, location }, details);
  assert.deepEqual(refusal.errors, [{ detail: "wrong", pointer: "#/a" }]);
});

/** An operation of the contract with the contract's examples as its arguments. All three SDKs test the same list. */
interface ListedOperation {
  id: string;
  method: string;
  path: string;
  path_params: (string | number)[];
  params: Record<string, unknown>;
  body: Record<string, unknown>;
}

/** The operations whose methods are written by hand. */
const handwritten: Record<string, (api: Client) => Promise<unknown>> = {
  askQuestion: (api) => all(api.askQuestion("Which short comedies are rated PG?")),
  createToken: (api) => api.createToken("a", "b"),
};

const isEmpty = (object: object) => Object.keys(object).length === 0;

for (const { id, method, path, path_params, params, body } of JSON.parse(readFileSync(new URL("operations.json", testdata), "utf8")) as ListedOperation[]) {
  test(`the operation ${id} has a method that sends its request`, async (t) => {
    const server = await startServer(t, [{ head: ["HTTP/1.1 418 X"], body: [] }]);
    const api = createClient({ baseUrl: server.url, retries: 0 });
    const call = (api as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>)[id] ?? assert.fail("there is no method");
    const given = [...path_params, ...[body, params].filter((object) => !isEmpty(object))];
    await assert.rejects(handwritten[id]?.(api) ?? call(...given), HTTPError);
    const [line = "", ...rest] = (server.requests[0] ?? "").split("\n");
    const [sent, target = ""] = line.split(" ");
    const { pathname, searchParams } = new URL(target, server.url);
    let i = 0;
    assert.deepEqual([sent, pathname], [method, path.replace(/\{\w+\}/g, () => encodeURIComponent(path_params[i++]!))]);
    for (const [name, value] of Object.entries(params)) {
      assert.ok(searchParams.getAll(name).join() === String(value) || rest.includes(`${name.toLowerCase()}: ${value}`), `${line} has no ${name}`);
    }
    if (!isEmpty(body)) {
      assert.deepEqual(JSON.parse(rest.at(-1) ?? ""), body);
    }
  });
}

test("a path parameter that would change the path is rejected", async () => {
  const api = createClient({ baseUrl: "http://localhost:1" });
  for (const value of ["", ".", "..", undefined, null]) {
    await assert.rejects(api.getFilm(value as unknown as number), RangeError);
  }
});

test("parameters without a value are omitted, and lists are repeated", async (t) => {
  const server = await startServer(t, [{ head: ["HTTP/1.1 418 X"], body: [] }]);
  const params = { page: undefined, page_size: null, category: ["A & B", "C"] } as object;
  await assert.rejects(createClient({ baseUrl: `${server.url}/prefix/`, retries: 0 }).listFilms(params), HTTPError);
  assert.match(server.requests[0] ?? "", /^GET \/prefix\/films\?category=A\+%26\+B&category=C HTTP/);
});

const done = '{"finish_reason":"stop","model":"offline","usage":{"prompt_tokens":1,"completion_tokens":2}}';

test("events are typed, and unknown events are skipped", async (t) => {
  const api = await startClient(t, (_, response) =>
    response.writeHead(200, { "Content-Type": "text/event-stream" }).end(
    ": keep-alive\n\n" +
      'event: tool\ndata: {"name":"listFilms","arguments":{"q":"dino"},"status":200,"films":1,"duration_ms":3}\n\n' +
      'event: sources\ndata: {"films":[{"film_id":1,"title":"ACADEMY DINOSAUR"}],"total":1}\n\n' +
      'event: delta\r\ndata: {"text":\r\ndata: "é"}\r\n\r\n' +
      "event: later\rdata: 1\r\r" +
      `id: 3\nevent: done\ndata: ${done}\n\n`,
    ),
  );
  assert.deepEqual(await all(api.askQuestionEvents("?")), [
    { type: "tool", name: "listFilms", arguments: { q: "dino" }, status: 200, films: 1, duration_ms: 3 },
    { type: "sources", films: [{ film_id: 1, title: "ACADEMY DINOSAUR" }], total: 1 },
    { type: "delta", text: "é" },
    { type: "done", ...JSON.parse(done) },
  ]);
});

test("break and abort both close the connection", async (t) => {
  let closed = Promise.resolve();
  const api = await startClient(t, (_, response) => {
    closed = new Promise((resolve) => response.once("close", resolve));
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write('event: delta\ndata: {"text":"A"}\n\n');
  });
  for await (const event of api.askQuestionEvents("?")) {
    assert.equal(event.type, "delta");
    break;
  }
  await closed;

  const controller = new AbortController();
  await assert.rejects(
    async () => {
      for await (const _ of api.askQuestionEvents("?", { signal: controller.signal })) {
        controller.abort();
      }
    },
    { name: "AbortError" },
  );
  await closed;
});

test("an abort ends the pause before a retry", { timeout: 10_000 }, async (t) => {
  const controller = new AbortController();
  const api = await startClient(t, (_, response) => {
    sendJSON(response, 503, problem, { "Retry-After": "20" });
    response.once("close", () => setImmediate(() => controller.abort()));
  });
  await assert.rejects(api.listFilms({}, { signal: controller.signal }), { name: "AbortError" });
});

test("a client sends the server's bookmark back, with which it reads its own writes", async (t) => {
  const cookies: (string | undefined)[] = [];
  const client = await startClient(t, (request, response) => {
    cookies.push(request.headers.cookie);
    const set = cookies.length === 1 ? { "Set-Cookie": "pagila_bookmark=position; Path=/; Max-Age=60; HttpOnly; SameSite=Lax" } : {};
    sendJSON(response, 404, {}, set);
  });
  for (let i = 0; i < 3; i++) {
    await assert.rejects(client.getFilm(1), HTTPError);
  }
  assert.deepEqual(cookies, [undefined, "pagila_bookmark=position", "pagila_bookmark=position"]);
});

test("a client keeps the later bookmark of two writes in flight, whichever response arrives last", async (t) => {
  const cookies: (string | undefined)[] = [];
  const gate = new EventEmitter();
  const client = await startClient(t, async (request, response) => {
    cookies.push(request.headers.cookie);
    const first = request.url === "/films/1";
    if (first) {
      const released = once(gate, "released");
      gate.emit("begun");
      await released;
    }
    sendJSON(response, 404, {}, { "Set-Cookie": `pagila_bookmark=${first ? "A" : "B"}; Path=/; Max-Age=60` });
  });
  const begun = once(gate, "begun");
  const first = assert.rejects(client.getFilm(1), HTTPError);
  await begun;
  await assert.rejects(client.getFilm(2), HTTPError);
  gate.emit("released");
  await first;
  await assert.rejects(client.getFilm(3), HTTPError);
  assert.deepEqual(cookies, [undefined, undefined, "pagila_bookmark=B"]);
});

test("a client works where a response has no getSetCookie, as in older browsers", async () => {
  const fetch = async () => {
    const response = Response.json({ status: "ok" });
    Object.defineProperty(response.headers, "getSetCookie", { value: undefined });
    return response;
  };
  assert.equal((await createClient({ baseUrl: "http://localhost", fetch }).getHealth()).status, "ok");
});
