// What a server in trouble, or a proxy in front of it, does to the client.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type RequestListener, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";

import { type ClientOptions, HTTPError, NetworkError, ProblemError, TimeoutError, createClient } from "pagila-api-client";

const html = "<html><h1>502 Bad Gateway</h1></html>";
const problem = {
  type: "about:blank",
  title: "Service Unavailable",
  status: 503,
  detail: "The database cannot be used just now.",
  instance: "/films",
  code: "database_unavailable",
  request_id: "01a2b3c4d5e6f708",
};
const emptyPage = { items: [], page: 1, page_size: 20, total: 0 };

/** A client of a server that answers so, both gone at the end of the test. */
async function clientOf(t: TestContext, answer: RequestListener, options: Partial<ClientOptions> = {}) {
  const server = createServer(answer).listen(0, "127.0.0.1");
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

async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) {
    text += piece;
  }
  return text;
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) {
    list.push(value);
  }
  return list;
}

function isBadGateway(error: unknown): boolean {
  assert.ok(error instanceof HTTPError);
  assert.ok(!(error instanceof ProblemError));
  assert.equal(error.status, 502);
  assert.equal(error.body, html);
  return true;
}

test("a proxy's 502 in HTML keeps its status and body", async (t) => {
  const api = await clientOf(t, (_, response) => response.writeHead(502, { "Content-Type": "text/html" }).end(html), {
    retries: 0,
  });
  await assert.rejects(api.GET("/films"), isBadGateway);
  await assert.rejects(api.POST("/ai/summary", { body: { film_id: 1 } }), isBadGateway);
  await assert.rejects(textOf(api.askQuestion("?")), isBadGateway);
  await assert.rejects(all(api.askQuestionEvents("?")), isBadGateway);
});

test("a proxy's 200 in HTML is an error too", async (t) => {
  const api = await clientOf(t, (_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end(html));
  for (const call of [api.GET("/films"), textOf(api.askQuestion("?")), all(api.askQuestionEvents("?"))]) {
    await assert.rejects(call, (error) => error instanceof HTTPError && error.status === 200 && error.body === html);
  }
});

for (const status of [429, 502, 503, 504]) {
  test(`a GET is tried again after ${status}`, async (t) => {
    let requests = 0;
    const api = await clientOf(t, (_, response) => {
      requests++;
      if (requests < 3) {
        sendJSON(response, status, { ...problem, status }, { "Retry-After": "0" });
      } else {
        sendJSON(response, 200, emptyPage);
      }
    });
    const { data } = await api.GET("/films");
    assert.deepEqual(data, emptyPage);
    assert.equal(requests, 3);
  });
}

test("a GET is tried again after a broken connection, and then the error is typed", async (t) => {
  let requests = 0;
  const api = await clientOf(
    t,
    (request) => {
      requests++;
      request.socket.destroy();
    },
    { retries: 1 },
  );
  await assert.rejects(api.GET("/films"), NetworkError);
  assert.equal(requests, 2);
});

test("a body that breaks off is a network error", async (t) => {
  const api = await clientOf(
    t,
    (_, response) => {
      response.writeHead(200, { "Content-Type": "application/json", "Content-Length": 1000 });
      response.write('{"items":', () => response.destroy());
    },
    { retries: 0 },
  );
  await assert.rejects(api.GET("/films"), NetworkError);
});

test("when the retries are used up, the last problem is thrown", async (t) => {
  let requests = 0;
  const api = await clientOf(t, (_, response) => {
    requests++;
    sendJSON(response, 503, problem, { "Retry-After": "0" });
  });
  await assert.rejects(api.GET("/films"), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.code, "database_unavailable");
    assert.equal(error.requestId, "01a2b3c4d5e6f708");
    assert.deepEqual(error.problem, problem);
    return true;
  });
  assert.equal(requests, 3);
});

test("Retry-After is waited for, and beyond the longest wait the caller decides", async (t) => {
  let requests = 0;
  let first = 0;
  let pause = 0;
  let retryAfter = "1";
  const api = await clientOf(t, (_, response) => {
    requests++;
    if (requests === 1) {
      first = performance.now();
      sendJSON(response, 429, { ...problem, status: 429 }, { "Retry-After": retryAfter });
    } else {
      pause = performance.now() - first;
      sendJSON(response, 200, emptyPage);
    }
  });
  await api.GET("/films");
  assert.ok(pause > 900, `it waited ${pause} ms`);

  requests = 0;
  retryAfter = "3600";
  await assert.rejects(api.GET("/films"), ProblemError);
  assert.equal(requests, 1);
});

test("a 404 is not tried again, and a POST never is", async (t) => {
  let requests = 0;
  let fault: RequestListener = (_, response) => sendJSON(response, 503, problem, { "Retry-After": "0" });
  const api = await clientOf(t, (request, response) => {
    requests++;
    fault(request, response);
  });
  const rent = () => api.POST("/customers/{customer_id}/rentals", { params: { path: { customer_id: 1 } }, body: { inventory_id: 1, staff_id: 1 } });
  await assert.rejects(rent(), ProblemError);
  assert.equal(requests, 1);

  fault = (request) => request.socket.destroy();
  await assert.rejects(rent(), NetworkError);
  assert.equal(requests, 2);

  fault = (_, response) => sendJSON(response, 404, { ...problem, status: 404, code: "film_not_found" });
  await assert.rejects(api.GET("/films/{film_id}", { params: { path: { film_id: 1 } } }), ProblemError);
  assert.equal(requests, 3);
});

