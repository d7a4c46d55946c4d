/**
 * A typed client of the Pagila API, for Node 20 and browsers.
 *
 * schema.ts is generated from the contract and types every path, parameter and answer. The rest
 * is written by hand: what a contract cannot say, such as errors, time-outs, retries and streams.
 */
import createFetchClient, {
  type Client as FetchClient,
  type ClientPathsWithMethod,
  type MaybeOptionalInit,
  type MethodResponse,
} from "openapi-fetch";

import { type AskEvent, askEventsOf } from "./ask.js";
import { HTTPError, errorOf } from "./errors.js";
import { textOf } from "./events.js";
import type { components, paths } from "./schema.js";
import { type TransportOptions, send } from "./transport.js";

export type { AskEvent } from "./ask.js";
export * from "./errors.js";
export type { components, operations, paths } from "./schema.js";

/** A film of the catalogue. */
export type Film = components["schemas"]["Film"];

/** How a client is set up. */
export interface ClientOptions {
  /** Where the API is, such as `https://pagila.example.com`. */
  baseUrl: string;
  /** The bearer token. Without one, only the open operations answer. */
  token?: string;
  /**
   * Milliseconds that one attempt may take: 130,000 by default, since the server gives its language
   * model 120,000. For a stream it is the time until
   * its head, and then the longest silence between two pieces.
   */
  timeout?: number;
  /**
   * How often a GET or HEAD is tried again after a network error, 429, 502, 503 or 504: 2 by
   * default. Nothing else is ever sent twice, and neither is what timed out.
   */
  retries?: number;
  /** Used instead of the global fetch. */
  fetch?: typeof globalThis.fetch;
}

/** Stops a call. */
export interface Abortable {
  signal?: AbortSignal;
}

type Method = "get" | "head" | "post" | "put" | "patch" | "delete";

/** Calls an operation by its path. Resolves when the answer is a success, and throws otherwise. */
export type Call<M extends Method> = <
  P extends ClientPathsWithMethod<FetchClient<paths>, M>,
  I extends MaybeOptionalInit<paths[P], M>,
>(
  path: P,
  ...init: undefined extends I ? [init?: I] : [init: I]
) => Promise<{ data: MethodResponse<FetchClient<paths>, M, P, I>; response: Response }>;

/** A client of the Pagila API. Each method of HTTP calls any operation of the contract that has it. */
export type Client = { [M in Method as Uppercase<M>]: Call<M> } & {
  /** All films, or all of a category, page after page. `pageSize` is at most 100, the default. */
  listAllFilms(options?: Abortable & { category?: string; pageSize?: number }): AsyncGenerator<Film, void, undefined>;
  /** The answer to a question, as it is written. Throws when it breaks off: no end is a false end. */
  askQuestion(question: string, options?: Abortable): AsyncGenerator<string, void, undefined>;
  /** The answer as events: pieces of text, the films it was given from, and `done` at the end. */
  askQuestionEvents(question: string, options?: Abortable): AsyncGenerator<AskEvent, void, undefined>;
};

/** Makes a client. It keeps no connection and need not be closed. */
export function createClient(options: ClientOptions): Client {
  const transport: TransportOptions = {
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    timeout: options.timeout ?? 130_000,
    retries: options.retries ?? 2,
  };
  const fetchClient = createFetchClient<paths>({
    baseUrl: options.baseUrl,
    headers: options.token === undefined ? {} : { Authorization: `Bearer ${options.token}` },
  });
  fetchClient.use({
    // Instead of a fetch of its own: here it is known what the body is wanted as.
    onRequest: ({ request, options: { parseAs } }) =>
      send(request, parseAs === "json" || parseAs === "stream" ? parseAs : "whole", transport),
  });
  // An answer that is no success has been thrown, so that the type needs no error beside the data.
  const calls = fetchClient as unknown as Client;

  // Always as events: of plain text, an old proxy could make a broken answer look whole.
  async function* events(question: string, signal: AbortSignal | undefined) {
    const accept = "text/event-stream";
    const { data, response } = await calls.GET("/ai/ask", {
      params: { query: { question } },
      headers: { Accept: accept },
      parseAs: "stream",
      ...(signal && { signal }),
    });
    if (!response.headers.get("Content-Type")?.startsWith(accept)) {
      throw await errorOf(response);
    }
    yield* askEventsOf(textOf(data));
  }

  return {
    ...calls,
    async *listAllFilms({ category, pageSize = 100, signal } = {}) {
      for (let page = 1; ; page++) {
        const { data, response } = await calls.GET("/films", {
          params: { query: { page, page_size: pageSize, ...(category !== undefined && { category }) } },
          ...(signal && { signal }),
        });
        if (!Array.isArray(data?.items)) {
          throw new HTTPError("not a page of films", response.status, JSON.stringify(data), undefined);
        }
        yield* data.items;
        if (data.items.length === 0 || page * data.page_size >= data.total) {
          return;
        }
      }
    },
    async *askQuestion(question, { signal } = {}) {
      for await (const event of events(question, signal)) {
        if (event.type === "delta") {
          yield event.text;
        }
      }
    },
    askQuestionEvents: (question, { signal } = {}) => events(question, signal),
  };
}
