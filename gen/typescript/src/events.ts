/** One server-sent event. */
export interface ServerSentEvent {
  name: string;
  data: string;
}

/** The most characters of a line, and of the data of an event. A piece of an answer is a few words. */
const maxEvent = 1 << 20;

/** Thrown for an event that is too long to be a piece of an answer. */
export class EventTooLong extends Error {
  constructor(readonly beginning: string) {
    super("an event is too long");
  }
}

/** Decodes a body as UTF-8 text. A character that two pieces share is kept whole. */
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
    // Also reached by a break in the caller's loop: the server then stops writing.
    await reader.cancel().catch(() => undefined); // a body that has failed cannot be cancelled, and need not be
  }
}

/**
 * Splits text into server-sent events (WHATWG HTML, section 9.2.6). Comments, ids and retry times
 * are left out, and so is an event that is not complete when the text ends.
 */
export async function* eventsOf(pieces: AsyncIterable<string>): AsyncGenerator<ServerSentEvent, void, undefined> {
  let name = "";
  let data: string[] = [];
  let size = 0;
  for await (const line of linesOf(pieces)) {
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
        throw new EventTooLong(data.join("\n"));
      }
    }
  }
}

/** The lines of a text, ended by LF, CR LF or CR. The last one counts only if it is terminated. */
async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = "";
  let afterCR = false;
  for await (const piece of pieces) {
    const text = afterCR && piece.startsWith("\n") ? piece.slice(1) : piece;
    afterCR = piece.endsWith("\r"); // its LF may come with the next piece
    const lines = text.split(/\r\n|\n|\r/);
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? "";
    if (rest.length > maxEvent) {
      throw new EventTooLong(rest);
    }
    yield* lines;
  }
}
