// Code that must not compile, since the types forbid it. The build fails if a line below an expect-error comment
// has no error. The code never runs.
import { createClient } from "pagila-api-client";

export async function rejected(): Promise<void> {
  const api = createClient({ baseUrl: "" });
  // @ts-expect-error The contract has no such operation.
  await api.listMovies();
  // @ts-expect-error The path has a parameter.
  await api.getFilm();
  // @ts-expect-error The parameter is a number.
  await api.getFilm("1");
  // @ts-expect-error The contract has no such parameter.
  await api.listFilms({ colour: "red" });
  // @ts-expect-error The body lacks a required property.
  await api.createRental(1, { inventory_id: 1 });
  // @ts-expect-error The contract has no such plan.
  await api.createSubscription(1, { plan_name: "gold" });
  // @ts-expect-error Money is a decimal string.
  const rate: number = (await api.getFilm(1)).rental_rate;
  // @ts-expect-error The date is null until the copy is returned.
  const back: string = (await api.getRental(1, 1)).return_date;
  for await (const event of api.askQuestionEvents(`${rate} ${back}`)) {
    // @ts-expect-error Only a delta event has text.
    event.text;
  }
}
