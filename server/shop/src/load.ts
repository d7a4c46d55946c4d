/** Loading data for a view. */
import { useEffect, useState } from "preact/hooks";

/** The state of a call. */
export interface Loaded<T> {
  /** The result. It stays while the same data is loaded again, and after that failed. */
  value: T | undefined;
  /** Why the last call failed. It stays while the call is made again. */
  error: unknown;
  loading: boolean;
  /** Calls again. */
  reload: () => void;
}

interface State<T> {
  deps: readonly unknown[];
  value?: T | undefined;
  error?: unknown;
  loading: boolean;
}

/**
 * Calls `load` when the component is mounted and whenever `deps` change, and aborts the previous call. The result of an
 * aborted call is dropped.
 */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, deps: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<State<T>>({ deps, loading: true });
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    const controller = new AbortController();
    const finish = (result: Partial<State<T>>) => {
      if (!controller.signal.aborted) {
        setState((old) => ({ deps, value: isSame(old.deps, deps) ? old.value : undefined, ...result, loading: false }));
      }
    };
    setState((old) => (isSame(old.deps, deps) ? { ...old, loading: true } : { deps, loading: true }));
    load(controller.signal).then(
      (value) => finish({ value }),
      (error: unknown) => finish({ error }),
    );
    return () => controller.abort();
  }, [...deps, attempt]);

  // Until the effect has run, the state is that of the previous data.
  const { value, error, loading } = isSame(state.deps, deps) ? state : { value: undefined, error: undefined, loading: true };
  return { value, error, loading, reload: () => setAttempt((n) => n + 1) };
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}
