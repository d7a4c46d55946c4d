// Written by api/sdk. Do not edit.
import type { Pages } from "./pages.js";
import type { components, operations } from "./schema.js";

type Schemas = components["schemas"];

/** The version of the contract and of this package. */
export const version = "2.0.0";

/** The options of a call. */
export interface CallOptions {
  /** Aborts the call, which then throws the signal's reason. */
  signal?: AbortSignal;
}

/** The methods that call the operations of the contract. */
export interface Operations {
  /**
   * POST /customers/{customer_id}/rentals: rent a copy.
   *
   * Rents a copy of a film to a customer from now on. A copy is rented to one customer at a time,
   * however many requests arrive at the same time. The customer and the member of staff must be
   * active. A customer is active unless one of Pagila's columns `active` and `activebool` is false.
   */
  createRental(customerId: number, body: Schemas["RentalRequest"], options?: CallOptions): Promise<Schemas["Rental"]>;
  /**
   * GET /actors/{actor_id}: read an actor.
   *
   * The actor with the films by title, at most 1000.
   */
  getActor(actorId: number, options?: CallOptions): Promise<Schemas["ActorDetail"]>;
  /**
   * GET /films/{film_id}: read a film.
   *
   * The film with its categories, its actors, and how many copies each store has.
   */
  getFilm(filmId: number, options?: CallOptions): Promise<Schemas["FilmDetail"]>;
  /**
   * GET /healthz: is the server alive?
   *
   * Succeeds as long as the process serves requests. It checks nothing else.
   */
  getHealth(options?: CallOptions): Promise<Schemas["Health"]>;
  /**
   * GET /readyz: is the server ready?
   *
   * Ready means that the database responds, accepts writes, and has what the operations need (both
   * migrations, the tables, the privileges), and that the server is not shutting down. The response
   * takes at most a second, however busy the server is.
   */
  getReadiness(options?: CallOptions): Promise<Schemas["Readiness"]>;
  /**
   * GET /customers/{customer_id}/rentals/{rental_id}: read a rental.
   *
   * Returns 404 if the rental belongs to another customer.
   */
  getRental(customerId: number, rentalId: number, options?: CallOptions): Promise<Schemas["Rental"]>;
  /**
   * POST /ai/handoff: ask the right agent.
   *
   * Two agents share the questions. `search` answers a question if it understands each word of it,
   * from the database alone. It hands off everything else to `model`, the language model, which
   * answers as in `GET /ai/ask`. `sources` are the films that the answer is based on.
   */
  handOff(body: Schemas["Question"], options?: CallOptions): Promise<Schemas["Answer"]>;
  /**
   * GET /actors: list actors.
   *
   * One page of the actors, ordered by last name, first name and `actor_id`, with the number of
   * their films. A page past the end is empty.
   */
  listActors(params?: NonNullable<operations["listActors"]["parameters"]["query"]>, options?: CallOptions): Promise<Schemas["ActorPage"]>;
  /**
   * Yields the items of all pages of `listActors`, beginning with the page in the parameters, or with the first.
   * The default page size is 100.
   * The pages are read one after the other, not from one snapshot of the database.
   */
  listAllActors(params?: NonNullable<operations["listActors"]["parameters"]["query"]>, options?: CallOptions): AsyncGenerator<Schemas["ActorSummary"], void, undefined>;
  /**
   * GET /categories: list the categories.
   *
   * All categories by name, at most 1000, with the number of their films.
   */
  listCategories(options?: CallOptions): Promise<Schemas["CategoryList"]>;
  /**
   * GET /films/{film_id}/inventory: list the copies of a film.
   *
   * The copies of the film with their stores, by `inventory_id`. A copy that is rented out has the
   * date on which it is due. There are at most 1000.
   */
  listFilmInventory(filmId: number, options?: CallOptions): Promise<Schemas["FilmInventory"]>;
  /**
   * GET /films: list films.
   *
   * The films of the catalogue that meet all of the conditions. A condition on a value that the
   * database does not know is not met. An unknown name, such as a category that does not exist,
   * gives an empty page.
   * 
   * There are two ways to read more than one page: by number, with `page`, and by cursor, with the
   * `next_cursor` of the page before or its header `Link`. By cursor, each film that stays in the
   * catalogue comes exactly once, whatever is inserted or deleted meanwhile, and in the orders
   * `film_id` and `title` a page far back costs no more than the first. A cursor belongs to the
   * conditions and the order of its request. Only `page_size` and `count` may change.
   * 
   * A page and its total come from one snapshot of the database.
   */
  listFilms(params?: NonNullable<operations["listFilms"]["parameters"]["query"]>, options?: CallOptions): Promise<Schemas["FilmPage"]>;
  /**
   * Yields the items of all pages of `listFilms`, beginning with the page in the parameters, or with the first.
   * The default page size is 100.
   * The pages are read one after the other, not from one snapshot of the database.
   */
  listAllFilms(params?: NonNullable<operations["listFilms"]["parameters"]["query"]>, options?: CallOptions): AsyncGenerator<Schemas["Film"], void, undefined>;
  /**
   * GET /languages: list the languages.
   *
   * All languages by name, at most 1000, with the number of their films.
   */
  listLanguages(options?: CallOptions): Promise<Schemas["LanguageList"]>;
  /**
   * GET /stores: list the stores.
   *
   * All stores by `store_id`, at most 1000, with their addresses.
   */
  listStores(options?: CallOptions): Promise<Schemas["StoreList"]>;
  /**
   * POST /ai/summary: summarize a film as JSON.
   *
   * The language model names the film and says whether it recommends it. A film is recommended if its
   * rating is above PG-13 (R or NC-17) and its rental rate is below 3.00. The server checks the
   * model's answer against the schema, the database and that rule.
   */
  summarizeFilm(body: Schemas["SummaryRequest"], options?: CallOptions): Promise<Schemas["FilmSummary"]>;
}

/** How to call an operation. */
export interface Operation {
  method: string;
  path: string;
  /** Whether it has a JSON body. */
  body?: boolean;
  /** Whether it has parameters in the query or in headers. */
  params?: boolean;
  /** The parameters in headers. */
  headers?: readonly string[];
  /** The method that reads all pages, and how it does that. */
  pages?: Pages & { name: string };
}

/** The operations of the contract by id. */
export const table = {
  askQuestion: { method: "GET", path: "/ai/ask", params: true },
  createRental: { method: "POST", path: "/customers/{customer_id}/rentals", body: true },
  createToken: { method: "POST", path: "/token" },
  getActor: { method: "GET", path: "/actors/{actor_id}" },
  getFilm: { method: "GET", path: "/films/{film_id}" },
  getHealth: { method: "GET", path: "/healthz" },
  getReadiness: { method: "GET", path: "/readyz" },
  getRental: { method: "GET", path: "/customers/{customer_id}/rentals/{rental_id}" },
  handOff: { method: "POST", path: "/ai/handoff", body: true },
  listActors: { method: "GET", path: "/actors", params: true, pages: { name: "listAllActors", size: 100, numbered: true } },
  listCategories: { method: "GET", path: "/categories" },
  listFilmInventory: { method: "GET", path: "/films/{film_id}/inventory" },
  listFilms: { method: "GET", path: "/films", params: true, pages: { name: "listAllFilms", size: 100, numbered: true, cursor: true } },
  listLanguages: { method: "GET", path: "/languages" },
  listStores: { method: "GET", path: "/stores" },
  summarizeFilm: { method: "POST", path: "/ai/summary", body: true },
} as const satisfies Record<string, Operation>;

