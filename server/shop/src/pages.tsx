/** Lists without an end: the pages of an operation, by cursor. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useLoad } from "./load";

/** A page as the contract has it. */
export interface Page<T> {
  items: T[];
  total?: number;
  next_cursor?: string;
}

/** The pages that have been loaded. */
export interface Pages<T> {
  /** Undefined until the first page is there. */
  items: T[] | undefined;
  total: number | undefined;
  /** Whether there is another page. */
  hasMore: boolean;
  loading: boolean;
  error: unknown;
  /** Loads the next page. */
  more: () => void;
  /** Loads the first page again. */
  reload: () => void;
}

/** A list that also tries again what failed: the first page, or a further one. */
export interface RetryablePages<T> extends Pages<T> {
  retry: () => void;
}

/** Under which key a list is kept, and whether the reader comes back to it. */
export interface Kept {
  key: string;
  isBack: boolean;
}

/** The pages after the first one. */
interface Rest<T> {
  first: Page<T>;
  items: T[];
  next: string | undefined;
  loading: boolean;
  error?: unknown;
}

/** The last list that was to be kept. */
let memory: { key: string; rest: Rest<unknown> } | undefined;

/**
 * Loads the first page, again whenever `deps` change, and further ones on demand. The items stay until a new first page is
 * there. With `kept`, the Back button shows the list as it was left.
 */
export function usePages<T>(load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>, deps: readonly unknown[], kept?: Kept): RetryablePages<T> {
  const before = kept?.isBack && memory?.key === kept.key ? (memory.rest as Rest<T>) : undefined;
  const first = useLoad(async (signal) => before?.first ?? load(undefined, signal), deps);
  const page = first.value ?? before?.first;
  const [known, setRest] = useState(before);
  const controller = useRef<AbortController>(undefined);
  useEffect(() => () => controller.current?.abort(), [page]);

  // What belongs to an earlier first page no longer counts.
  const rest: Rest<T> | undefined = page && (known?.first === page ? known : { first: page, items: [], next: page.next_cursor, loading: false });
  useEffect(() => {
    if (kept && rest) {
      memory = { key: kept.key, rest: { ...rest, loading: false, error: undefined } };
    }
  });
  const more = () => {
    if (rest?.next === undefined || rest.loading || first.loading) {
      return;
    }
    const { signal } = (controller.current = new AbortController());
    setRest({ ...rest, loading: true }); // an error stays until the outcome is known
    load(rest.next, signal).then(
      ({ items, next_cursor }) => signal.aborted || setRest({ ...rest, items: [...rest.items, ...items], next: next_cursor, loading: false, error: undefined }),
      (error: unknown) => signal.aborted || setRest({ ...rest, loading: false, error }),
    );
  };
  const reload = () => {
    memory = undefined;
    first.reload();
  };

  return {
    items: page && rest && [...page.items, ...rest.items],
    total: page?.total,
    hasMore: rest?.next !== undefined,
    loading: first.loading || rest?.loading === true,
    error: first.error ?? rest?.error,
    more,
    retry: first.error === undefined ? more : reload,
    reload,
  };
}

/** A button for the next page, which is also loaded when the button comes near the visible part of the window. */
export function More({ pages, label }: { pages: Pages<unknown>; label: string }) {
  const button = useRef<HTMLButtonElement>(null);
  const more = useRef(pages.more);
  more.current = pages.more;
  const idle = pages.hasMore && !pages.loading && !pages.error;
  useEffect(() => {
    if (!idle || !button.current) {
      return undefined;
    }
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && more.current(), { rootMargin: "1000px" });
    observer.observe(button.current);
    return () => observer.disconnect();
  }, [idle]);

  return pages.hasMore && !pages.error ? (
    <button ref={button} type="button" class="more" onClick={pages.more} aria-disabled={pages.loading}>
      {pages.loading ? "Loading…" : label}
    </button>
  ) : null;
}
