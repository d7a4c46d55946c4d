/** The counter: a member of staff logs in, and finds a customer. */
import type { Schemas, operations } from "pagila-api-client";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, logIn, logOut, useSession } from "./client";
import { Customer } from "./customer";
import { useStores } from "./facets";
import { count } from "./format";
import { useLoad } from "./load";
import { type Kept, More, type Page, type Pages, usePages } from "./pages";
import { Button, CounterFailure, Dialog, Field, LoadFailure, expired, isProblem, useWrite } from "./parts";
import { Failure } from "./problem";
import { type Params, type Route, href, navigate } from "./route";
import { useTyped } from "./typing";

/** The view at `#/counter` and `#/counter/customers/5`. A film in the address is to be rented to the customer who is chosen. */
export function Counter({ route: { path, params, address, left } }: { route: Route }) {
  const session = useSession();
  const [refused, setRefused] = useState<typeof session>();
  useNewHeading(session !== undefined);
  useEffect(() => {
    const refuse = () => setRefused(session);
    addEventListener(expired, refuse);
    return () => removeEventListener(expired, refuse);
  }, [session]);

  if (!session) {
    return (
      <div class="counter">
        <h1 tabIndex={-1}>The counter</h1>
        <p class="lead">Find a customer, rent and take back copies, and start and cancel subscriptions.</p>
        <LogIn />
      </div>
    );
  }
  const id = path[1] === "customers" ? path[2] : undefined;
  return (
    <div class="counter">
      <div class="session">
        {id && <a href={href("counter", params)}>All customers</a>}
        <span class="quiet">
          <span class="hidden">Logged in as </span>
          <bdi>{session.username}</bdi>
        </span>
        <Button onClick={logOut}>Log out</Button>
      </div>
      {id ? <Customer key={id} id={Number(id)} params={params} /> : <Customers params={params} kept={{ key: address, isBack: left !== undefined }} />}
      {/* The view stays as it is below the dialog, so that nothing that was typed is lost. */}
      {refused === session && (
        <Dialog title="Log in again" onClose={() => setRefused(undefined)}>
          <p>The server no longer accepts your login. What you have entered stays.</p>
          <LogIn username={session.username} />
          <div class="actions">
            <Button onClick={logOut}>Log out instead</Button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

/** Takes the reader to the heading after logging in or out, which replaces the view at the same address. */
function useNewHeading(loggedIn: boolean): void {
  const before = useRef(loggedIn);
  useEffect(() => {
    if (before.current !== loggedIn) {
      before.current = loggedIn;
      document.querySelector<HTMLElement>("main h1")?.focus();
    }
  }, [loggedIn]);
}

/** Whether the page comes from this machine, where the server may be one for development. */
const isLocal = /^(localhost|127\.0\.0\.1|\[::1])$/.test(location.hostname);

function LogIn({ username: known = "" }: { username?: string }) {
  const [username, setUsername] = useState(known);
  const [password, setPassword] = useState("");
  const { run, busy, error } = useWrite<void>();
  const submit = () => run(() => logIn(username, password));
  return (
    <form
      class="login"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Field label="User name">
        <input name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required value={username} onInput={(event) => setUsername(event.currentTarget.value)} />
      </Field>
      <Field label="Password">
        <input type="password" name="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
      </Field>
      {isLocal && (
        <p class="quiet">
          A development server accepts <code>staff</code> and <code>dvd_admin</code>.
        </p>
      )}
      <button aria-disabled={busy}>
        {busy ? "Logging in…" : "Log in"}
      </button>
      {isProblem(error, "invalid_credentials") ? (
        <p class="failure" role="alert">
          {error.detail}
        </p>
      ) : (
        error !== undefined && <Failure error={error} onRetry={submit} of="login" />
      )}
    </form>
  );
}

type CustomerQuery = NonNullable<operations["listCustomers"]["parameters"]["query"]>;

const orders = {
  customer_id: "Number",
  "-customer_id": "Number, highest first",
  last_name: "Last name",
  "-last_name": "Last name, Z first",
} satisfies Record<Schemas["CustomerSort"], string>;

/** Reads the conditions in an address, and ignores what the contract does not know. */
function queryOf(params: URLSearchParams): CustomerQuery {
  const [q, store, active, sort] = ["q", "store_id", "active", "sort"].map((name) => params.get(name) ?? "") as [string, string, string, string];
  return {
    ...(q && { q }),
    // With a film, the store is that of the copy.
    ...(/^\d+$/.test(store) && !params.has("film_id") && { store_id: Number(store) }),
    ...(/^(true|false)$/.test(active) && { active: active === "true" }),
    ...(Object.hasOwn(orders, sort) && { sort: sort as Schemas["CustomerSort"] }),
  };
}

/** Finds customers by their name and email address, and also by their number if that is what was typed. */
async function findCustomers(query: CustomerQuery, cursor: string | undefined, signal: AbortSignal): Promise<Page<Schemas["Customer"]>> {
  const [page, numbered] = await Promise.all([
    api().listCustomers({ ...query, ...(cursor && { cursor }) }, { signal }),
    cursor === undefined ? customerByNumber(query.q ?? "", signal) : undefined,
  ]);
  if (!numbered) {
    return page;
  }
  const others = page.items.filter(({ customer_id }) => customer_id !== numbered.customer_id);
  return { ...page, items: [numbered, ...others], total: (page.total ?? 0) + 1 + others.length - page.items.length };
}

async function customerByNumber(text: string, signal: AbortSignal): Promise<Schemas["Customer"] | undefined> {
  const number = /^\s*\d{1,10}\s*$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 2147483647) {
    return undefined;
  }
  try {
    return await api().getCustomer(number, { signal });
  } catch (error) {
    if (isProblem(error, "customer_not_found")) {
      return undefined;
    }
    throw error;
  }
}

function Customers({ params, kept }: { params: URLSearchParams; kept: Kept }) {
  const requested = requestedOf(params);
  const query = queryOf(params);
  const pages = usePages((cursor, signal) => findCustomers(query, cursor, signal), [JSON.stringify(query)], kept);
  const items = useStale(pages);
  const show = (change: Params, replace = false) => navigate("counter", { ...query, ...requested, ...change }, { replace });
  return (
    <>
      <h1 tabIndex={-1}>The counter</h1>
      {requested && <RequestedFilm requested={requested} />}
      <SearchForm query={query} withStore={!requested} onChange={show} />
      <p role="status" class="quiet total">
        {summary(pages)}
      </p>
      {pages.error !== undefined && <CounterFailure error={pages.error} onRetry={pages.retry} />}
      <ul class={pages.items ? "customers" : "customers stale"} aria-busy={pages.loading}>
        {items?.map((customer) => (
          <li key={customer.customer_id}>
            <a href={href(`counter/customers/${customer.customer_id}`, requested)}>
              <span class="customer-name" dir="auto">
                {customer.first_name} {customer.last_name} {!customer.active && <span class="badge off">Not active</span>}
              </span>
              <span class="quiet">
                No. {customer.customer_id}, store {customer.store_id}
              </span>
              <span class="quiet email" dir="auto">
                {customer.email}
              </span>
            </a>
          </li>
        ))}
        {!items && pages.loading && Array.from({ length: 20 }, (_, index) => <li key={index} class="skeleton" aria-hidden="true" />)}
      </ul>
      <More pages={pages} label="More customers" />
    </>
  );
}

/** What a screen reader hears of the search. */
function summary({ total, loading, error }: Pages<unknown>): string {
  if (total === undefined) {
    return error === undefined || loading ? "Searching…" : "No results";
  }
  return total === 0 ? "No customers match." : count(total, "customer");
}

/** The items, or until they are there those of the search before. */
function useStale<T>({ items, error }: Pages<T>): T[] | undefined {
  const last = useRef(items);
  last.current = items ?? (error === undefined ? last.current : undefined);
  return last.current;
}

/** The film that is to be rented, and the store. */
type Requested = Record<"film_id", string> & Partial<Record<"store_id", string>>;

function requestedOf(params: URLSearchParams): Requested | undefined {
  const film_id = params.get("film_id");
  const store_id = params.get("store_id");
  return film_id ? { film_id, ...(store_id && { store_id }) } : undefined;
}

function RequestedFilm({ requested }: { requested: Requested }) {
  const film = useLoad((signal) => api().getFilm(Number(requested.film_id), { signal }), [requested.film_id]);
  return (
    <div class="notice requested">
      <p>
        Choose the customer for this rental{requested.store_id && ` from store ${requested.store_id}`}:{" "}
        <a href={href(`films/${requested.film_id}`)} dir="auto">
          {film.value?.title ?? `film ${requested.film_id}`}
        </a>
      </p>
      <a href={href("counter")}>Cancel this rental</a>
      <LoadFailure of={film} />
    </div>
  );
}

interface SearchFormProps {
  query: CustomerQuery;
  withStore: boolean;
  onChange: (change: Record<string, string>, replace?: boolean) => void;
}

function SearchForm({ query, withStore, onChange }: SearchFormProps) {
  const stores = useStores();
  const field = useTyped(query.q ?? "", (q, replace) => onChange({ q }, replace));
  const choose = (name: string) => (event: { currentTarget: HTMLSelectElement }) => onChange({ [name]: event.currentTarget.value });

  return (
    <form
      class="customer-search"
      role="search"
      aria-label="Customers"
      onSubmit={(event) => {
        event.preventDefault();
        field.commit();
      }}
    >
      <Field label="Name, email address or number">
        <input
          type="search"
          name="q"
          dir="auto"
          autocomplete="off"
          spellcheck={false}
          maxLength={100}
          value={field.text}
          onFocus={field.begin}
          onInput={(event) => field.type(event.currentTarget.value)}
        />
      </Field>
      {withStore && (
        <Field label="Store">
          <select name="store_id" value={query.store_id ?? ""} onChange={choose("store_id")}>
            <option value="">Any store</option>
            {stores.value?.map(({ store_id, city }) => (
              <option key={store_id} value={store_id}>
                {[store_id, city].filter(Boolean).join(", ")}
              </option>
            ))}
          </select>
        </Field>
      )}
      <Field label="Status">
        <select name="active" value={String(query.active ?? "")} onChange={choose("active")}>
          <option value="">Active or not</option>
          <option value="true">Active</option>
          <option value="false">Not active</option>
        </select>
      </Field>
      <Field label="Sort by">
        <select name="sort" value={query.sort ?? "customer_id"} onChange={choose("sort")}>
          {Object.entries(orders).map(([sort, label]) => (
            <option key={sort} value={sort}>
              {label}
            </option>
          ))}
        </select>
      </Field>
    </form>
  );
}
