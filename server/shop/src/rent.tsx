/** Renting a copy to a customer. */
import { ProblemError, type Schemas } from "pagila-api-client";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, session } from "./client";
import { useStores } from "./facets";
import { count, moneyText, timeText } from "./format";
import { useLoad } from "./load";
import { type Picked, FilmPicker } from "./picker";
import { Button, Conflict, CounterFailure, Field, LoadFailure, Refusal, isConflict, useWrite } from "./parts";
import { RentalFacts } from "./rental";
import { href } from "./route";

type Rental = Schemas["Rental"];

interface RentProps {
  customer: Schemas["CustomerDetail"];
  /** The film and the store that the address names. */
  requested: { film: number | undefined; store: number | undefined };
  /** The members of staff who are known from the customer's rentals. */
  staff: number[];
  /** Called when a copy has been rented, or a conflict shows that the view is out of date. */
  onChange: (rental: Rental | undefined) => void;
  /** The rental that ended last. */
  returned: number | undefined;
  onReturn: (rental: Rental) => void;
}

/** The number of the member of staff that was entered last since the login. The next copy is probably rented out by the same person. */
let last = { session, member: "" };

export function Rent({ customer, requested, staff, onChange, returned, onReturn }: RentProps) {
  const stores = useStores();
  const [target, setTarget] = useState<"film" | "copy">("film");
  const [film, setFilm] = useState<Picked | undefined>(requested.film === undefined ? undefined : { film_id: requested.film });
  const [store, setStore] = useState(requested.store ?? customer.store_id);
  const [copy, setCopy] = useState("");
  const [member, setMember] = useState(last.session === session ? last.member : "");
  const detail = useLoad(async (signal) => (film ? api().getFilm(film.film_id, { signal }) : undefined), [film?.film_id]);
  const picker = useRef<HTMLInputElement>(null);

  // The film that the last request named, unless it named a copy. The form may change before the response.
  const [asked, setAsked] = useState<number>();
  const write = useWrite<Rental>((rental) => {
    if (rental) {
      setFilm(undefined);
      setCopy("");
    } else {
      detail.reload();
    }
    onChange(rental);
  });
  const rent = (from: number) => {
    if (write.busy) {
      return; // the form may have changed since the request
    }
    const staff_id = Number(member);
    last = { session, member };
    setAsked(target === "film" ? film?.film_id : undefined);
    if (target === "copy") {
      write.run(() => api().createRental(customer.customer_id, { inventory_id: Number(copy), staff_id }));
    } else if (film) {
      write.run(() => api().createRental(customer.customer_id, { film_id: film.film_id, store_id: from, staff_id }));
    }
  };
  // An outcome belongs to what the form had then.
  const changed = <T,>(set: (value: T) => void) => (value: T) => {
    set(value);
    if (!write.busy) {
      write.clear();
    }
  };
  const submit = () => rent(store);
  const { busy, result, error } = write;
  useEffect(() => {
    if (returned !== undefined && error instanceof ProblemError && error.rental?.rental_id === returned) {
      write.clear(); // the conflict is over
    }
  }, [returned]);

  return (
    <section class="panel" aria-labelledby="rent">
      <h2 id="rent">Rent a film</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <fieldset class="targets">
          <legend class="hidden">What to rent</legend>
          {(["film", "copy"] as const).map((value) => (
            <label key={value} class="check">
              <input type="radio" name="target" checked={target === value} onChange={() => changed(setTarget)(value)} />
              <span>{value === "film" ? "Any copy of a film" : "This copy"}</span>
            </label>
          ))}
        </fieldset>
        {target === "film" ? (
          <>
            <Field label="Store">
              <select name="store_id" value={store} onChange={(event) => changed(setStore)(Number(event.currentTarget.value))}>
                <StoreOptions stores={stores.value ?? []} film={film && detail.value} selected={store} />
              </select>
            </Field>
            <LoadFailure of={stores} />
            <FilmPicker input={picker} store={store} film={film && { ...film, title: film.title ?? detail.value?.title }} onPick={changed(setFilm)} />
            <p class="hint quiet">{film ? <Stock film={detail.value} store={store} /> : "Only films that are in stock at this store are found."}</p>
            <LoadFailure of={detail} />
          </>
        ) : (
          <Field label="Number of the copy">
            <NumberInput name="inventory_id" value={copy} onInput={changed(setCopy)} />
          </Field>
        )}
        <Field label="Member of staff">
          <NumberInput name="staff_id" value={member} onInput={setMember} hint="staff-hint" />
        </Field>
        <p id="staff-hint" class="hint quiet">
          {`The number of the person who rents it out${staff.length > 0 ? `, such as ${staff.join(" or ")}` : ""}.`}
        </p>
        <button aria-disabled={busy}>
          {busy ? "Renting…" : "Rent"}
        </button>
        <div class="outcomes">
          <div role="status">
            {result && (
              <p class="outcome">
                Rented <bdi>{result.title}</bdi>: copy {result.inventory_id} of store {result.store_id}, due {timeText(result.due_date)}.
              </p>
            )}
          </div>
          {error !== undefined &&
            (isConflict(error) ? (
              <RentConflict
                error={error}
                isCopy={asked === undefined}
                film={target === "film" && detail.value?.film_id === asked ? detail.value : undefined}
                onReturn={onReturn}
                onStore={(from) => {
                  setStore(from);
                  rent(from);
                }}
                onCopy={() => changed(setTarget)("copy")}
              />
            ) : (
              <CounterFailure error={error} onRetry={submit} of="write" />
            ))}
        </div>
      </form>
    </section>
  );
}

