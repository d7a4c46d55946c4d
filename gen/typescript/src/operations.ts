// Written by api/sdk. Do not edit.
import type { Repeat } from "./operation.js";
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
   * POST /customers/{customer_id}/subscriptions/{subscription_id}/cancel: cancel a subscription.
   *
   * Ends a subscription. Its last day becomes today, in UTC. A subscription that has not begun ends on its
   * first day. A new one can begin on the day after. The request has no body.
   * 
   * The request may be repeated safely. If the subscription ends no later already, the response is 409
   * `already_cancelled` with the subscription.
   */
  cancelSubscription(customerId: number, subscriptionId: number, options?: CallOptions): Promise<Schemas["Subscription"]>;
  /**
   * POST /customers/{customer_id}/rentals: rent a copy.
   *
   * Rents a copy of a film to a customer from now on. The body names the copy (`inventory_id`), or a film
   * and a store (`film_id` and `store_id`), of which the database chooses a copy in stock. A copy is
   * rented to one customer at a time, however many requests arrive at the same time.
   * 
   * The customer and the member of staff must be active. A customer is active unless one of Pagila's
   * columns `active` and `activebool` says otherwise; NULL does not. The member of staff may belong to
   * another store than the copy, as in Pagila's own rentals.
   * 
   * The request may be repeated safely. If the customer has this copy already, or a copy of this film
   * from any store if the body names a film, the response is 409 `already_rented_by_customer` with the
   * rental in `rental` and in `Location`. So a client whose first response was lost learns that it was
   * successful. To rent a second copy of the same film, name the copy.
   */
  createRental(customerId: number, body: Schemas["RentalRequest"], options?: CallOptions): Promise<Schemas["Rental"]>;
  /**
   * POST /customers/{customer_id}/subscriptions: subscribe to streaming.
   *
   * Subscribes a customer to a plan, from `start_date` to `end_date` inclusive. Days are counted in UTC.
   * The customer must be active, and has at most one subscription on any day, however many requests
   * arrive at the same time.
   * 
   * `start_date` is from today, which is the default, to 366 days ahead. `end_date` is at most 3660 days
   * after it. Without `end_date` the subscription has no end. Other dates give 422 `invalid_dates`.
   * 
   * The request may be repeated safely. If the customer has a subscription on any of these days, the
   * response is 409 `already_subscribed` with that subscription in `subscription` and in `Location`.
   * A repeated request is recognized first, even if its `start_date` is past by then or the customer is no
   * longer active.
   */
  createSubscription(customerId: number, body: Schemas["SubscriptionRequest"], options?: CallOptions): Promise<Schemas["Subscription"]>;
  /**
   * GET /actors/{actor_id}: read an actor.
   *
   * The actor with the films by title, at most 1000.
   */
  getActor(actorId: number, options?: CallOptions): Promise<Schemas["ActorDetail"]>;
  /**
   * GET /customers/{customer_id}: read a customer.
   *
   * The customer with the address, the open rentals, what is overdue, the late fees up to now, and the
   * subscription that is active today.
   */
  getCustomer(customerId: number, options?: CallOptions): Promise<Schemas["CustomerDetail"]>;
  /**
   * GET /films/{film_id}: read a film.
   *
   * The film with its categories, its actors, and how many copies each store has. `ETag` identifies the
   * state of all that. A request with this value in the header `If-None-Match` gets 304 while it has not
   * changed (RFC 9110, section 13.1.2).
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
   * GET /customers/{customer_id}/subscriptions/{subscription_id}: read a subscription.
   *
   * Returns 404 if the subscription belongs to another customer.
   */
  getSubscription(customerId: number, subscriptionId: number, options?: CallOptions): Promise<Schemas["Subscription"]>;
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
   * GET /customers/{customer_id}/payments: list the payments of a customer.
   *
   * One page of the customer's payments, by number or by cursor as in `GET /films`. Payments cannot be
   * added: Pagila's table has no partition for dates after July 2022.
   */
  listCustomerPayments(customerId: number, params?: NonNullable<operations["listCustomerPayments"]["parameters"]["query"]>, options?: CallOptions): Promise<Schemas["PaymentPage"]>;
  /**
   * Yields the items of all pages of `listCustomerPayments`, beginning with the page in the parameters, or with the first.
   * The default page size is 100.
   * The pages are read one after the other, not from one snapshot of the database.
   */
  listAllCustomerPayments(customerId: number, params?: NonNullable<operations["listCustomerPayments"]["parameters"]["query"]>, options?: CallOptions): AsyncGenerator<Schemas["Payment"], void, undefined>;
  /**
   * GET /customers/{customer_id}/rentals: list the rentals of a customer.
   *
   * One page of the customer's rentals, by number or by cursor as in `GET /films`. After a rental whose
   * response was lost, `state=open` shows whether it was made.
   */
  listCustomerRentals(customerId: number, params?: NonNullable<operations["listCustomerRentals"]["parameters"]["query"]>, options?: CallOptions): Promise<Schemas["RentalPage"]>;
  /**
   * Yields the items of all pages of `listCustomerRentals`, beginning with the page in the parameters, or with the first.
   * The default page size is 100.
   * The pages are read one after the other, not from one snapshot of the database.
   */
  listAllCustomerRentals(customerId: number, params?: NonNullable<operations["listCustomerRentals"]["parameters"]["query"]>, options?: CallOptions): AsyncGenerator<Schemas["Rental"], void, undefined>;
  /**
   * GET /customers/{customer_id}/subscriptions: list the subscriptions of a customer.
   *
   * The customer's subscriptions, the latest `start_date` first. There are at most 1000.
   */
  listCustomerSubscriptions(customerId: number, options?: CallOptions): Promise<Schemas["SubscriptionList"]>;
  /**
   * GET /customers: list customers.
   *
   * One page of the customers, by number or by cursor as in `GET /films`.
   */
  listCustomers(params?: NonNullable<operations["listCustomers"]["parameters"]["query"]>, options?: CallOptions): Promise<Schemas["CustomerPage"]>;
  /**
   * Yields the items of all pages of `listCustomers`, beginning with the page in the parameters, or with the first.
   * The default page size is 100.
   * The pages are read one after the other, not from one snapshot of the database.
   */
  listAllCustomers(params?: NonNullable<operations["listCustomers"]["parameters"]["query"]>, options?: CallOptions): AsyncGenerator<Schemas["Customer"], void, undefined>;
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
   * GET /plans: list the streaming plans.
   *
   * The plans that a customer can subscribe to. The films for streaming are those of `GET /films` with `streaming_available=true`.
   */
  listPlans(options?: CallOptions): Promise<Schemas["PlanList"]>;
  /**
   * GET /rentals: list the rentals of the shop.
   *
   * One page of the rentals that meet all of the conditions, by number or by cursor as in `GET /films`. An
   * unknown customer, film or store gives an empty page.
   */
  listRentals(params?: NonNullable<operations["listRentals"]["parameters"]["query"]>, options?: CallOptions): Promise<Schemas["RentalPage"]>;
  /**
   * Yields the items of all pages of `listRentals`, beginning with the page in the parameters, or with the first.
   * The default page size is 100.
   * The pages are read one after the other, not from one snapshot of the database.
   */
  listAllRentals(params?: NonNullable<operations["listRentals"]["parameters"]["query"]>, options?: CallOptions): AsyncGenerator<Schemas["Rental"], void, undefined>;
  /**
   * GET /stores: list the stores.
   *
   * All stores by `store_id`, at most 1000, with their addresses.
   */
  listStores(options?: CallOptions): Promise<Schemas["StoreList"]>;
  /**
   * POST /customers/{customer_id}/rentals/{rental_id}/return: return a copy.
   *
   * Ends a rental now. The response has the days overdue and the late fee, by Pagila's rule: one dollar
   * for each whole day overdue, and the replacement cost as well if the copy is more than twice the
   * film's `rental_duration` overdue. The request has no body.
   * 
   * The request may be repeated safely. If the copy was returned before, the response is 409
   * `already_returned` with the rental, whose `return_date` is that of the first return.
   */
  returnRental(customerId: number, rentalId: number, options?: CallOptions): Promise<Schemas["Rental"]>;
  /**
   * POST /ai/summary: summarize a film as JSON.
   *
   * The language model names the film and says whether it recommends it. A film is recommended if its
   * rating is above PG-13 (R or NC-17) and its rental rate is below 3.00. The server checks the
   * model's answer against the schema, the database and that rule.
   */
  summarizeFilm(body: Schemas["SummaryRequest"], options?: CallOptions): Promise<Schemas["FilmSummary"]>;
  /**
   * PATCH /films/{film_id}: offer a film for streaming, or stop offering it.
   *
   * Changes whether the film can be streamed. Read the film first, and send its `etag` in `If-Match`. If
   * anything about the film has changed in between, even its stock, the response is 412, so that no
   * client overwrites a change that it has not seen. Read the film again and decide anew.
   */
  updateFilm(filmId: number, body: Schemas["FilmUpdate"], params?: NonNullable<operations["updateFilm"]["parameters"]["header"]>, options?: CallOptions): Promise<Schemas["FilmDetail"]>;
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
  /** How the server responds to a request that it carried out before. Undefined if it must not be repeated. */
  repeat?: Repeat;
}

