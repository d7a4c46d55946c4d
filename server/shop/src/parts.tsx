/** What the views of the counter share. */
import { HTTPError, ProblemError, type Schemas } from "pagila-api-client";
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useSession } from "./client";
import type { Loaded } from "./load";
import { Failure } from "./problem";

/** A field of a form with its label. */
export function Field({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

/** A button that is not the main one of its form. */
export function Button({ onClick, children }: { onClick: () => void; children: ComponentChildren }) {
  return (
    <button type="button" class="secondary" onClick={onClick}>
      {children}
    </button>
  );
}

/** Explains a conflict: what is the matter, and below it who can do what. */
export function Conflict({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="conflict" role="alert">
      <strong dir="auto">{title}</strong>
      {children}
    </div>
  );
}

/** The event of the window that says that the server no longer accepts the session's token. */
export const expired = "expired";

interface CounterFailureProps {
  error: unknown;
  onRetry: () => void;
  /** After a write, only the button tries again, also after an error that a read would have again. */
  of?: "read" | "write";
}

/** Shows an error of a call that needs a token. */
export function CounterFailure({ error, onRetry, of = "read" }: CounterFailureProps) {
  if (error instanceof HTTPError && error.status === 401) {
    return <LoggedOut error={error} onRetry={of === "read" ? onRetry : undefined} />;
  }
  return (
    <>
      <Failure error={error} onRetry={onRetry} of={of} />
      {error instanceof ProblemError && error.code === "insufficient_scope" && (
        <p>Log out and in again: a token from the login has every scope. Otherwise ask the operator of the server.</p>
      )}
    </>
  );
}

/** Shows the error of data that could not be loaded, if there is one. */
export function LoadFailure({ of: { error, reload } }: { of: Loaded<unknown> }) {
  return error === undefined ? null : <CounterFailure error={error} onRetry={reload} />;
}

/** Asks for another login. A read is then repeated by itself. */
function LoggedOut({ error, onRetry }: { error: unknown; onRetry: (() => void) | undefined }) {
  const session = useSession();
  const refused = useRef(session);
  useEffect(() => {
    refused.current = session;
    askForLogin();
  }, [error]);
  useEffect(() => {
    if (session !== refused.current) {
      onRetry?.();
    }
  }, [session]);
  const isNew = session !== refused.current;
  if (isNew && onRetry) {
    return null; // the call is being made again
  }
  return (
    <div class="failure">
      <p role="alert">{isNew ? "You are logged in again. Press the button once more." : "The server no longer accepts your login."}</p>
      {!isNew && <Button onClick={askForLogin}>Log in again</Button>}
    </div>
  );
}

function askForLogin(): void {
  dispatchEvent(new Event(expired));
}

interface DialogProps {
  title: string;
  /** Whether the dialog stays open, because something is under way. */
  isBusy?: boolean;
  onClose: () => void;
  /** What gets the focus when the dialog closes, if what had it before is no longer there. */
  fallback?: RefObject<HTMLElement> | undefined;
  children: ComponentChildren;
}

/** A modal dialog. Escape closes it, and the focus returns to where it was. */
export function Dialog({ title, isBusy = false, onClose, fallback, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const closed = useRef(onClose);
  // Chromium lets a second Escape close the dialog whatever its cancel event says.
  closed.current = isBusy ? () => dialog.current!.showModal() : onClose;
  useLayoutEffect(() => {
    const element = dialog.current!;
    const listener = () => closed.current();
    element.addEventListener("close", listener);
    element.showModal();
    return () => {
      element.removeEventListener("close", listener);
      element.close();
      requestAnimationFrame(() => document.activeElement === document.body && fallback?.current?.focus());
    };
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onCancel={(event) => isBusy && event.preventDefault()}>
      <h2 tabIndex={-1}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ConfirmationProps {
  title: string;
  /** What the dialog does, and what it says meanwhile. */
  action: string;
  acting: string;
  write: Pick<Write<unknown>, "busy" | "error">;
  onSubmit: () => void;
  onClose: () => void;
  /** The outcome. As long as it is undefined, there is something to confirm. */
  outcome: ComponentChildren;
  fallback: RefObject<HTMLElement>;
  children: ComponentChildren;
}

/** Asks before a write, carries it out, and says how it ended. */
export function Confirmation({ title, action, acting, write, onSubmit, onClose, outcome, fallback, children }: ConfirmationProps) {
  const { busy, error } = write;
  const isDone = outcome !== undefined;
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (isDone) {
      close.current?.focus();
    }
  }, [isDone]);

  return (
    <Dialog title={title} isBusy={busy} onClose={onClose} fallback={fallback}>
      {children}
      <div role="status">{outcome}</div>
      {error !== undefined && !isDone && <CounterFailure error={error} onRetry={onSubmit} of="write" />}
      <div class="actions">
        {isDone ? (
          <button key="close" type="button" ref={close} onClick={onClose}>
            Close
          </button>
        ) : (
          <>
            <button type="button" onClick={onSubmit} aria-disabled={busy}>
              {busy ? acting : action}
            </button>
            <Button onClick={() => busy || onClose()}>Not now</Button>
          </>
        )}
      </div>
    </Dialog>
  );
}

/** A write to the shop, which is under way at most once at a time. */
export interface Write<T> {
  run: (call: () => Promise<T>) => void;
  /** Forgets the outcome. */
  clear: () => void;
  busy: boolean;
  result: T | undefined;
  error: unknown;
}

/**
 * Keeps the state of a write. While one is under way, another is ignored, so that a double press writes once. A write is
 * not aborted when its view disappears, because it may have been carried out already. `onChange` is called with the result
 * after a success, and with the conflict after a conflict, since the view is then out of date. It is not called once the
 * view has disappeared.
 */
export function useWrite<T>(onChange?: (result: T | undefined, conflict?: ProblemError) => void): Write<T> {
  const [state, setState] = useState<{ busy: boolean; result?: T; error?: unknown }>({ busy: false });
  const busy = useRef(false);
  const changed = useRef(onChange);
  changed.current = onChange;
  useEffect(() => () => void (changed.current = undefined), []);
  const run = async (call: () => Promise<T>) => {
    if (busy.current) {
      return;
    }
    busy.current = true;
    setState({ busy: true });
    try {
      const result = await call();
      setState({ busy: false, result });
      changed.current?.(result);
    } catch (error) {
      setState({ busy: false, error });
      if (isConflict(error)) {
        changed.current?.(undefined, error);
      }
    } finally {
      busy.current = false;
    }
  };
  return { run: (call) => void run(call), clear: () => setState({ busy: false }), busy: state.busy, result: state.result, error: state.error };
}

const advice: Record<string, string> = {
  customer_inactive: "Whoever maintains the database can make the customer active again. Until then, the customer can only return copies.",
  staff_inactive: "Enter the number of a member of staff who is active.",
  refused_by_database: "The owner of the database has added this rule, and can say what it demands.",
} satisfies Partial<Record<Schemas["ProblemCode"], string>>;

/** Explains the conflicts that only somebody else can settle. */
export function Refusal({ error }: { error: ProblemError }) {
  return (
    <Conflict title={error.detail}>
      <p>{advice[error.code]}</p>
      <p class="quiet">
        Request <code>{error.requestId}</code>
      </p>
    </Conflict>
  );
}

/** Whether an error is a conflict, which the view can explain. */
export function isConflict(error: unknown): error is ProblemError {
  return error instanceof ProblemError && error.status === 409;
}

/** Whether an error is this problem of the API. */
export function isProblem(error: unknown, code: Schemas["ProblemCode"]): error is ProblemError {
  return error instanceof ProblemError && error.code === code;
}
