/** The conditions and the order of a list of films, as the contract's query parameters in an address. */
import type { Schemas, operations } from "pagila-api-client";

/** The contract's parameters. */
export type FilmQuery = NonNullable<operations["listFilms"]["parameters"]["query"]>;

/** The parameters that choose films, and not a page of them. */
export type Name = Exclude<keyof FilmQuery, "page" | "page_size" | "cursor" | "count" | "sort">;

/** What each condition is called. The compiler finds a parameter of the contract that is missing here. */
export const conditions: Record<Name, (value: string) => string> = {
  q: (words) => `“${words}”`,
  title: (part) => `Title has “${part}”`,
  category: (name) => name,
  rating: (rating) => `Rated ${rating}`,
  language: (name) => name,
  actor: (name) => `With ${name}`,
  actor_id: (id) => `With actor ${id}`,
  special_feature: (name) => name,
  release_year_min: (year) => `From ${year}`,
  release_year_max: (year) => `Until ${year}`,
  length_min: (minutes) => `At least ${minutes} min`,
  length_max: (minutes) => `At most ${minutes} min`,
  rental_rate_min: (amount) => `Rent from ${amount}`,
  rental_rate_max: (amount) => `Rent up to ${amount}`,
  replacement_cost_min: (amount) => `Replacement from ${amount}`,
  replacement_cost_max: (amount) => `Replacement up to ${amount}`,
  rental_duration_min: (days) => `At least ${days} days`,
  rental_duration_max: (days) => `At most ${days} days`,
  streaming_available: (yes) => (yes === "true" ? "Can be streamed" : "Not for streaming"),
  in_stock: (yes) => (yes === "true" ? "In stock" : "Out of stock"),
  store_id: (id) => `Store ${id}`,
};

/** The orders, as a person would name them. */
export const orders: Record<Schemas["FilmSort"], string> = {
  relevance: "Best match",
  title: "Title, A to Z",
  "-title": "Title, Z to A",
  "-release_year": "Newest first",
  release_year: "Oldest first",
  length: "Shortest first",
  "-length": "Longest first",
  rental_rate: "Cheapest rental first",
  "-rental_rate": "Most expensive rental first",
  replacement_cost: "Lowest replacement cost first",
  "-replacement_cost": "Highest replacement cost first",
  film_id: "Catalogue number",
  "-film_id": "Catalogue number, last first",
};

/** The ratings, mildest first. */
export const ratings = Object.keys({ G: 0, PG: 0, "PG-13": 0, R: 0, "NC-17": 0 } satisfies Record<Schemas["Rating"], 0>);

/** Returns the order that the server uses if there is none in the address. */
export function defaultOrder(params: URLSearchParams): Schemas["FilmSort"] {
  return params.has("q") ? "relevance" : "film_id";
}

/** Returns the parameters of an address that the contract knows, in the contract's order, so that equal lists have equal texts. */
export function known(params: URLSearchParams): URLSearchParams {
  const names = [...Object.keys(conditions), "sort"];
  return new URLSearchParams(names.flatMap((name) => params.getAll(name).filter(Boolean).map((value) => [name, value])));
}

/** Returns the parameters for the SDK. The server checks their values, so that a malformed address is explained by its 400. */
export function filmQuery(params: URLSearchParams): FilmQuery {
  const query: Record<string, string | string[]> = {};
  for (const name of new Set(params.keys())) {
    const values = params.getAll(name);
    query[name] = values.length > 1 ? values : values[0]!;
  }
  return query as FilmQuery;
}

/** Returns a copy with another value of a parameter. An empty value removes it. */
export function withValue(params: URLSearchParams, name: Name | "sort", value: string): URLSearchParams {
  const next = new URLSearchParams(params);
  value ? next.set(name, value) : next.delete(name);
  // The order by relevance needs words.
  if (!next.has("q") && next.get("sort") === "relevance") {
    next.delete("sort");
  }
  return next;
}

/** Returns a copy in which a parameter has one value more. */
export function withAdded(params: URLSearchParams, name: Name, value: string): URLSearchParams {
  const next = new URLSearchParams(params);
  if (!next.has(name, value)) {
    next.append(name, value);
  }
  return next;
}

/** Returns a copy in which a parameter has one value less. */
export function withRemoved(params: URLSearchParams, name: string, value: string): URLSearchParams {
  const next = new URLSearchParams();
  for (const [other, item] of params) {
    if (other !== name || item !== value) {
      next.append(other, item);
    }
  }
  return withValue(next, "sort", next.get("sort") ?? "");
}
