/**
 * A typed client of the Pagila API, for Node 20 and browsers.
 *
 * operations.ts, schema.ts and shapes.ts are generated from the contract: the methods, their parameters and
 * results. Errors, timeouts, retries and streams are written by hand.
 */
import { type AskEvent, askEventsOf } from "./ask.js";
import { textOf } from "./events.js";
import { type Arguments, type OperationID, argumentsOf, eventStream, requestOf, wantedEvents, wantedJSON } from "./operation.js";
import { type CallOptions, type Operation, type Operations, table } from "./operations.js";
import { type Page, allPages } from "./pages.js";
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
  /** The bearer token. Without one, only operations that need no token can be called. `createToken` gives one for a name and a password. */
  token?: string;
  /**
   * Milliseconds that one attempt may take, for a stream until its headers: 130,000 by default, since the
   * server allows its language model 120,000. 0, Infinity and more than 24 days mean no limit. The signal
   * of a call limits the entire call.
   */
  timeout?: number;
  /**
   * Milliseconds that a stream may be silent after its headers: 60,000 by default. 0, Infinity and more
   * than 24 days mean no limit.
   */
  idleTimeout?: number;
  /**
   * How often GET is retried after a network error, 429, 502, 503 or 504: 2 by default. POST is never
   * retried, nor is a call that timed out.
   */
  retries?: number;
  /** Used instead of the global fetch. */
  fetch?: typeof globalThis.fetch;
}

/** A client of the Pagila API. Each operation of the contract is a method with its name. */
export interface Client extends Operations {
  /**
   * Streams the answer to a question in chunks. Throws an IncompleteAnswerError if the answer breaks off or
   * reaches the model's token limit. If there is no error, the answer is complete.
   */
  askQuestion(question: string, options?: CallOptions): AsyncGenerator<string, void, undefined>;
  /** Streams the events of an answer: the films it is based on, the chunks, and `done` at the end. */
  askQuestionEvents(question: string, options?: CallOptions): AsyncGenerator<AskEvent, void, undefined>;
  /** Logs in with a name and a password. Create another client with the token. */
  createToken(username: string, password: string, options?: CallOptions): Promise<Schemas["Token"]>;
}

/**
 * Creates a client. It need not be closed. Throws a RangeError for an invalid timeout, number of retries or
 * token.
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

  // Always requests events, since a proxy can make a truncated plain-text response look complete.
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
      methods[pages.name] = (...given) => {
        const { params = {}, ...rest } = argumentsOf(id, given);
        return allPages(pages, params, (params) => call(id, { ...rest, params }) as Promise<Page>);
      };
    }
  }
  return methods as unknown as Operations;
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
