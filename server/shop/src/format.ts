/** How the counter shows times, days and sums of money. */

const time = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeZone: "UTC" });

/** A time such as 2026-11-26T12:00:00Z, in the time zone of the reader. */
export function timeText(value: string): string {
  return formatted(time, value);
}

/** A day such as 2026-11-26. Days have no time zone. */
export function dayText(value: string): string {
  return formatted(day, value);
}

function formatted(format: Intl.DateTimeFormat, value: string): string {
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? value : format.format(date);
}

/** A sum of money such as 0.99. It is never made a number, so that it is never rounded. */
export function moneyText(amount: string): string {
  return amount.startsWith("-") ? `−$${amount.slice(1)}` : `$${amount}`;
}

/** A number and its noun, such as 1 film or 2 films. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** Today in UTC, in which the server counts the days of subscriptions. */
export function today(): string {
  return new Date().toISOString().slice(0, 10);
}

/** The day after a day. */
export function dayAfter(value: string): string {
  const date = new Date(value);
  date.setUTCDate(date.getUTCDate() + 1);
  return date.toISOString().slice(0, 10);
}
