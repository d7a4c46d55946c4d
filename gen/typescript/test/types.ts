// Compiled and never run: what the types have to refuse. Each line that compiles without its
// comment fails the build.
import { createClient } from "pagila-api-client";

export async function refused(): Promise<void> {
  const api = createClient({ baseUrl: "" });
  // @ts-expect-error The contract has no such operation.
  await api.listMovies();
  // @ts-expect-error The path has a parameter.
  await api.getFilm();
  // @ts-expect-error It is a number.
  await api.getFilm("1");
  // @ts-expect-error The contract has no such parameter.
  await api.listFilms({ colour: "red" });
  // @ts-expect-error A body has to be complete.
  await api.createRental(1, { inventory_id: 1 });
  // @ts-expect-error Money is a decimal string.
  const rate: number = (await api.getFilm(1)).rental_rate;
  // @ts-expect-error A rental may be out, and so without a date of return.
  const back: string = (await api.getRental(1, 1)).return_date;
  for await (const event of api.askQuestionEvents(`${rate} ${back}`)) {
    // @ts-expect-error Only a delta has text.
    event.text;
  }
}
