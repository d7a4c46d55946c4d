/** The streaming subscriptions of a customer. */
import { ProblemError, type Schemas } from "pagila-api-client";
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "./client";
import { dayAfter, dayText, today } from "./format";
import { type Loaded, useLoad } from "./load";
import { Button, Confirmation, Conflict, CounterFailure, Field, LoadFailure, Refusal, isConflict, isProblem, useWrite } from "./parts";

type Subscription = Schemas["Subscription"];

interface StreamingProps {
  customer: Schemas["CustomerDetail"];
  subscriptions: Loaded<Schemas["SubscriptionList"]>;
  /** Called when a subscription has started or ended, or has turned out to be another than is shown. */
  onChanged: () => void;
}

export function Streaming({ customer, subscriptions, onChanged }: StreamingProps) {
  const [cancelling, setCancelling] = useState<Subscription>();
  const [cancelled, setCancelled] = useState<Subscription>();
  const heading = useRef<HTMLHeadingElement>(null!);
  const list = subscriptions.value?.items;
  return (
    <section class="panel" aria-labelledby="streaming">
      <h2 id="streaming" ref={heading} tabIndex={-1}>
        Streaming
      </h2>
      <LoadFailure of={subscriptions} />
      {list?.length === 0 && <p class="quiet">There is no subscription.</p>}
      <ul class="subscriptions" aria-busy={subscriptions.loading}>
        {list?.map((subscription) => (
          <li key={subscription.subscription_id}>
            <SubscriptionFacts subscription={subscription} />
            {mayCancel(subscription) && (
              <Button onClick={() => setCancelling(subscription)}>
                Cancel<span class="hidden"> the plan {subscription.plan_name}</span>
              </Button>
            )}
          </li>
        ))}
      </ul>
      <Subscribe customer={customer} cancelled={cancelled} onChanged={onChanged} onCancel={setCancelling} />
      {cancelling && (
        <CancelDialog
          subscription={cancelling}
          onChanged={(subscription) => {
            setCancelled(subscription);
            onChanged();
          }}
          onClose={() => setCancelling(undefined)}
          fallback={heading}
        />
      )}
    </section>
  );
}

function SubscriptionFacts({ subscription: { plan_name, start_date, end_date, active } }: { subscription: Subscription }) {
  const state = active ? "Active" : start_date > today() ? "Not started" : "Ended";
  return (
    <div>
      <strong class="plan" dir="auto">{plan_name}</strong> <span class={active ? "badge" : "badge off"}>{state}</span>
      <p class="quiet">
        From {dayText(start_date)} {end_date === null ? "on" : `to ${dayText(end_date)}`}
      </p>
    </div>
  );
}

/** A cancellation makes today the last day, or the first day of a subscription that has not started. */
function mayCancel({ start_date, end_date }: Subscription): boolean {
  const last = start_date > today() ? start_date : today();
  return end_date === null || end_date > last;
}

interface CancelDialogProps {
  subscription: Subscription;
  onChanged: (cancelled: Subscription | undefined) => void;
  onClose: () => void;
  fallback: RefObject<HTMLElement>;
}

function CancelDialog({ subscription, onChanged, onClose, fallback }: CancelDialogProps) {
  const write = useWrite<Subscription>((result, conflict) => onChanged(result ?? conflict?.subscription));
  const before = isProblem(write.error, "already_cancelled") ? write.error : undefined;
  const cancelled = write.result ?? before?.subscription;
  const isDone = cancelled !== undefined || before !== undefined;
  return (
    <Confirmation
      title={isDone ? "Cancelled" : "Cancel this subscription?"}
      action="Cancel it"
      acting="Cancelling…"
      write={write}
      onSubmit={() => write.run(() => api().cancelSubscription(subscription.customer_id, subscription.subscription_id))}
      onClose={onClose}
      fallback={fallback}
      outcome={
        isDone ? (
          <>
            {before && <p class="notice">It had already been cancelled or had ended.</p>}
            {cancelled?.end_date && <p class="outcome">Its last day is {dayText(cancelled.end_date)}.</p>}
          </>
        ) : undefined
      }
    >
      <SubscriptionFacts subscription={cancelled ?? subscription} />
      {!isDone && <p>{subscription.start_date > today() ? "It will end on its first day." : "It will end today. A new one can start tomorrow."}</p>}
    </Confirmation>
  );
}

