import type { components } from "./schema.js";
import { hasShape } from "./shape.js";
import { shapes } from "./shapes.js";

/** A problem document (RFC 9457): the server's description of an error. */
export type Problem = components["schemas"]["Problem"];

/** The kind of a problem. A newer server may send codes that this version does not know. */
export type ProblemCode = components["schemas"]["ProblemCode"] | (string & {});

/** One thing that is wrong with a request. */
export type InputError = components["schemas"]["InputError"];

/**
 * The base class of every error of a call. If the caller's AbortSignal aborts the call, it throws the
 * signal's reason, like fetch.
 *
 * structuredClone and postMessage keep only the message and the stack of an error. Give them
 * `error.toJSON()`, which has all members of the error. JSON.stringify uses it too.
 */
export class APIError extends Error {
  override name = "APIError";

  toJSON(): Record<string, unknown> {
    const cause = this.cause instanceof APIError ? this.cause.toJSON() : this.cause && String(this.cause);
    return { ...Object.fromEntries(Object.entries(this)), message: this.message, ...(cause ? { cause } : {}) };
  }
}

/** The connection failed, or broke before the response was complete. `cause` is fetch's own error. */
export class NetworkError extends APIError {
  override name = "NetworkError";
}

/** The server took longer than the client's timeout. The server may still have carried out the request. */
export class TimeoutError extends APIError {
  override name = "TimeoutError";
}

/**
 * A streamed answer broke off, or the model reached its token limit. A failure before the stream begins is
 * thrown as one of the other errors.
 */
export class IncompleteAnswerError extends APIError {
  override name = "IncompleteAnswerError";

  constructor(
    /** The part of the answer that arrived. */
    readonly text: string,
    /** Why it broke off: a ProblemError, TimeoutError, NetworkError or HTTPError. Undefined at the token limit. */
    override readonly cause?: APIError,
  ) {
    super(`the answer is incomplete: ${cause?.message ?? "the model reached its token limit"}`);
  }
}

/** Further details of a response. */
export interface ResponseDetails {
  contentType?: string;
  retryAfter?: number;
  location?: string;
}

/**
 * A response that the contract does not specify for the operation: a proxy's HTML page instead of a problem
 * document, a redirect, or JSON that does not have the contract's shape.
 */
export class HTTPError extends APIError {
  override name = "HTTPError";
  /** The response's media type, as it was sent. */
  readonly contentType: string;
  /** How many milliseconds the server asks the client to wait. 0 if it does not say. */
  readonly retryAfter: number;
  /**
   * The target of a redirect. A redirect is not followed, because the token and the body are meant only for the
   * server that the caller chose. Empty if there is none, and in browsers, which hide it.
   */
  readonly location: string;

  constructor(
    message: string,
    /** The HTTP status. 0 for a redirect in a browser. */
    readonly status: number,
    /** The body, truncated to 64 KiB. */
    readonly body: string,
    /** Identifies the request in the server's log. Undefined if the response does not come from the server. */
    readonly requestId: string | undefined,
    { contentType = "", retryAfter = 0, location = "" }: ResponseDetails = {},
  ) {
    super(message);
    this.contentType = contentType;
    this.retryAfter = retryAfter;
    this.location = location;
  }
}

/** The server's own error, a problem document (RFC 9457). */
export class ProblemError extends HTTPError {
  override name = "ProblemError";
  /** The kind of problem. It is stable, so a program can compare it. */
  readonly code: ProblemCode;
  /** Explains the problem to a person. */
  readonly detail: string;
  /** Lists what is wrong with the request. */
  readonly errors: readonly InputError[];
  /** The rental that stands in the way, with the codes `already_rented_by_customer` and `already_returned`. */
  readonly rental: components["schemas"]["Rental"] | undefined;
  /** The subscription that stands in the way, with the codes `already_subscribed` and `already_cancelled`. */
  readonly subscription: components["schemas"]["Subscription"] | undefined;

  constructor(
    /** The complete document. */
    readonly problem: Problem,
    body: string,
    status = problem.status,
    details: ResponseDetails = {},
  ) {
    super(`${problem.code}: ${problem.detail}`, status, body, problem.request_id, details);
    this.code = problem.code;
    this.detail = problem.detail;
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
    this.rental = memberOf(problem, "rental");
    this.subscription = memberOf(problem, "subscription");
  }
}

/** A member of a problem document. Undefined if it does not have the contract's shape. */
function memberOf<Name extends "rental" | "subscription">(problem: Problem, name: Name): Problem[Name] | undefined {
  const shape = shapes[`problem ${name}`];
  return shape !== undefined && hasShape(problem[name], shape) ? problem[name] : undefined;
}

/** The number of bytes of an error's body that are kept. The server's own errors are well below 4 KiB. */
export const maxErrorBody = 64 * 1024;

/** Converts a response to an error, with as much of its body as could be read. */
export function httpError(response: Response, body: string): HTTPError {
  const location = response.headers.get("Location") ?? "";
  const contentType = response.headers.get("Content-Type") ?? "";
  const details = { contentType, location, retryAfter: parseRetryAfter(response.headers.get("Retry-After") ?? "") };
  const problem = mediaTypeOf(response) === "application/problem+json" ? parseProblem(body) : undefined;
  if (problem) {
    return new ProblemError(problem, body, response.status, details);
  }
  const redirect = response.type === "opaqueredirect" || location !== "" ? `, a redirect to ${location || "a URL that the browser hides"}, which is not followed` : "";
  return new HTTPError(
    `unexpected response: ${response.status} ${contentType || "without a media type"}${redirect}`,
    response.status,
    body,
    response.headers.get("X-Request-ID") ?? undefined,
    details,
  );
}

/** A response's media type, in lower case and without parameters. */
export function mediaTypeOf(response: Response): string {
  return (response.headers.get("Content-Type") ?? "").replace(/;.*/s, "").trim().toLowerCase();
}

/** Parses a problem document. Returns undefined without a code, because the server always sends one. */
export function parseProblem(text: string): Problem | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const code = (value as Partial<Problem> | null)?.code;
    return typeof code === "string" && code !== "" ? (value as Problem) : undefined;
  } catch {
    return undefined;
  }
}

const httpDate = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/** The delay in a Retry-After header (RFC 9110, section 10.2.3), in milliseconds. 0 if it is malformed. */
function parseRetryAfter(value: string): number {
  if (/^\d+$/.test(value)) {
    return Number(value) * 1000;
  }
  return httpDate.test(value) ? Math.max(0, Date.parse(value) - Date.now()) || 0 : 0;
}
