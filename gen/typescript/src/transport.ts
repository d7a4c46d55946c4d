import { HTTPError, NetworkError, TimeoutError, errorOf, maxErrorBody } from "./errors.js";
import type { Wanted } from "./operation.js";

/** How requests are sent. */
export interface TransportOptions {
  fetch: (request: Request, init?: RequestInit) => Promise<Response>;
  /** Milliseconds that one attempt may take, for a stream until its headers. 0 means no limit. */
  timeout: number;
  /** Milliseconds that a stream may be silent after its headers. 0 means no limit. */
  idleTimeout: number;
  /** How often GET is retried. */
  retries: number;
}

/** The statuses of transient failures. */
const transient = new Set([429, 502, 503, 504]);

/** The first wait before a retry, in milliseconds. Each further one is twice as long. */
const firstWait = 200;

/** The longest Retry-After that is honored, in milliseconds. Beyond it, the error is thrown immediately. */
const longestWait = 30_000;

/** The longest delay of a timer, in milliseconds: 24 days. A timer with a longer delay fires immediately. */
const longestTimeout = 2 ** 31 - 1;

/**
 * Sends a request, with retries, and returns the wanted response. Throws an APIError, or the reason of the
 * request's signal.
 */
export async function send(request: Request, wanted: Wanted, options: TransportOptions): Promise<Response> {
  // POST is not idempotent (RFC 9110, section 9.2.2).
  const retries = request.method === "GET" ? options.retries : 0;
  for (let tried = 0; ; tried++) {
    try {
      return await attempt(request, wanted, options);
    } catch (error) {
      if (tried >= retries || !isTransient(error)) {
        throw error;
      }
      // Retry-After is added, so that clients that failed together do not return together.
      const asked = error instanceof HTTPError ? error.retryAfter : 0;
      await sleep(firstWait * 2 ** tried * (0.5 + Math.random() / 2) + asked, request.signal);
    }
  }
}

/** Whether the next attempt may succeed. */
function isTransient(error: unknown): boolean {
  return error instanceof HTTPError ? transient.has(error.status) && error.retryAfter <= longestWait : error instanceof NetworkError;
}

/** Sends a request once. Reads the body of the response into memory, unless it is a stream. */
async function attempt(request: Request, wanted: Wanted, options: TransportOptions): Promise<Response> {
  const watch = new Watch(request.signal);
  watch.start(options.timeout, "no response");
  let streaming = false;
  try {
    const response = await watch.run(options.fetch(request, { signal: watch.signal, redirect: "manual" }));
    if (!wanted.isSuccess(response)) {
      throw errorOf(response, decode(await read(response, watch, maxErrorBody)));
    }
    if (wanted.stream && response.body) {
      streaming = true;
      return new Response(watched(response.body, watch, options.idleTimeout), response);
    }
    const body = await read(response, watch, Infinity);
    const text = decode(body);
    if (!wanted.isWhole(text, response)) {
      throw errorOf(response, text.slice(0, maxErrorBody));
    }
    return new Response(response.body && new Blob(body), response);
  } finally {
    if (!streaming) {
      watch.end();
    }
  }
}

/** The chunks of a body. arrayBuffer is not used, because it may hang if the body cannot be decompressed. */
async function read(response: Response, watch: Watch, most: number): Promise<Uint8Array<ArrayBuffer>[]> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const reader = response.body?.getReader();
  try {
    for (let size = 0; reader && size < most; ) {
      const { done, value } = await watch.run(reader.read());
      if (done) {
        break;
      }
      pieces.push(value.subarray(0, most - size));
      size += value.length;
    }
  } catch (error) {
    if (most === Infinity || !(error instanceof NetworkError)) {
      throw error;
    }
    // Read errors are ignored, since the status matters more than the body.
  } finally {
    reader?.cancel().catch(() => undefined); // a body that has failed cannot be cancelled, and need not be
  }
  return pieces;
}

function decode(pieces: Uint8Array[]): string {
  const decoder = new TextDecoder();
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
}

/** The body, with an idle timeout for each chunk. Cancelling it closes the connection. */
function watched(body: ReadableStream<Uint8Array>, watch: Watch, idleTimeout: number): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  watch.pause();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        watch.start(idleTimeout, "the stream was silent: nothing");
        try {
          const { done, value } = await watch.run(reader.read());
          if (done) {
            watch.end();
            controller.close();
          } else {
            watch.pause(); // the time that the caller takes to read does not count
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

  /** Restarts the timer. `missing` is what the error says is missing after the timeout. */
  start(timeout: number, missing: string): void {
    this.pause();
    if (timeout === 0 || timeout > longestTimeout) {
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

  /** Awaits a step of the attempt. If the attempt was stopped, it throws the reason. */
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
