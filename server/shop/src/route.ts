/**
 * The address of a view, in the fragment of the URL: `#/films?q=dino&sort=title`. What follows the question mark are
 * query parameters of the contract. A fragment never reaches a server or its log, and it works behind any prefix.
 */
import { useEffect, useState } from "preact/hooks";

/** An entry of the browser's history. */
export interface Route {
  /** The segments of the path, such as `["films", "7"]`. */
  path: string[];
  params: URLSearchParams;
  /** The fragment as a whole. Equal addresses show the same view. */
  address: string;
  /** What the entry looked like when the reader left it. Undefined for an entry that is shown for the first time. */
  left: Left | undefined;
}

/** Where the reader was in a view. */
export interface Left {
  scroll: number;
  /** The address of the link that had the focus. */
  link: string | undefined;
}

/** Parameters of an address. A list is repeated for each item, and what is undefined or empty is left out. */
export type Params = URLSearchParams | Record<string, unknown>;

/** Returns the link to a view, such as `#/films/7`. */
export function href(path: string, params: Params = {}): string {
  const query = params instanceof URLSearchParams ? params : new URLSearchParams(pairs(params));
  return `#/${path.replace(/^\//, "")}${query.size > 0 ? `?${query}` : ""}`;
}

function pairs(params: Record<string, unknown>): string[][] {
  return Object.entries(params).flatMap(([name, value]) =>
    [value].flat().flatMap((item) => (item === undefined || item === null || item === "" ? [] : [[name, String(item)]])),
  );
}

/** Shows a view. With `replace`, it takes the place of the current entry of the history, for an address that is being typed. */
export function navigate(path: string, params: Params = {}, { replace = false } = {}): void {
  const address = href(path, params);
  if (replace) {
    history.replaceState(history.state, "", address);
  } else if (address !== location.hash) {
    remember();
    history.pushState(null, "", address);
  }
  show({ ...read(), left: undefined });
}

/** Returns the current route, and renders the component again when it changes. */
export function useRoute(): Route {
  const [route, setRoute] = useState(current);
  useEffect(() => {
    listeners.add(setRoute);
    setRoute(current);
    return () => void listeners.delete(setRoute);
  }, []);
  return route;
}

const listeners = new Set<(route: Route) => void>();

/** What the entries of the history looked like, by the number in their state. A number is never used again, not even after a reload. */
const entries = new Map<number, Left>();
let lastEntry = Date.now();
let entry = 0;
let current = read();

history.scrollRestoration = "manual";
addEventListener("scroll", remember, { passive: true });
addEventListener("focusin", remember);
addEventListener("popstate", () => show(read())); // also after a click on a link to a fragment

/** Reads the address bar. A new entry of the history gets a number. */
function read(): Route {
  const state: unknown = history.state;
  const known = typeof state === "number" ? entries.get(state) : undefined;
  entry = typeof state === "number" ? state : ++lastEntry;
  history.replaceState(entry, "");
  const address = location.hash;
  const [path = "", query = ""] = address.replace(/^#?\/?/, "").split(/\?(.*)/s);
  return { path: path.split("/").map(decode), params: new URLSearchParams(query), address, left: known };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // a malformed address leads to no view
  }
}

function show(route: Route): void {
  current = route;
  for (const listener of listeners) {
    listener(current);
  }
}

function remember(): void {
  const focused = document.activeElement;
  entries.set(entry, { scroll: scrollY, link: (focused instanceof HTMLAnchorElement && focused.getAttribute("href")) || undefined });
}
