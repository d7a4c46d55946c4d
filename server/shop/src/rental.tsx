/** A rental, and its return. */
import type { Schemas } from "pagila-api-client";
import type { RefObject } from "preact";
import { api } from "./client";
import { count, moneyText, timeText } from "./format";
import { Button, Confirmation, isProblem, useWrite } from "./parts";
import { href } from "./route";

type Rental = Schemas["Rental"];

interface RentalListProps {
  rentals: Rental[];
  /** Offers to return the copy. */
  onReturn?: ((rental: Rental) => void) | undefined;
}

export function RentalList({ rentals, onReturn }: RentalListProps) {
  return (
    <ul class="rentals">
      {rentals.map((rental) => (
        <li key={rental.rental_id}>
          <RentalFacts rental={rental} />
          {onReturn && rental.return_date === null && (
            <Button onClick={() => onReturn(rental)}>
              Return<span class="hidden"> {rental.title}</span>
            </Button>
          )}
        </li>
      ))}
    </ul>
  );
}

export function RentalFacts({ rental }: { rental: Rental }) {
  const { film_id, title, inventory_id, store_id, rental_date, due_date, return_date } = rental;
  return (
    <div class="rental-facts">
      <a href={href(`films/${film_id}`)} dir="auto">
        {title}
      </a>
      <p class="quiet">
        Copy {inventory_id} of store {store_id}, rented {timeText(rental_date)}, {return_date ? `returned ${timeText(return_date)}` : `due ${timeText(due_date)}`}
      </p>
      <Lateness rental={rental} />
    </div>
  );
}

function Lateness({ rental }: { rental: Rental }) {
  const { days_overdue, due_date, late_fee, return_date } = rental;
  if (days_overdue === 0) {
    return return_date === null && Date.parse(due_date) < Date.now() ? <p class="late">Overdue for less than a day, no fee yet</p> : null;
  }
  const days = count(days_overdue, "day");
  return (
    <p class={return_date ? "quiet" : "late"}>
      {return_date ? `${days} late` : `${days} overdue`}
      {late_fee === undefined ? ", the fee is unknown" : `, ${moneyText(late_fee)}${return_date ? "" : " so far"}`}
    </p>
  );
}

interface ReturnDialogProps {
  rental: Rental;
  /** Called when the copy has been returned, now or before. */
  onReturned: () => void;
  onClose: () => void;
  fallback: RefObject<HTMLElement>;
}

/** Asks whether to return a copy, returns it, and says what to collect. */
export function ReturnDialog({ rental, onReturned, onClose, fallback }: ReturnDialogProps) {
  const write = useWrite<Rental>(onReturned);
  const before = isProblem(write.error, "already_returned") ? write.error : undefined;
  const returned = write.result ?? before?.rental;
  const isDone = returned !== undefined || before !== undefined;
  return (
    <Confirmation
      title={isDone ? "Returned" : "Return this copy?"}
      action="Return it"
      acting="Returning…"
      write={write}
      onSubmit={() => write.run(() => api().returnRental(rental.customer_id, rental.rental_id))}
      onClose={onClose}
      fallback={fallback}
      outcome={
        isDone ? (
          <>
            {before && <p class="notice">This copy was returned before, by a colleague or by a request whose response was lost.</p>}
            {returned && <p class="outcome">{feeText(returned)}</p>}
          </>
        ) : undefined
      }
    >
      <RentalFacts rental={returned ?? rental} />
    </Confirmation>
  );
}

function feeText({ late_fee }: Rental): string {
  if (late_fee === undefined) {
    return "The late fee is unknown.";
  }
  return Number(late_fee) > 0 ? `Late fee to collect: ${moneyText(late_fee)}` : "There is no late fee.";
}
