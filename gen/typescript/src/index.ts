/**
 * A typed client of the Pagila API, for Node.js 20 and browsers.
 *
 * operations.ts, schema.ts and shapes.ts are generated from the contract: the methods, their parameters and
 * results. Errors, timeouts, retries and streams are written by hand.
 */
import { type AskEvent, askEventsOf } from "./ask.js";
import { textOf } from "./events.js";
import { type Arguments, type OperationID, buildRequest, eventStream, expectEvents, expectJSON, parseBody, splitArguments } from "./operation.js";
import { type CallOptions, type Operation, type Operations, table } from "./operations.js";
import { type Page, allPages } from "./pages.js";
import type { components } from "./schema.js";
import { type TransportOptions, send, withBookmark } from "./transport.js";

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
export { type CallOptions, type Operations, version } from "./operations.js";
export type { components, operations, paths } from "./schema.js";

/** The contract's schemas by their names, such as `Schemas["Film"]`. */
export type Schemas = components["schemas"];

/** The options of a client. */
export interface ClientOptions {
  /** The URL of the server, such as `https://pagila.example.com`. It may have a path. */
  baseUrl: string;
  /**
   * The bearer token. Without one, only operations that need no token can be called. `createToken` returns one
   * for a username and a password.
   */
  token?: string;
  /**
   * How many milliseconds an attempt may take, for a stream until its headers. The default is 130,000, because
   * the server allows its language model 120,000. 0, Infinity and more than 24 days mean no limit. The signal
   * of a call limits the entire call.
   */
  timeout?: number;
  /**
   * How many milliseconds a stream may be silent after its headers. The default is 60,000. 0, Infinity and
   * more than 24 days mean no limit.
   */
  idleTimeout?: number;
  /**
   * How often GET and HEAD are retried after a network error, 429, 502, 503 or 504. The default is 2.
   * `createRental`, `returnRental`, `createSubscription` and `cancelSubscription` are retried too, and also after a
   * timeout. If the server carried out the request before, they return its result. Other writes are never retried,
   * nor is a read that timed out.
   */
  retries?: number;
  /**
   * The pause before the first retry, in milliseconds. The default is 200. Each further pause is twice as long,
   * up to 5,000, and all are shortened at random by up to a half.
   */
  backoff?: number;
  /** Replaces the global fetch. */
  fetch?: typeof globalThis.fetch;
}

/** A client of the Pagila API. Each operation of the contract is a method of the same name. */
export interface Client extends Operations {
  /**
   * Streams the answer to a question in chunks. Throws an IncompleteAnswerError if the answer breaks off or
   * reaches the model's token limit. If there is no error, the answer is complete.
   */
  askQuestion(question: string, options?: CallOptions): AsyncGenerator<string, void, undefined>;
  /** Streams the events of an answer: the films that it is based on, the chunks, and `done` at the end. */
  askQuestionEvents(question: string, options?: CallOptions): AsyncGenerator<AskEvent, void, undefined>;
  /** Logs in with a username and a password. Create another client with the token. */
  createToken(username: string, password: string, options?: CallOptions): Promise<Schemas["Token"]>;
}

/** Creates a client. It need not be closed. Throws a RangeError for an invalid option. */
export function createClient(options: ClientOptions): Client {
  const server = { baseUrl: options.baseUrl, token: options.token ?? "" };
  const transport: TransportOptions = {
    fetch: withBookmark(options.fetch ?? ((request, init) => globalThis.fetch(request, init))),
    timeout: options.timeout ?? 130_000,
    idleTimeout: options.idleTimeout ?? 60_000,
    retries: options.retries ?? 2,
    backoff: options.backoff ?? 200,
  };
  check(transport, server.token);

  async function call(id: OperationID, given: Arguments): Promise<unknown> {
    const response = await send(buildRequest(id, server, given, "application/json"), expectJSON(id, given.body), transport);
    return parseBody(id, response.status, await response.text());
  }

  // Always requests events, because a proxy can make a truncated plain-text response look complete.
  async function* askQuestionEvents(question: string, options: CallOptions = {}) {
    const request = buildRequest("askQuestion", server, { params: { question }, options }, eventStream);
    const { body } = await send(request, expectEvents, transport);
    yield* askEventsOf(textOf(body ?? new ReadableStream({ start: (controller) => controller.close() })));
  }

  return {
    ...createMethods(call),
    askQuestionEvents,
    async *askQuestion(question, options) {
      for await (const event of askQuestionEvents(question, options)) {
        if (event.type === "delta") {
          yield event.text;
        }
      }
    },
    createToken: (username, password, options = {}) =>
      call("createToken", { body: new URLSearchParams({ grant_type: "password", username, password }), options }) as Promise<Schemas["Token"]>,
  };
}

type Call = (id: OperationID, given: Arguments) => Promise<unknown>;

/** Creates the methods of the operations in the table. */
function createMethods(call: Call): Operations {
  const methods: Record<string, (...given: unknown[]) => unknown> = {};
  for (const [name, { pages }] of Object.entries<Operation>(table)) {
    const id = name as OperationID;
    methods[id] = async (...given) => call(id, splitArguments(id, given));
    if (pages) {
      methods[pages.name] = (...given) => {
        const { params = {}, ...rest } = splitArguments(id, given);
        return allPages(pages, params, (params) => call(id, { ...rest, params }) as Promise<Page>);
      };
    }
  }
  return methods as unknown as Operations;
}

function check({ timeout, idleTimeout, retries, backoff }: TransportOptions, token: string): void {
  for (const limit of [timeout, idleTimeout]) {
    if (!(limit >= 0)) {
      throw new RangeError(`a timeout of ${limit} ms: it must not be negative`);
    }
  }
  if (!(retries >= 0)) {
    throw new RangeError(`${retries} retries: the number must not be negative`);
  }
  if (!(backoff > 0)) {
    throw new RangeError(`a backoff of ${backoff} ms: it must be positive`);
  }
  if (!/^[!-~]*$/.test(token)) {
    throw new RangeError("the token must contain only visible ASCII characters");
  }
}
