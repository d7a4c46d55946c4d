import { APIError, HTTPError, IncompleteAnswerError, NetworkError, ProblemError, maxErrorBody, parseProblem } from "./errors.js";
import { EventTooLongError, type ServerSentEvent, eventsOf } from "./events.js";
import type { components } from "./schema.js";
import { isJSON } from "./shape.js";

type Schemas = components["schemas"];

/** An event of an answer: its data, with its name as the type. */
export type AskEvent =
  | ({ type: "tool" } & Schemas["ToolEvent"])
  | ({ type: "sources" } & Schemas["SourcesEvent"])
  | ({ type: "delta" } & Schemas["DeltaEvent"])
  | ({ type: "done" } & Schemas["DoneEvent"]);

/**
 * Yields the events of an answer, ending with `done`. Throws an IncompleteAnswerError if the answer breaks off
 * or, after `done`, if the model reached its token limit. Skips unknown events, which a newer server may
 * send.
 */
export async function* askEventsOf(chunks: AsyncIterable<string>): AsyncGenerator<AskEvent, void, undefined> {
  let text = "";
  try {
    for await (const received of eventsOf(chunks)) {
      const event = parse(received);
      if (event === undefined) {
        continue;
      }
      if (event.type === "delta") {
        text += event.text;
      }
      yield event;
      if (event.type === "done") {
        if (event.finish_reason === "length") {
          throw new IncompleteAnswerError(text);
        }
        return;
      }
    }
    throw new NetworkError("the stream ended before the answer was complete");
  } catch (error) {
    const cause = error instanceof EventTooLongError ? malformed("", error.beginning) : error;
    // The reason of the caller's signal and the error for the token limit are not wrapped.
    const isCause = cause instanceof APIError && !(cause instanceof IncompleteAnswerError);
    throw isCause ? new IncompleteAnswerError(text, cause) : error;
  }
}

function parse({ name, data }: ServerSentEvent): AskEvent | undefined {
  switch (name) {
    case "delta":
    case "sources":
    case "tool":
    case "done":
      if (!isJSON(data, `event ${name}`)) {
        throw malformed(name, data);
      }
      return { ...JSON.parse(data), type: name } as AskEvent;
    case "error":
      throw problemError(data);
  }
  return undefined;
}

function problemError(data: string): APIError {
  const problem = parseProblem(data);
  return problem && Number.isInteger(problem.status)
    ? new ProblemError(problem, data, problem.status, { contentType: "application/problem+json" })
    : malformed("error", data);
}

function malformed(name: string, data: string): HTTPError {
  return new HTTPError(`malformed event ${name}`, 200, data.slice(0, maxErrorBody), undefined);
}
