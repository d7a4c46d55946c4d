import { ProblemError, mediaTypeOf } from "./errors.js";
import { type CallOptions, type Operation, table, version } from "./operations.js";
import { isJSON } from "./shape.js";
import { shapes } from "./shapes.js";

export type OperationID = keyof typeof table;

/** How to recognize the response that the contract specifies for an operation. */
export interface Expected {
  /** Whether the body is streamed. */
  stream: boolean;
  /** Whether the contract has the status and the media type. A proxy's page is not a success, whatever its status. */
  isSuccess(response: Response): boolean;
  /** Whether the body is complete and has the contract's shape. */
  isComplete(text: string, response: Response): boolean;
  /** Whether a write may be repeated after any lost response. */
  repeatable: boolean;
  /** The result, if the error says that a repeated request was carried out before. Undefined for any other error. */
  repeatedResult(error: unknown): unknown;
}

/**
 * How the server responds to a request that it carried out before: with 409, this code, and the result in this member
 * of the problem document.
 */
export interface Repeat {
  code: string;
  member: "rental" | "subscription";
}

export const eventStream = "text/event-stream";
const noBody = "none";

/** Expects the JSON of an operation, or no body. `body` is that of the request. */
export function expectJSON(id: OperationID, body: unknown): Expected {
  const { repeat }: Operation = table[id];
  const shape = (response: Response) => shapes[`${id} ${response.status}`];
  return {
    stream: false,
    isSuccess: (response) => shape(response) === noBody || (shape(response) !== undefined && mediaTypeOf(response) === "application/json"),
    isComplete: (text, response) => shape(response) === noBody || isJSON(text, `${id} ${response.status}`),
    repeatable: repeat !== undefined,
    repeatedResult: (error) => {
      const isRepeated = repeat && error instanceof ProblemError && error.status === 409 && error.code === repeat.code;
      const result = isRepeated ? error[repeat.member] : undefined;
      return result && isRequested(result, body) ? result : undefined;
    },
  };
}

/**
 * Whether a result has what the request asked for. Otherwise it was there before, such as a subscription to another
 * plan.
 */
function isRequested(result: object, body: unknown): boolean {
  const found = result as Record<string, unknown>;
  return Object.entries(body ?? {}).every(([name, value]) => value === undefined || !Object.hasOwn(found, name) || found[name] === value);
}

/** Parses the body of a complete response. The result is undefined if the contract has no body for the status. */
export function parseBody(id: OperationID, status: number, text: string): unknown {
  return shapes[`${id} ${status}`] === noBody ? undefined : JSON.parse(text);
}

/** Expects a stream of server-sent events. */
export const expectEvents: Expected = {
  stream: true,
  isSuccess: (response) => response.status === 200 && mediaTypeOf(response) === eventStream,
  isComplete: () => true,
  repeatable: false,
  repeatedResult: () => undefined,
};

/** The server, and the token for it. */
export interface Server {
  baseUrl: string;
  token: string;
}

/** The arguments of an operation. `params` are the parameters in the query and in headers. */
export interface Arguments {
  pathParams?: readonly unknown[];
  params?: Record<string, unknown>;
  body?: unknown;
  options?: CallOptions;
}

/** Splits the arguments of a method into path parameters, body, other parameters and options. */
export function splitArguments(id: OperationID, given: readonly unknown[]): Arguments {
  const { path, body, params }: Operation = table[id];
  const rest = [...given];
  return {
    pathParams: rest.splice(0, path.split("{").length - 1),
    ...(body && { body: rest.shift() }),
    ...(params && { params: (rest.shift() ?? {}) as Record<string, unknown> }),
    options: (rest.shift() ?? {}) as CallOptions,
  };
}

/** Builds the request of an operation. A form is sent as it is, any other body as JSON. */
export function buildRequest(id: OperationID, { baseUrl, token }: Server, { pathParams = [], params = {}, body, options = {} }: Arguments, accept: string): Request {
  const { method, path, headers: inHeaders = [] }: Operation = table[id];
  const isForm = body instanceof URLSearchParams;
  const headers = new Headers({ Accept: accept });
  if (token !== "") {
    headers.set("Authorization", `Bearer ${token}`);
  }
  if (isNode()) {
    headers.set("User-Agent", `pagila-api-typescript/${version}`);
  }
  if (body !== undefined && !isForm) {
    headers.set("Content-Type", "application/json");
  }
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const item of [value].flat()) {
      if (item !== undefined && item !== null) {
        inHeaders.includes(name) ? headers.append(name, String(item)) : query.append(name, String(item));
      }
    }
  }
  const search = query.size > 0 ? `?${query}` : "";
  return new Request(baseUrl.replace(/\/$/, "") + expandPath(path, pathParams) + search, {
    method,
    headers,
    ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
    ...(options.signal && { signal: options.signal }),
  });
}

/** Replaces the parameters in the path with their values. Throws a RangeError for a value that would change the path. */
function expandPath(path: string, values: readonly unknown[]): string {
  let i = 0;
  return path.replace(/\{\w+\}/g, (name) => {
    const segment = String(values[i++] ?? "");
    if (/^\.{0,2}$/.test(segment)) {
      throw new RangeError(`"${segment}" cannot be ${name} in ${path}`);
    }
    return encodeURIComponent(segment);
  });
}

/** Browsers send their own User-Agent. Another one would need a preflight request for cross-origin calls. */
function isNode(): boolean {
  return (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;
}
