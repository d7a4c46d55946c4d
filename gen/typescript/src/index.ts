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
import { textOf } from "./events.js";
import { initOf, wantedOf } from "./operation.js";
import type { components, paths } from "./schema.js";
import { type TransportOptions, send } from "./transport.js";

export type { AskEvent } from "./ask.js";
export {
  APIError,
  HTTPError,
  IncompleteAnswerError,
  type InputError,
  NetworkError,
  type Problem,
  type ProblemCode,
  ProblemError,
  type ResponseDetails,
  TimeoutError,
} from "./errors.js";
export type { components, operations, paths } from "./schema.js";

/** A film of the catalogue. */
export type Film = components["schemas"]["Film"];

/** How a client is set up. */
export interface ClientOptions {
  /** Where the API is, such as `https://pagila.example.com`. */
  baseUrl: string;
  /**
   * The bearer token. Without one, only the open operations answer. `POST("/token")` gives one for a
   * name and a password.
   */
  token?: string;
  /**
   * Milliseconds that one attempt may take, for a stream until its head: 130,000 by default, since the
   * server gives its language model 120,000. 0 and Infinity are no limit, and so is more than 24 days.
   * The signal of a call limits it as a whole.
   */
  timeout?: number;
  /**
   * Milliseconds that a stream may be silent after its head: 60,000 by default. 0 and Infinity are no
   * limit, and so is more than 24 days.
   */
  idleTimeout?: number;
  /**
   * How often a GET is tried again after a network error, 429, 502, 503 or 504: 2 by
   * default. A POST is never sent twice, and nothing is after a time-out.
   */
  retries?: number;
  /** Used instead of the global fetch. */
  fetch?: typeof globalThis.fetch;
}

/** Stops a call. */
export interface Abortable {
  signal?: AbortSignal;
}

type Method = "get" | "post";

/** The options of a call. A file of the documentation may be an image, so that it is read as bytes. */
type Read<P, I> = P extends "/docs/{asset}" ? (I extends { parseAs: unknown } ? I : I & { parseAs: "blob" }) : I;

/** Calls an operation by its path. Resolves when the answer is a success, and throws otherwise. */
export type Call<M extends Method> = <
  P extends ClientPathsWithMethod<FetchClient<paths>, M>,
  I extends MaybeOptionalInit<paths[P], M>,
>(
  path: P,
  ...init: undefined extends I ? [init?: I] : [init: I]
) => Promise<{ data: MethodResponse<FetchClient<paths>, M, P, Read<P, I>>; response: Response }>;

/** A client of the Pagila API. Each method of HTTP calls any operation of the contract that has it. */
export type Client = { [M in Method as Uppercase<M>]: Call<M> } & {
  /** All films, or all of a category, page after page. `pageSize` is at most 100, the default. */
  listAllFilms(options?: Abortable & { category?: string; pageSize?: number }): AsyncGenerator<Film, void, undefined>;
  /**
   * The answer to a question, as it is written. Throws when it breaks off or reaches the model's token
   * limit: an answer that ends without an error is whole.
   */
  askQuestion(question: string, options?: Abortable): AsyncGenerator<string, void, undefined>;
  /** The answer as events: pieces of text, the films it was given from, and `done` at the end. */
  askQuestionEvents(question: string, options?: Abortable): AsyncGenerator<AskEvent, void, undefined>;
};

/**
 * Makes a client. It keeps no connection and need not be closed. Throws a RangeError for a time-out,
 * retries or a token that cannot be.
 */
export function createClient(options: ClientOptions): Client {
  const transport: TransportOptions = {
    fetch: options.fetch ?? ((request, init) => globalThis.fetch(request, init)),
    timeout: options.timeout ?? 130_000,
    idleTimeout: options.idleTimeout ?? 60_000,
    retries: options.retries ?? 2,
  };
  check(transport, options.token ?? "");
  const fetchClient = createFetchClient<paths>({
    baseUrl: options.baseUrl,
    fetch: transport.fetch,
    headers: options.token ? { Authorization: `Bearer ${options.token}` } : {},
  });
  fetchClient.use({
    // Instead of a fetch of its own: here it is known what the response has to be.
    onRequest: ({ request, schemaPath, options: { parseAs, fetch } }) =>
      send(request, wantedOf(request, schemaPath, parseAs), { ...transport, fetch: fetch as TransportOptions["fetch"] }),
  });
  // A response that is no success has been thrown, so that the type needs no error beside the data.
  const calls = Object.fromEntries(
    (["GET", "POST"] as const).map((method) => {
      const call = fetchClient[method] as (path: string, init: object) => Promise<unknown>;
      return [method, (path: string, init?: object) => call(path, initOf(path, init))];
    }),
  ) as unknown as { [M in Method as Uppercase<M>]: Call<M> };

  // Always as events: of plain text, an old proxy could make a broken answer look whole.
  async function* events(question: string, signal: AbortSignal | undefined) {
    const { data } = await calls.GET("/ai/ask", {
      params: { query: { question } },
      headers: { Accept: "text/event-stream" },
      parseAs: "stream",
      ...(signal && { signal }),
    });
    yield* askEventsOf(textOf(data));
  }

  return {
    ...calls,
    async *listAllFilms({ category, pageSize = 100, signal } = {}) {
      for (let page = 1; ; page++) {
        const { data } = await calls.GET("/films", {
          params: { query: { page, page_size: pageSize, ...(category !== undefined && { category }) } },
          ...(signal && { signal }),
        });
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

function check({ timeout, idleTimeout, retries }: TransportOptions, token: string): void {
  for (const limit of [timeout, idleTimeout]) {
    if (!(limit >= 0)) {
      throw new RangeError(`a time-out of ${limit} ms: it has to be 0, for none, or more`);
    }
  }
  if (!(retries >= 0)) {
    throw new RangeError(`${retries} retries: there cannot be fewer than 0`);
  }
  if (!/^[!-~]*$/.test(token)) {
    throw new RangeError("the token has a character that no token has: a space, a control character or one beyond ASCII");
  }
}
