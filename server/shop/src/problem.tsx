/** Errors of the SDK, shown to a person. */
import { HTTPError, IncompleteAnswerError, NetworkError, ProblemError, TimeoutError } from "pagila-api-client";
import { useEffect, useLayoutEffect, useReducer, useRef } from "preact/hooks";

interface FailureProps {
  error: unknown;
  /** Calls again. Without it, there is no button, nor for a read that cannot succeed. */
  onRetry?: (() => void) | undefined;
  of?: Kind;
}

/**
 * What the call was for. A read is also retried at the end of a wait, and when the network is back. Everything else is only
 * retried when the button is pressed: a write may have been carried out, and a question costs something each time, and
 * attempts to log in are limited.
 */
type Kind = "read" | "write" | "question" | "login";

/** Shows any error of a call: what happened, what is wrong with the request, how long to wait, and a way to retry. */
export function Failure({ error, onRetry, of = "read" }: FailureProps) {
  const byHand = of !== "read";
  const seconds = useWait(error, byHand);
  const retry = byHand || !isFinal(error) ? onRetry : undefined;
  const automatic = retry !== undefined && !byHand;
  useRetry(error, seconds, automatic ? retry : undefined);
  const requestId = error instanceof HTTPError ? error.requestId : undefined;

  return (
    <div class="failure">
      <div role="alert">
        <p class="failure-title">{titleOf(error)}</p>
        <p dir="auto">{detailOf(error, of)}</p>
        {error instanceof ProblemError && error.errors.length > 0 && (
          <ul>
            {error.errors.map(({ pointer, parameter, detail }) => (
              <li key={`${pointer}${parameter}${detail}`} dir="auto">
                {(parameter ?? pointer) && <code>{parameter ?? pointer}</code>} {detail}
              </li>
            ))}
          </ul>
        )}
      </div>
      {/* It differs in each attempt, and a screen reader need not repeat the alert for that. */}
      {requestId && (
        <p class="quiet">
          Request <code>{requestId}</code>
        </p>
      )}
      {seconds > 0 && <p class="quiet">{automatic ? `Trying again in ${seconds} s` : `Wait ${seconds} s`}</p>}
      {retry && (
        <button type="button" onClick={retry} disabled={byHand && seconds > 0}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Whether the same read would fail again. */
export function isFinal(error: unknown): boolean {
  return error instanceof HTTPError && [400, 403, 404].includes(error.status);
}

function titleOf(error: unknown): string {
  if (error instanceof IncompleteAnswerError) {
    return "The answer is incomplete";
  }
  if (error instanceof NetworkError) {
    return navigator.onLine ? "The server cannot be reached" : "You are offline";
  }
  if (error instanceof TimeoutError) {
    return "The server took too long";
  }
  if (error instanceof ProblemError) {
    return error.problem.title || "The request failed";
  }
  return error instanceof HTTPError ? "The response did not come from the Pagila API" : "Something went wrong on this page";
}

function detailOf(error: unknown, of: Kind): string {
  if (error instanceof IncompleteAnswerError) {
    return error.cause ? `${titleOf(error.cause)}. ${detailOf(error.cause, of)}` : "The model reached its token limit.";
  }
  if (error instanceof NetworkError || error instanceof TimeoutError) {
    if (of === "write") {
      return "The change may have been made. Trying again is safe: it is never made twice.";
    }
    if (error instanceof TimeoutError) {
      return "It may be busy. Try again in a moment.";
    }
    return of === "read" && !navigator.onLine ? "The page tries again when the network is back." : "Try again.";
  }
  if (error instanceof ProblemError) {
    return error.detail;
  }
  if (error instanceof HTTPError) {
    return `Something between this page and the server responded with ${error.status || "a redirect"}.`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** The wait before an automatic attempt at most, unless the server asks for more, in milliseconds. */
const maxWait = 60_000;

/**
 * Counts down the seconds until the next attempt. After each failure in a row, the wait is longer. A random part spreads
 * the attempts of clients that failed at the same time.
 */
function useWait(error: unknown, byHand: boolean): number {
  const [, count] = useReducer((n: number) => n + 1, 0);
  const wait = useRef({ error: undefined as unknown, failures: 0, end: 0 });
  if (wait.current.error !== error) {
    const failures = wait.current.failures + 1;
    const asked = retryAfterOf(error);
    const least = Math.max(asked, 1000 * 2 ** failures);
    const spread = Math.max(asked, Math.min(least * (1 + Math.random() / 2), maxWait));
    wait.current = { error, failures, end: Date.now() + (asked === 0 ? 0 : byHand ? asked : spread) };
  }
  const seconds = Math.ceil(Math.max(0, wait.current.end - Date.now()) / 1000);
  const isWaiting = seconds > 0;
  useEffect(() => {
    const timer = isWaiting ? setInterval(count, 1000, undefined) : undefined;
    return () => clearInterval(timer);
  }, [error, isWaiting]);
  return seconds;
}

function retryAfterOf(error: unknown): number {
  return error instanceof HTTPError ? error.retryAfter : 0;
}

/** Retries at the end of a wait, and when the network is back. A page that nobody sees waits until it is shown. */
function useRetry(error: unknown, seconds: number, onRetry: (() => void) | undefined): void {
  const retry = useRef(onRetry);
  retry.current = onRetry;
  const isOver = retryAfterOf(error) > 0 && seconds === 0;
  // A layout effect, because an ordinary one runs after the page is shown. An event in between would be missed, and no
  // other one follows.
  useLayoutEffect(() => {
    let isDue = isOver;
    const attempt = () => {
      if (isDue && !document.hidden) {
        isDue = false;
        retry.current?.();
      }
    };
    const online = () => {
      isDue ||= error instanceof NetworkError; // a wait that is over stays over
      attempt();
    };
    attempt();
    addEventListener("online", online);
    document.addEventListener("visibilitychange", attempt);
    return () => {
      removeEventListener("online", online);
      document.removeEventListener("visibilitychange", attempt);
    };
  }, [error, isOver]);
}
