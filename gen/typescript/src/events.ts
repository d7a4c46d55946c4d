/** A server-sent event. */
export interface ServerSentEvent {
  name: string;
  data: string;
}

/** The maximum length of a line and of an event's data. A chunk of an answer is a few words. */
const maxEvent = 1 << 20;

/** Thrown for an event that is too long to be a chunk of an answer. */
export class EventTooLongError extends Error {
  constructor(readonly beginning: string) {
    super("an event is too long");
  }
}

/** Decodes a body as UTF-8 text. Handles characters that are split across chunks. */
export async function* textOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      if (text !== "") {
        yield text;
      }
      if (done) {
        return;
      }
    }
  } finally {
    // This also runs after a break in the caller's loop, so that the server stops writing.
    await reader.cancel().catch(() => undefined); // a body that has failed cannot be canceled, and need not be
  }
}

/**
 * Splits text into server-sent events (WHATWG HTML, section 9.2.6). Ignores comments, ids, retry times, and
 * an event that is incomplete when the text ends.
 */
export async function* eventsOf(chunks: AsyncIterable<string>): AsyncGenerator<ServerSentEvent, void, undefined> {
  let name = "";
  let data: string[] = [];
  let size = 0;
  for await (const line of linesOf(chunks)) {
    if (line === "") {
      if (data.length > 0) {
        yield { name: name || "message", data: data.join("\n") };
      }
      name = "";
      data = [];
      size = 0;
      continue;
    }
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/su.exec(line) ?? [];
    if (field === "event") {
      name = value;
    } else if (field === "data") {
      data.push(value);
      size += value.length;
      if (size > maxEvent) {
        throw new EventTooLongError(data.join("\n"));
      }
    }
  }
}

/** Splits text into lines, which end with LF, CRLF or CR. An unterminated last line is ignored. */
async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = "";
  let afterCR = false;
  for await (const chunk of chunks) {
    const text = afterCR && chunk.startsWith("\n") ? chunk.slice(1) : chunk;
    afterCR = chunk.endsWith("\r"); // the next chunk may begin with its LF
    const lines = text.split(/\r\n|\n|\r/);
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? "";
    if (rest.length > maxEvent) {
      throw new EventTooLongError(rest);
    }
    yield* lines;
  }
}