test("the token and the body are sent", async (t) => {
  const api = await clientOf(
    t,
    (request, response) => {
      assert.equal(request.headers.authorization, "Bearer secret");
      request.setEncoding("utf8").once("data", (body) => {
        assert.deepEqual(JSON.parse(body), { film_id: 7 });
        sendJSON(response, 200, { title: "T", rating: "PG", recommended: false });
      });
    },
    { token: "secret" },
  );
  const { data } = await api.POST("/ai/summary", { body: { film_id: 7 } });
  assert.equal(data.title, "T");
});

test("silence before the head is a time-out, and is not tried again", async (t) => {
  let requests = 0;
  const api = await clientOf(t, () => requests++, { timeout: 500 });
  await assert.rejects(api.GET("/films"), TimeoutError);
  await assert.rejects(textOf(api.askQuestion("?")), TimeoutError);
  assert.equal(requests, 2);
});

test("silence in the middle of an answer is a time-out", async (t) => {
  const api = await clientOf(
    t,
    (_, response) => response.writeHead(200, { "Content-Type": "text/event-stream" }).write(delta("ACADEMY ")),
    { timeout: 500 },
  );
  const pieces: string[] = [];
  await assert.rejects(async () => {
    for await (const piece of api.askQuestion("?")) {
      pieces.push(piece);
    }
  }, TimeoutError);
  assert.deepEqual(pieces, ["ACADEMY "]);
});

test("an answer that breaks off is a network error, after the text that came", async (t) => {
  const api = await clientOf(t, (_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(delta("ACADEMY "), () => setImmediate(() => response.destroy()));
  });
  await assert.rejects(textOf(api.askQuestion("?")), NetworkError);
});

/** Answers with a text in pieces of one byte, which a socket might join again. */
function bytewise(type: string, text: string): Partial<ClientOptions> {
  const body = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of new TextEncoder().encode(text)) {
          controller.enqueue(Uint8Array.of(byte));
        }
        controller.close();
      },
    });
  return { fetch: async () => new Response(body(), { headers: { "Content-Type": type } }) };
}

test("a character that two pieces share stays whole", async () => {
  const text = "Amélie 😀 ends";
  const api = clientOfEvents(`${delta(text)}event: done\ndata: ${done}\n\n`);
  assert.equal(await textOf(api.askQuestion("?")), text);
});

function delta(text: string): string {
  return `event: delta\ndata: ${JSON.stringify({ text })}\n\n`;
}

function clientOfEvents(text: string) {
  return createClient({ baseUrl: "http://localhost", ...bytewise("text/event-stream", text) });
}

const done = '{"finish_reason":"stop","model":"offline","usage":{"prompt_tokens":1,"completion_tokens":2}}';

test("events are typed, and unknown ones left out", async () => {
  const api = clientOfEvents(
    ": keep-alive\n\n" +
      'event: sources\ndata: {"films":[{"film_id":1,"title":"ACADEMY DINOSAUR"}]}\n\n' +
      'event: delta\r\ndata: {"text":\r\ndata: "é"}\r\n\r\n' +
      "event: later\rdata: 1\r\r" +
      `id: 3\nevent: done\ndata: ${done}\n\n`,
  );
  assert.deepEqual(await all(api.askQuestionEvents("?")), [
    { type: "sources", films: [{ film_id: 1, title: "ACADEMY DINOSAUR" }] },
    { type: "delta", text: "é" },
    { type: "done", ...JSON.parse(done) },
  ]);
});

test("the event error is thrown as a problem", async () => {
  const document = { ...problem, status: 504, code: "llm_timeout" };
  const api = clientOfEvents(`event: delta\ndata: {"text":"A"}\n\nevent: error\ndata: ${JSON.stringify(document)}\n\n`);
  await assert.rejects(
    all(api.askQuestionEvents("?")),
    (error) => error instanceof ProblemError && error.code === "llm_timeout" && error.status === 504,
  );
});

for (const [name, text] of [
  ["without done", 'event: delta\ndata: {"text":"A"}\n\n'],
  ["within done", `event: delta\ndata: {"text":"A"}\n\nevent: done\ndata: ${done}\n`],
  ["before anything", ""],
] as const) {
  test(`a stream of events that ends ${name} is a network error`, async () => {
    const api = clientOfEvents(text);
    await assert.rejects(all(api.askQuestionEvents("?")), NetworkError);
  });
}

for (const body of ["{", "{}", "[]", "null", "1"]) {
  test(`an event with the data ${body} is a typed error`, async () => {
    const api = clientOfEvents(`event: delta\ndata: ${body}\n\n`);
    await assert.rejects(all(api.askQuestionEvents("?")), (error) => error instanceof HTTPError && error.body === body);
  });
}

for (const body of [null, { hello: 1 }]) {
  test(`a page of films that is ${JSON.stringify(body)} is a typed error`, async (t) => {
    const api = await clientOf(t, (_, response) => sendJSON(response, 200, body));
    await assert.rejects(all(api.listAllFilms()), HTTPError);
  });
}

test("break and abort both close the connection", async (t) => {
  let closed = Promise.resolve();
  const api = await clientOf(t, (_, response) => {
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

test("an abort ends the wait for a retry", { timeout: 10_000 }, async (t) => {
  const controller = new AbortController();
  const api = await clientOf(t, (_, response) => {
    sendJSON(response, 503, problem, { "Retry-After": "20" });
    response.once("close", () => setImmediate(() => controller.abort()));
  });
  await assert.rejects(api.GET("/films", { signal: controller.signal }), { name: "AbortError" });
});
