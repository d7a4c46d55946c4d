import { HTTPError, NetworkError, ProblemError, TimeoutError, httpError, maxErrorBody } from "./errors.js";
import type { Expected } from "./operation.js";

/** How requests are sent. */
export interface TransportOptions {
  fetch: (request: Request, init?: RequestInit) => Promise<Response>;
  /** How many milliseconds an attempt may take, for a stream until its headers. 0 means no limit. */
  timeout: number;
  /** How many milliseconds a stream may be silent after its headers. 0 means no limit. */
  idleTimeout: number;
  /** How often GET, HEAD and writes that may be repeated are retried. */
  retries: number;
  /** The pause before the first retry, in milliseconds. */
  backoff: number;
}

/** The statuses of transient failures. */
const transient = new Set([429, 502, 503, 504]);

/** The longest pause before a retry, in milliseconds, apart from Retry-After. */
const maxBackoff = 5_000;

/** The longest Retry-After that is honored, in milliseconds. Beyond it, the error is thrown immediately. */
const maxRetryAfter = 30_000;

/** The longest delay of a timer, in milliseconds: 24 days. A timer with a longer delay fires immediately. */
const maxTimeout = 2 ** 31 - 1;

/**
 * Sends a request, with retries, and returns the expected response. If a repeated request was carried out before, it
 * is a response with the result. Throws an APIError, or the reason of the request's signal.
 */
export async function send(request: Request, expected: Expected, options: TransportOptions): Promise<Response> {
  const retries = expected.repeatable || ["GET", "HEAD"].includes(request.method) ? options.retries : 0;
  let open = false; // whether an attempt may have been carried out
  for (let attempts = 0; ; attempts++) {
    try {
      return await attempt(request, expected, options);
    } catch (error) {
      const result = open ? expected.repeatedResult(error) : undefined;
      if (result !== undefined) {
        return new Response(JSON.stringify(result));
      }
      // A read that timed out is not repeated, because that would multiply the wait. A write is, because its outcome
      // is unknown.
      if (attempts >= retries || !(isTransient(error) || (expected.repeatable && error instanceof TimeoutError))) {
        throw error;
      }
      open ||= leavesOpen(error);
      const backoff = Math.min(options.backoff * 2 ** attempts, maxBackoff) * (0.5 + Math.random() / 2);
      // Retry-After is added, so that clients that failed at the same time do not retry at the same time.
      await sleep(backoff + (error instanceof HTTPError ? error.retryAfter : 0), request.signal);
    }
  }
}

/**
 * Returns a fetch that sends the server's bookmark back, so that the client reads its own writes. A browser does that
 * itself, and hides the cookie from this code.
 */
export function withBookmark(fetch: TransportOptions["fetch"]): TransportOptions["fetch"] {
  let cookie = "";
  return async (request, init) => {
    const sent = cookie;
    if (sent) {
      request.headers.set("cookie", sent);
    }
    const response = await fetch(request, init);
    // Older browsers have no getSetCookie, and fakes may have none.
    const set = response.headers.getSetCookie?.().find((line) => line.startsWith("pagila_bookmark="));
    const received = set?.split(";")[0] ?? "";
    // Another response may have come meanwhile. Of two bookmarks, the later is the greater string.
    if (received && (cookie === sent || received > cookie)) {
      cookie = received;
    }
    return response;
  };
}

/**
 * Whether a request that failed with this error may have been carried out. With every problem except outcome_unknown,
 * the server says that nothing was written.
 */
function leavesOpen(error: unknown): boolean {
  return !(error instanceof ProblemError) || error.code === "outcome_unknown";
}

/** Whether a retry may succeed. */
function isTransient(error: unknown): boolean {
  return error instanceof HTTPError ? transient.has(error.status) && error.retryAfter <= maxRetryAfter : error instanceof NetworkError;
}

/** Sends a request once. Reads the body of the response into memory, unless it is a stream. */
async function attempt(request: Request, expected: Expected, options: TransportOptions): Promise<Response> {
  const watch = new Watch(request.signal);
  watch.start(options.timeout, "no response");
  let streaming = false;
  try {
    const response = await watch.run(options.fetch(request.clone(), { signal: watch.signal, redirect: "manual" }));
    if (!expected.isSuccess(response)) {
      throw httpError(response, decode(await read(response, watch, maxErrorBody)));
    }
    if (expected.stream && response.body) {
      streaming = true;
      return new Response(watched(response.body, watch, options.idleTimeout), response);
    }
    const body = await read(response, watch, Infinity);
    const text = decode(body);
    if (!expected.isComplete(text, response)) {
      throw httpError(response, text.slice(0, maxErrorBody));
    }
    return new Response(response.body && new Blob(body), response);
  } finally {
    if (!streaming) {
      watch.end();
    }
  }
}

/**
 * Reads the chunks of a body, up to a number of bytes. Does not use arrayBuffer, which may hang if the body
 * cannot be decompressed.
 */
async function read(response: Response, watch: Watch, limit: number): Promise<Uint8Array<ArrayBuffer>[]> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const reader = response.body?.getReader();
  try {
    for (let size = 0; reader && size < limit; ) {
      const { done, value } = await watch.run(reader.read());
      if (done) {
        break;
      }
      chunks.push(value.subarray(0, limit - size));
      size += value.length;
    }
  } catch (error) {
    if (limit === Infinity || !(error instanceof NetworkError)) {
      throw error;
    }
    // Read errors are ignored, because the status matters more than the body.
  } finally {
    reader?.cancel().catch(() => undefined); // a body that has failed cannot be canceled, and need not be
  }
  return chunks;
}

function decode(chunks: Uint8Array[]): string {
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
}

/** Applies the idle timeout to each chunk of a body. Canceling the stream closes the connection. */
function watched(body: ReadableStream<Uint8Array>, watch: Watch, idleTimeout: number): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  watch.pause();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        watch.start(idleTimeout, "the stream was silent: no data");
        try {
          const { done, value } = await watch.run(reader.read());
          if (done) {
            watch.end();
            controller.close();
          } else {
            watch.pause(); // the time that the caller spends on a chunk does not count
            controller.enqueue(value);
          }
        } catch (error) {
          watch.end();
          throw error;
        }
      },
      async cancel(reason) {
        watch.end();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 }, // read on demand, so that the timeout measures only the server
  );
}

/** Stops an attempt after its timeout or when the caller's signal is aborted. */
class Watch {
  private readonly controller = new AbortController();
  private readonly abort = () => this.controller.abort(this.caller.reason);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly caller: AbortSignal) {
    caller.addEventListener("abort", this.abort);
    if (caller.aborted) {
      this.abort();
    }
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Restarts the timer. The error says what was missing when the time was over. */
  start(timeout: number, missing: string): void {
    this.pause();
    if (timeout === 0 || timeout > maxTimeout) {
      return;
    }
    this.timer = setTimeout(() => {
      this.controller.abort(new TimeoutError(`${missing} within ${timeout} ms`));
    }, timeout);
  }

  pause(): void {
    clearTimeout(this.timer);
  }

  end(): void {
    this.pause();
    this.caller.removeEventListener("abort", this.abort);
  }

  /** Awaits a step of the attempt. Throws the reason if the attempt was stopped. */
  async run<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      if (this.signal.aborted) {
        throw this.signal.reason;
      }
      throw new NetworkError("the connection failed", { cause: error });
    }
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) {
      stop();
    }
  });
}
