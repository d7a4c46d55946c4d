/** A customer at the counter: what is rented, renting, returning and streaming. */
import type { Schemas } from "pagila-api-client";
import { useRef, useState } from "preact/hooks";
import { api } from "./client";
import { moneyText } from "./format";
import { useLoad } from "./load";
import { More, usePages } from "./pages";
import { CounterFailure } from "./parts";
import { Rent } from "./rent";
import { RentalList, ReturnDialog } from "./rental";
import { navigate } from "./route";
import { Streaming } from "./streaming";

type Rental = Schemas["Rental"];

/** The view at `#/counter/customers/5`. */
export function Customer({ id, params }: { id: number; params: URLSearchParams }) {
  const customer = useLoad((signal) => api().getCustomer(id, { signal }), [id]);
  const subscriptions = useLoad((signal) => api().listCustomerSubscriptions(id, { signal }), [id]);
  const earlier = usePages((cursor, signal) => api().listCustomerRentals(id, { state: "returned", sort: "-return_date", ...(cursor && { cursor }) }, { signal }), [id]);
  const [returning, setReturning] = useState<Rental>();
  const [returned, setReturned] = useState<number>();
  const open = useRef<HTMLHeadingElement>(null!);
  const refresh = () => {
    customer.reload();
    earlier.reload();
  };
  const reload = () => {
    refresh();
    subscriptions.reload();
  };
  const found = customer.value;
  const rentals = [...(found?.open_rentals ?? []), ...(earlier.items ?? [])];
  const requested = { film: numberOf(params.get("film_id")), store: numberOf(params.get("store_id")) };

  return (
    <>
      <h1 tabIndex={-1} dir="auto">
        {found ? `${found.first_name} ${found.last_name}` : `Customer ${id || ""}`}
      </h1>
      {customer.error !== undefined && <CounterFailure error={customer.error} onRetry={reload} />}
      {found ? <Facts customer={found} /> : customer.loading && <div class="customer-skeleton skeleton" aria-hidden="true" />}
      {found && (
        <div class="customer" aria-busy={customer.loading}>
          <section class="open" aria-labelledby="open">
            <h2 id="open" ref={open} tabIndex={-1}>
              Rented now
            </h2>
            {found.open_rentals.length === 0 && <p class="quiet">No copies rented.</p>}
            <RentalList rentals={found.open_rentals} onReturn={setReturning} />
          </section>
          <div class="writes">
            <Rent
              customer={found}
              requested={requested}
              staff={[...new Set(rentals.map(({ staff_id }) => staff_id))].sort((a, b) => a - b).slice(0, 5)}
              onChange={(rental) => {
                if (rental && params.size > 0) {
                  navigate(`counter/customers/${id}`, {}, { replace: true });
                }
                refresh();
              }}
              returned={returned}
              onReturn={setReturning}
            />
            <Streaming
              customer={found}
              subscriptions={subscriptions}
              onChanged={() => {
                customer.reload();
                subscriptions.reload();
              }}
            />
          </div>
          <section class="earlier-rentals" aria-labelledby="earlier">
            <h2 id="earlier">Earlier rentals{earlier.total !== undefined && <span class="quiet"> {earlier.total}</span>}</h2>
            {earlier.items?.length === 0 && <p class="quiet">There are none.</p>}
            {earlier.items ? <RentalList rentals={earlier.items} /> : earlier.loading && <SkeletonRows />}
            {earlier.error !== undefined && <CounterFailure error={earlier.error} onRetry={earlier.retry} />}
            <More pages={earlier} label="More rentals" />
          </section>
        </div>
      )}
      {returning && (
        <ReturnDialog
          rental={returning}
          onReturned={() => {
            setReturned(returning.rental_id);
            refresh();
          }}
          onClose={() => setReturning(undefined)}
          fallback={open}
        />
      )}
    </>
  );
}

function numberOf(text: string | null): number | undefined {
  return text && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function SkeletonRows() {
  return (
    <ul class="rentals" aria-hidden="true">
      {Array.from({ length: 8 }, (_, index) => (
        <li key={index} class="skeleton" />
      ))}
    </ul>
  );
}

function Facts({ customer }: { customer: Schemas["CustomerDetail"] }) {
  const { customer_id, store_id, active, email, address, overdue, late_fees, subscription } = customer;
  const place = address && [address.address, address.additional_address, address.district, [address.postal_code, address.city].filter(Boolean).join(" "), address.country];
  return (
    <>
      {!active && (
        <p class="notice">
          <strong>Not active.</strong> This customer can return copies, but not rent or subscribe.
        </p>
      )}
      <dl class="customer-facts">
        <Fact name="Number">{customer_id}</Fact>
        <Fact name="Store">{store_id}</Fact>
        {email && <Fact name="Email">{email}</Fact>}
        {place && <Fact name="Address">{place.filter(Boolean).join(", ")}</Fact>}
        {address?.phone && <Fact name="Telephone">{address.phone}</Fact>}
        <Fact name="Overdue" isBad={overdue > 0}>
          {overdue}
        </Fact>
        <Fact name="Late fees so far" isBad={overdue > 0}>
          {late_fees === undefined ? "unknown" : moneyText(late_fees)}
        </Fact>
        <Fact name="Streaming">{subscription?.plan_name ?? "none"}</Fact>
      </dl>
    </>
  );
}

interface FactProps {
  name: string;
  isBad?: boolean;
  children: string | number;
}

function Fact({ name, isBad = false, children }: FactProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd dir="auto" class={isBad ? "bad" : undefined}>
        {children}
      </dd>
    </div>
  );
}
