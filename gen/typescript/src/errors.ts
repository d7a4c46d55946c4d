import type { components } from "./schema.js";

/** What went wrong, as the server tells it (RFC 9457). */
export type Problem = components["schemas"]["Problem"];

/** The kind of a problem. A newer server may know words that this version does not. */
export type ProblemCode = components["schemas"]["ProblemCode"] | (string & {});

/** What exactly is wrong with a request. */
export type InputError = components["schemas"]["InputError"];

/**
 * Every error of this package is one of these. What the caller's own AbortSignal stops throws that
 * signal's reason instead, as fetch does.
 */
export class APIError extends Error {
  override name = "APIError";
}

/** The connection failed, or broke before the answer was whole. `cause` has fetch's own error. */
export class NetworkError extends APIError {
  override name = "NetworkError";
}

/** The server took longer than the client's time-out. */
export class TimeoutError extends APIError {
  override name = "TimeoutError";
}

/**
 * An answer that the contract does not know: a proxy's HTML page instead of a problem document,
 * say, or a 200 whose body is not what was asked for.
 */
export class HTTPError extends APIError {
  override name = "HTTPError";

  constructor(
    message: string,
    /** The HTTP status. */
    readonly status: number,
    /** The body, as it came. */
    readonly body: string,
    /** Names the request in the server's log. Undefined when the answer is not the server's. */
    readonly requestId: string | undefined,
  ) {
    super(message);
  }
}

/** The server refused a request or failed, and said why. Tell the kinds apart by `code`. */
export class ProblemError extends HTTPError {
  override name = "ProblemError";
  readonly code: ProblemCode;
  /** What is wrong with the input. Empty when the input is not the trouble. */
  readonly errors: readonly InputError[];

  constructor(
    /** The whole document. */
    readonly problem: Problem,
    body: string,
  ) {
    super(`${problem.code}: ${problem.detail}`, problem.status, body, problem.request_id);
    this.code = problem.code;
    this.errors = problem.errors ?? [];
  }
}

/** The error that an answer stands for: a ProblemError where its body is one, else an HTTPError. */
export async function errorOf(response: Response): Promise<HTTPError> {
  const body = await response.text();
  return (
    problemOf(body) ??
    new HTTPError(
      `unexpected answer: ${response.status} ${response.headers.get("Content-Type") ?? "without a type"}`,
      response.status,
      body,
      response.headers.get("X-Request-ID") ?? undefined,
    )
  );
}

/** The problem that a text is the document of, or undefined. */
export function problemOf(text: string): ProblemError | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isProblem(value) ? new ProblemError(value, text) : undefined;
}

function isProblem(value: unknown): value is Problem {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const { code, status } = value as Partial<Problem>;
  return typeof code === "string" && typeof status === "number";
}
