import { HTTPError, NetworkError, problemOf } from "./errors.js";
import { type ServerSentEvent, eventsOf } from "./events.js";

/** A film that an answer was given from. */
export interface Source {
  film_id: number;
  title: string;
}

/** One event of an answer. */
export type AskEvent =
  | { type: "delta"; text: string }
  | { type: "sources"; films: Source[] }
  | {
      type: "done";
      finish_reason: string;
      model: string;
      usage: { prompt_tokens: number; completion_tokens: number };
    };

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
        yield { ...dataOf(event), type: event.name } as AskEvent;
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

function dataOf(event: ServerSentEvent): object {
  let data: unknown;
  try {
    data = JSON.parse(event.data);
  } catch {
    throw malformed(event);
  }
  if (typeof data !== "object" || data === null) {
    throw malformed(event);
  }
  return data;
}

function malformed(event: ServerSentEvent): HTTPError {
  return new HTTPError(`malformed event ${event.name}`, 200, event.data, undefined);
}
