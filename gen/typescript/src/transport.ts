import { APIError, NetworkError, TimeoutError, errorOf } from "./errors.js";

/** How requests are sent. */
export interface TransportOptions {
  fetch: typeof globalThis.fetch;
  /** Milliseconds that one attempt may take. For a stream: until its head, then between two pieces. */
  timeout: number;
  /** How often a GET or HEAD is tried again. */
  retries: number;
}

/** What the answer is needed as: a JSON document, a body in one piece, or a body as it comes. */
export type BodyKind = "json" | "whole" | "stream";

/** The statuses of trouble that may be over soon. */
const passing = new Set([429, 502, 503, 504]);

/** The first wait before a retry, in milliseconds. Each further one is twice as long. */
const firstWait = 200;

/** The longest wait, in milliseconds. Where Retry-After asks for more, the caller gets the error. */
const longestWait = 30_000;

/**
 * Sends a request until it has an answer worth having. Resolves with a 2xx answer only; throws an
 * APIError, or the reason of the request's signal.
 */
export async function send(request: Request, kind: BodyKind, options: TransportOptions): Promise<Response> {
  // Only these may be sent twice without doing anything twice (RFC 9110, section 9.2.2).
  const retries = request.method === "GET" || request.method === "HEAD" ? options.retries : 0;
  for (let tried = 0; ; tried++) {
    let wait = firstWait * 2 ** tried * (0.5 + Math.random() / 2); // clients that failed together come back apart
    let failure: APIError;
    try {
      const response = await attempt(request, kind, options);
      if (response.ok) {
        if (kind === "json" && !(await isJSON(request, response))) {
          throw await errorOf(response);
        }
        return response;
      }
      failure = await errorOf(response);
      if (!passing.has(response.status)) {
        throw failure;
      }
      wait = retryAfter(response) ?? wait;
    } catch (error) {
      if (!(error instanceof NetworkError)) {
        throw error;
      }
      failure = error;
    }
    if (tried >= retries || wait > longestWait) {
      throw failure;
    }
    await sleep(wait, request.signal);
  }
}

/** Sends a request once. The body of the answer is in memory, unless it is wanted as a stream. */
async function attempt(request: Request, kind: BodyKind, options: TransportOptions): Promise<Response> {
  const watch = new Watch(request.signal, options.timeout);
  let streaming = false;
  try {
    const response = await watch.run(options.fetch(request, { signal: watch.signal }));
    if (kind === "stream" && response.ok && response.body) {
      streaming = true;
      return new Response(watched(response.body, watch), response);
    }
    if (!response.body) {
      return response;
    }
    return new Response(await watch.run(response.arrayBuffer()), response);
  } finally {
    if (!streaming) {
      watch.end();
    }
  }
}

/** The body, each piece of which has the time-out for itself. Cancelling it closes the connection. */
function watched(body: ReadableStream<Uint8Array>, watch: Watch): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  watch.pause();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        watch.start();
        try {
          const { done, value } = await watch.run(reader.read());
          if (done) {
            watch.end();
            controller.close();
          } else {
            watch.pause(); // how long the reader takes is the reader's affair
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
    { highWaterMark: 0 }, // read only when asked, so that the time-out measures the server alone
  );
}

/** Watches over one attempt: stops it when its time is up or when the caller's signal says so. */
class Watch {
  private readonly controller = new AbortController();
  private readonly abort = () => this.controller.abort(this.caller.reason);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly caller: AbortSignal,
    private readonly timeout: number,
  ) {
    caller.addEventListener("abort", this.abort);
    if (caller.aborted) {
      this.abort();
    }
    this.start();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  start(): void {
    this.pause();
    this.timer = setTimeout(() => {
      this.controller.abort(new TimeoutError(`no answer within ${this.timeout} ms`));
    }, this.timeout);
  }

  pause(): void {
    clearTimeout(this.timer);
  }

  end(): void {
    this.pause();
    this.caller.removeEventListener("abort", this.abort);
  }

  /** What a step of the attempt comes to, its failure by its true cause. */
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

async function isJSON(request: Request, response: Response): Promise<boolean> {
  if (request.method === "HEAD" || response.status === 204) {
    return true; // neither has a body
  }
  try {
    JSON.parse(await response.clone().text());
    return true;
  } catch {
    return false;
  }
}

/** What Retry-After asks for (RFC 9110, section 10.2.3), in milliseconds. */
function retryAfter(response: Response): number | undefined {
  const value = response.headers.get("Retry-After");
  if (value === null) {
    return undefined;
  }
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(wait, 0);
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
