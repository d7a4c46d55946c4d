// Compiled and never run: what the types have to refuse. Each line that compiles without its
// comment fails the build.
import { createClient } from "pagila-api-client";

export async function refused(): Promise<void> {
  const api = createClient({ baseUrl: "" });
  // @ts-expect-error The contract has no such path.
  await api.GET("/movies");
  // @ts-expect-error The path has a parameter.
  await api.GET("/films/{film_id}");
  // @ts-expect-error Films cannot be created.
  await api.POST("/films");
  // @ts-expect-error No operation has this method.
  await api.HEAD("/films");
  // @ts-expect-error A body has to be whole.
  await api.POST("/customers/{customer_id}/rentals", { params: { path: { customer_id: 1 } }, body: { inventory_id: 1 } });
  // @ts-expect-error Money is a decimal string.
  const rate: number = (await api.GET("/films/{film_id}", { params: { path: { film_id: 1 } } })).data.rental_rate;
  // @ts-expect-error A rental may be out, and so without a date of return.
  const back: string = (await api.GET("/customers/{customer_id}/rentals/{rental_id}", { params: { path: { customer_id: 1, rental_id: 1 } } })).data.return_date;
  for await (const event of api.askQuestionEvents(`${rate} ${back}`)) {
    // @ts-expect-error Only a delta has text.
    event.text;
  }
}