interface SubscribeProps {
  customer: Schemas["CustomerDetail"];
  /** The subscription that was cancelled last, or turned out to have been cancelled. */
  cancelled: Subscription | undefined;
  onChanged: () => void;
  onCancel: (subscription: Subscription) => void;
}

function Subscribe({ customer, cancelled, onChanged, onCancel }: SubscribeProps) {
  const plans = useLoad((signal) => api().listPlans({ signal }), []);
  const [plan, setPlan] = useState<Schemas["PlanName"]>();
  const [start, setStart] = useState("");
  const [end, setEnd] = useState("");
  const write = useWrite<Subscription>((result) => {
    if (result) {
      setPlan(undefined);
      setStart("");
      setEnd("");
    }
    onChanged();
  });
  const submit = () => {
    if (plan) {
      const body = { plan_name: plan, ...(start && { start_date: start }), ...(end && { end_date: end }) };
      write.run(() => api().createSubscription(customer.customer_id, body));
    }
  };
  const { result, error, busy } = write;
  const startOn = (day: string) => {
    setStart(day);
    setEnd((end) => (end !== "" && end < day ? "" : end));
    write.clear();
  };
  useEffect(() => {
    if (cancelled?.end_date && error instanceof ProblemError && error.subscription?.subscription_id === cancelled.subscription_id) {
      // The conflict is over. The subscription may have ended long ago, and a later day may have been chosen.
      startOn([start, dayAfter(cancelled.end_date), today()].sort().at(-1)!);
    }
  }, [cancelled]);

  return (
    <details class="subscribe">
      <summary>Start a subscription</summary>
      <form
        aria-label="Start a subscription"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <LoadFailure of={plans} />
        <fieldset class="plans">
          <legend>Plan</legend>
          {plans.value?.items.map(({ plan_name, description }) => (
            <label key={plan_name} class="check">
              <input type="radio" name="plan_name" required checked={plan === plan_name} onChange={() => setPlan(plan_name)} />
              <span>
                <strong class="plan">{plan_name}</strong> <span class="quiet">{description}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <div class="fields">
          <Field label="First day (empty: today)">
            <input type="date" name="start_date" min={today()} value={start} onInput={(event) => setStart(event.currentTarget.value)} />
          </Field>
          <Field label="Last day (empty: no end)">
            <input type="date" name="end_date" min={start || today()} value={end} onInput={(event) => setEnd(event.currentTarget.value)} />
          </Field>
        </div>
        <button aria-disabled={busy}>{busy ? "Subscribing…" : "Subscribe"}</button>
        <div class="outcomes">
          <div role="status">
            {result && (
              <p class="outcome">
                The subscription to {result.plan_name} starts on {dayText(result.start_date)}
                {result.end_date ? ` and ends on ${dayText(result.end_date)}` : ""}.
              </p>
            )}
          </div>
          {error !== undefined &&
            (isConflict(error) ? (
              <SubscribeConflict error={error} onCancel={onCancel} onStart={startOn} />
            ) : (
              <CounterFailure error={error} onRetry={submit} of="write" />
            ))}
        </div>
      </form>
    </details>
  );
}

interface SubscribeConflictProps {
  error: ProblemError;
  onCancel: (subscription: Subscription) => void;
  onStart: (day: string) => void;
}

/** Explains why a subscription is not possible, and who can do what. */
function SubscribeConflict({ error, onCancel, onStart }: SubscribeConflictProps) {
  const { code, subscription } = error;
  if (code !== "already_subscribed") {
    return <Refusal error={error} />;
  }
  const end = subscription?.end_date;
  return (
    <Conflict title="The customer has a subscription on some of these days.">
      <p>If a request was lost just before, this may be its subscription.</p>
      {subscription && (
        <>
          <SubscriptionFacts subscription={subscription} />
          <div class="actions">
            {mayCancel(subscription) && <Button onClick={() => onCancel(subscription)}>Cancel that one</Button>}
            {end && <Button onClick={() => onStart(dayAfter(end))}>Start on {dayText(dayAfter(end))}</Button>}
          </div>
        </>
      )}
    </Conflict>
  );
}