interface NumberInputProps {
  name: string;
  value: string;
  onInput: (value: string) => void;
  hint?: string;
}

function NumberInput({ name, value, onInput, hint }: NumberInputProps) {
  return (
    <input
      type="number"
      name={name}
      min={1}
      max={2147483647}
      required
      value={value}
      aria-describedby={hint}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

interface StoreOptionsProps {
  stores: Schemas["Store"][];
  film: Schemas["FilmDetail"] | undefined;
  selected: number;
}

function StoreOptions({ stores, film, selected }: StoreOptionsProps) {
  const known = stores.some(({ store_id }) => store_id === selected) ? stores : [{ store_id: selected }, ...stores];
  return (
    <>
      {known.map(({ store_id, city }: Schemas["Store"]) => (
        <option key={store_id} value={store_id}>
          {[`Store ${store_id}`, city].filter(Boolean).join(", ")}
          {film && ` (${inStock(film, store_id)} in stock)`}
        </option>
      ))}
    </>
  );
}

function inStock(film: Schemas["FilmDetail"], store: number): number {
  return film.availability.find(({ store_id }) => store_id === store)?.in_stock ?? 0;
}

function Stock({ film, store }: { film: Schemas["FilmDetail"] | undefined; store: number }) {
  if (!film) {
    return <>Checking stock…</>;
  }
  const copies = film.availability.find(({ store_id }) => store_id === store)?.copies ?? 0;
  return (
    <>
      {inStock(film, store)} of {copies} {copies === 1 ? "copy" : "copies"} in stock at store {store}. Rents for {count(film.rental_duration, "day")}
      {film.rental_rate && ` for ${moneyText(film.rental_rate)}`}.
    </>
  );
}

interface RentConflictProps {
  error: ProblemError;
  /** Whether the request named a copy, and not a film. */
  isCopy: boolean;
  /** The film that the request named, if its details are there. */
  film: Schemas["FilmDetail"] | undefined;
  onReturn: (rental: Rental) => void;
  onStore: (store: number) => void;
  onCopy: () => void;
}

/** Explains why the copy could not be rented, and who can do what. */
function RentConflict({ error, isCopy, film, onReturn, onStore, onCopy }: RentConflictProps) {
  switch (error.code) {
    case "already_rented_by_customer":
      return <AlreadyRented rental={error.rental} onReturn={onReturn} onCopy={isCopy ? undefined : onCopy} />;
    case "inventory_not_available":
      return isCopy ? (
        <Conflict title="This copy is rented out.">
          <p>The customer who has it can return it. Until then, rent another copy of the film.</p>
        </Conflict>
      ) : (
        <Conflict title="This store has no copy in stock.">{film && <OtherCopies film={film} onStore={onStore} />}</Conflict>
      );
  }
  return <Refusal error={error} />;
}

interface AlreadyRentedProps {
  rental: Rental | undefined;
  onReturn: (rental: Rental) => void;
  onCopy: (() => void) | undefined;
}

function AlreadyRented({ rental, onReturn, onCopy }: AlreadyRentedProps) {
  return (
    <Conflict title="This customer has it already.">
      <p>If a request was lost just before, this may be its rental.</p>
      {rental && <RentalFacts rental={rental} />}
      <div class="actions">
        {rental && <Button onClick={() => onReturn(rental)}>Return it</Button>}
        {onCopy && <Button onClick={onCopy}>Rent a second copy by its number</Button>}
      </div>
    </Conflict>
  );
}

function OtherCopies({ film, onStore }: { film: Schemas["FilmDetail"]; onStore: (store: number) => void }) {
  const copies = useLoad((signal) => api().listFilmInventory(film.film_id, { signal }), [film]);
  const [due] = (copies.value?.items ?? []).flatMap(({ due_date }) => due_date ?? []).sort();
  const others = film.availability.filter(({ in_stock }) => in_stock > 0);
  return (
    <>
      {others.length === 0 && <p>No other store has one either.</p>}
      {due && (
        <p>
          The first copy {Date.parse(due) < Date.now() ? "was" : "is"} due {timeText(due)}.
        </p>
      )}
      <div class="actions">
        {others.map(({ store_id, in_stock }) => (
          <Button key={store_id} onClick={() => onStore(store_id)}>
            Rent from store {store_id} ({in_stock} in stock)
          </Button>
        ))}
        <a href={href(`films/${film.film_id}`)}>
          Stock of <bdi>{film.title}</bdi>
        </a>
      </div>
    </>
  );
}
