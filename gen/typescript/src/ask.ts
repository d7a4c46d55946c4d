import { HTTPError, NetworkError, problemOf } from "./errors.js";
import { type ServerSentEvent, eventsOf } from "./events.js";
import type { components } from "./schema.js";

type Schemas = components["schemas"];

/** One event of an answer: its data, and its name as the type. */
export type AskEvent =
  | ({ type: "sources" } & Schemas["SourcesEvent"])
  | ({ type: "delta" } & Schemas["DeltaEvent"])
  | ({ type: "done" } & Schemas["DoneEvent"]);

/** What no event can be without. */
const member = { sources: "films", delta: "text", done: "finish_reason" } as const;

/**
 * The events of an answer, ending with `done`. Throws a ProblemError when the model failed midway,
 * and a NetworkError when the stream ends before the answer does. Names it does not know are left
 * out: a newer server may send them.
 */
export async function* askEventsOf(text: AsyncIterable<string>): AsyncGenerator<AskEvent, void, undefined> {
  for await (const event of eventsOf(text)) {
    switch (event.name) {
      case "delta":
      case "sources":
      case "done":
        yield { ...dataOf(event, member[event.name]), type: event.name } as AskEvent;
        break;
      case "error":
        throw problemOf(event.data) ?? malformed(event);
    }
    if (event.name === "done") {
      return;
    }
  }
  throw new NetworkError("the stream ended before the answer did");
}

function dataOf(event: ServerSentEvent, required: string): object {
  let data: unknown;
  try {
    data = JSON.parse(event.data);
  } catch {
    throw malformed(event);
  }
  if (typeof data !== "object" || data === null || !(required in data)) {
    throw malformed(event);
  }
  return data;
}

function malformed(event: ServerSentEvent): HTTPError {
  return new HTTPError(`malformed event ${event.name}`, 200, event.data, undefined);
}