/** The operations of the contract by id. */
export const table = {
  askQuestion: { method: "GET", path: "/ai/ask", params: true },
  cancelSubscription: { method: "POST", path: "/customers/{customer_id}/subscriptions/{subscription_id}/cancel", repeat: { code: "already_cancelled", member: "subscription" } },
  createRental: { method: "POST", path: "/customers/{customer_id}/rentals", body: true, repeat: { code: "already_rented_by_customer", member: "rental" } },
  createSubscription: { method: "POST", path: "/customers/{customer_id}/subscriptions", body: true, repeat: { code: "already_subscribed", member: "subscription" } },
  createToken: { method: "POST", path: "/token" },
  getActor: { method: "GET", path: "/actors/{actor_id}" },
  getCustomer: { method: "GET", path: "/customers/{customer_id}" },
  getFilm: { method: "GET", path: "/films/{film_id}" },
  getHealth: { method: "GET", path: "/healthz" },
  getReadiness: { method: "GET", path: "/readyz" },
  getRental: { method: "GET", path: "/customers/{customer_id}/rentals/{rental_id}" },
  getSubscription: { method: "GET", path: "/customers/{customer_id}/subscriptions/{subscription_id}" },
  handOff: { method: "POST", path: "/ai/handoff", body: true },
  listActors: { method: "GET", path: "/actors", params: true, pages: { name: "listAllActors", size: 100, numbered: true } },
  listCategories: { method: "GET", path: "/categories" },
  listCustomerPayments: { method: "GET", path: "/customers/{customer_id}/payments", params: true, pages: { name: "listAllCustomerPayments", size: 100, numbered: true, cursor: true } },
  listCustomerRentals: { method: "GET", path: "/customers/{customer_id}/rentals", params: true, pages: { name: "listAllCustomerRentals", size: 100, numbered: true, cursor: true } },
  listCustomerSubscriptions: { method: "GET", path: "/customers/{customer_id}/subscriptions" },
  listCustomers: { method: "GET", path: "/customers", params: true, pages: { name: "listAllCustomers", size: 100, numbered: true, cursor: true } },
  listFilmInventory: { method: "GET", path: "/films/{film_id}/inventory" },
  listFilms: { method: "GET", path: "/films", params: true, pages: { name: "listAllFilms", size: 100, numbered: true, cursor: true } },
  listLanguages: { method: "GET", path: "/languages" },
  listPlans: { method: "GET", path: "/plans" },
  listRentals: { method: "GET", path: "/rentals", params: true, pages: { name: "listAllRentals", size: 100, numbered: true, cursor: true } },
  listStores: { method: "GET", path: "/stores" },
  returnRental: { method: "POST", path: "/customers/{customer_id}/rentals/{rental_id}/return", repeat: { code: "already_returned", member: "rental" } },
  summarizeFilm: { method: "POST", path: "/ai/summary", body: true },
  updateFilm: { method: "PATCH", path: "/films/{film_id}", body: true, params: true, headers: ["If-Match"] },
} as const satisfies Record<string, Operation>;

