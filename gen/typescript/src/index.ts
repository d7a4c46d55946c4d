/**
 * A typed client of the Pagila API, for Node 20 and browsers.
 *
 * operations.ts and schema.ts are generated from the contract: the methods, their parameters and results.
 * What a contract cannot say is written by hand: errors, time-outs, retries and streams.
 */
import { type AskEvent, askEventsOf } from "./ask.js";
import { textOf } from "./events.js";
import { type Arguments, type OperationID, argumentsOf, eventStream, requestOf, wantedEvents, wantedJSON } from "./operation.js";
import { type CallOptions, type Operation, type Operations, table } from "./operations.js";
import type { components } from "./schema.js";
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
export { type CallOptions, type Operations, version } from "./operations.js";
export type { components, operations, paths } from "./schema.js";

/** The contract's schemas by their names, such as `Schemas["Film"]`. */
export type Schemas = components["schemas"];

/** How a client is set up. */
export interface ClientOptions {
  /** Where the API is, such as `https://pagila.example.com`. */
  baseUrl: string;
  /** The bearer token. Without one, only the open operations answer. `createToken` gives one for a name and a password. */
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
   * default. A POST is never sent twice, and nothing is tried again after a time-out.
   */
  retries?: number;
  /** Used instead of the global fetch. */
  fetch?: typeof globalThis.fetch;
}

/** A client of the Pagila API. Each operation of the contract is a method with its name. */
export interface Client extends Operations {
  /**
   * The answer to a question, as it is written. Throws when it breaks off or reaches the model's token
   * limit: an answer that ends without an error is whole.
   */
  askQuestion(question: string, options?: CallOptions): AsyncGenerator<string, void, undefined>;
  /** The answer as events: pieces of text, the films it was given from, and `done` at the end. */
  askQuestionEvents(question: string, options?: CallOptions): AsyncGenerator<AskEvent, void, undefined>;
  /** Logs in with a name and a password. The token is for a client of its own. */
  createToken(username: string, password: string, options?: CallOptions): Promise<Schemas["Token"]>;
}

/**
 * Makes a client. It keeps no connection and need not be closed. Throws a RangeError for a time-out,
 * retries or a token that cannot be used.
 */
export function createClient(options: ClientOptions): Client {
  const server = { baseUrl: options.baseUrl, token: options.token ?? "" };
  const transport: TransportOptions = {
    fetch: options.fetch ?? ((request, init) => globalThis.fetch(request, init)),
    timeout: options.timeout ?? 130_000,
    idleTimeout: options.idleTimeout ?? 60_000,
    retries: options.retries ?? 2,
  };
  check(transport, server.token);

  async function call(id: OperationID, given: Arguments): Promise<unknown> {
    const response = await send(requestOf(id, server, given, "application/json"), wantedJSON(id), transport);
    const text = await response.text();
    return text === "" ? undefined : JSON.parse(text);
  }

  // Always as events: of plain text, an old proxy could make a broken answer look whole.
  async function* askQuestionEvents(question: string, options: CallOptions = {}) {
    const request = requestOf("askQuestion", server, { params: { question }, options }, eventStream);
    const { body } = await send(request, wantedEvents, transport);
    yield* askEventsOf(textOf(body ?? new ReadableStream({ start: (controller) => controller.close() })));
  }

  return {
    ...methodsOf(call),
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

/** The methods of the table, which the types of Operations describe. */
function methodsOf(call: Call): Operations {
  const methods: Record<string, (...given: unknown[]) => unknown> = {};
  for (const [name, { pages }] of Object.entries<Operation>(table)) {
    const id = name as OperationID;
    methods[id] = async (...given) => call(id, argumentsOf(id, given));
    if (pages) {
      methods[pages.name] = (...given) => allPages(call, id, argumentsOf(id, given), pages.size);
    }
  }
  return methods as unknown as Operations;
}

/** The items of page after page. */
async function* allPages(call: Call, id: OperationID, given: Arguments, most: number): AsyncGenerator<unknown, void, undefined> {
  const params = { page_size: most, ...given.params };
  for (let page = Number(given.params?.["page"] ?? 1); ; page++) {
    const found = (await call(id, { ...given, params: { ...params, page } })) as { items: unknown[]; page_size: number; total: number };
    yield* found.items;
    if (found.items.length === 0 || page * found.page_size >= found.total) {
      return;
    }
  }
}

function check({ timeout, idleTimeout, retries }: TransportOptions, token: string): void {
  for (const limit of [timeout, idleTimeout]) {
    if (!(limit >= 0)) {
      throw new RangeError(`a time-out of ${limit} ms: it must be 0, for no limit, or more`);
    }
  }
  if (!(retries >= 0)) {
    throw new RangeError(`${retries} retries: the number must not be negative`);
  }
  if (!/^[!-~]*$/.test(token)) {
    throw new RangeError("the token contains a character that is not allowed: a space, a control character or one beyond ASCII");
  }
}
