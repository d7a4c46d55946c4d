/** The films that meet the conditions of an address, page after page. */
import type { Schemas } from "pagila-api-client";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "./client";
import type { Pages } from "./pages";
import { filmQuery } from "./query";
import { href } from "./route";

/** A list of films. */
export interface FilmList extends Pages<Schemas["Film"]> {
  /** The conditions and the order of the items. */
  query: string | undefined;
  /** Whether the items are those of the previous conditions, because the new ones are not there yet. */
  stale: boolean;
}

/** The films that have been loaded. */
interface Loaded {
  /** The conditions and the order. */
  query: string;
  items: Schemas["Film"][];
  total: number | undefined;
  next: string | undefined;
}

/** Divisible by 2, 3 and 4, so that most screens show full rows. */
const pageSize = 24;

/** Lists that were loaded, so that the Back button shows them as they were left. The newest is the last. */
const kept = new Map<string, Loaded>();
const maxKept = 20;

function keep(list: Loaded): void {
  kept.delete(list.query);
  kept.set(list.query, list);
  if (kept.size > maxKept) {
    kept.delete(kept.keys().next().value!);
  }
}

/** Returns the link to the list that was shown last. */
export function lastList(): string {
  return href("films", new URLSearchParams([...kept.keys()].at(-1)));
}

/** Loads the films of an address. If the reader comes back to it, the list is as it was left. */
export function useFilms(query: string, isBack: boolean): FilmList {
  const [list, setList] = useState<Loaded>();
  const [status, setStatus] = useState<{ loading: boolean; error?: unknown }>({ loading: true });
  const controller = useRef(new AbortController());
  const shown = list?.query === query ? list : ((isBack ? kept.get(query) : undefined) ?? list);
  const stale = shown?.query !== query;

  const load = (before?: Loaded, error?: unknown) => {
    controller.current.abort();
    const { signal } = (controller.current = new AbortController());
    setStatus({ loading: true, error });
    // Counting all films of a large database takes long.
    const page = before?.next === undefined ? { count: "capped" as const } : { cursor: before.next };
    api()
      .listFilms({ ...filmQuery(new URLSearchParams(query)), page_size: pageSize, ...page }, { signal })
      .then(
        ({ items, total = before?.total, next_cursor: next }) => {
          if (!signal.aborted) {
            const list = { query, items: [...(before?.items ?? []), ...items], total, next };
            keep(list);
            setList(list);
            setStatus({ loading: false });
          }
        },
        (error: unknown) => signal.aborted || setStatus({ loading: false, error }),
      );
  };

  useEffect(() => {
    if (stale) {
      load();
    } else {
      setList(shown);
      setStatus({ loading: false });
    }
    return () => controller.current.abort();
  }, [query]);

  return {
    query: shown?.query,
    items: shown?.items,
    total: shown?.total,
    stale,
    hasMore: !stale && shown?.next !== undefined,
    loading: status.loading,
    error: status.error,
    more: () => !status.loading && shown?.next !== undefined && load(shown),
    // The error stays until the outcome is known.
    reload: () => load(stale ? undefined : shown, status.error),
  };
}
