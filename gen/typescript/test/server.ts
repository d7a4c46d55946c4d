// A server that sends the scripted responses of gen/testdata/faults.json on a real socket.
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, type Socket, createServer } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";

export interface Script {
  delay?: number;
  head: string[];
  body: (string | { hex?: string; repeat?: string; times?: number; delay?: number })[];
  split?: number;
  end?: "clean" | "cut" | "reset" | "silent" | "drip";
}

export interface FaultServer {
  url: string;
  /** The requests, with the names of headers in lower case. */
  requests: string[];
  /** Replaces {origin} and {other} in a text of the table with the URLs of the servers. */
  expand(text: string): string;
}

/** Sends one response to each connection, and the last one to all further connections. */
export async function startServer(t: TestContext, scripts: Script[], other = ""): Promise<FaultServer> {
  const sockets = new Set<Socket>();
  const requests: string[] = [];
  let url = "";
  const expand = (text: string) => text.replaceAll("{origin}", url).replaceAll("{other}", other);
  let connections = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const script = scripts[Math.min(connections++, scripts.length - 1)];
    sockets.add(socket);
    socket.on("error", () => undefined); // a client may leave early
    socket.on("close", () => sockets.delete(socket));
    let received = "";
    socket.setEncoding("latin1").on("data", (chunk) => {
      received += chunk;
      const request = parse(received);
      if (request !== undefined) {
        received = "";
        requests.push(request);
        if (script) {
          send(socket, script, expand).catch(() => socket.destroy());
        }
      }
    });
    socket.on("end", () => socket.end());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  });
  return { url, requests, expand };
}

function parse(received: string): string | undefined {
  const end = received.indexOf("\r\n\r\n");
  const [line, ...headers] = received.slice(0, end).split("\r\n");
  const body = received.slice(end + 4);
  const lines = headers.map((header) => header.replace(/^[^:]*/, (name) => name.toLowerCase()));
  const length = Number(/^content-length: *(\d+)$/m.exec(lines.join("\n"))?.[1] ?? 0);
  return end < 0 || body.length < length ? undefined : [line, ...lines, body].join("\n");
}

async function send(socket: Socket, { delay = 0, head, body, split, end = "clean" }: Script, expand: (text: string) => string): Promise<void> {
  const chunked = head.includes("Transfer-Encoding: chunked");
  await setTimeout(delay * 1000);
  if (head.length > 0) {
    socket.write(expand([...head, ...(end === "clean" ? ["Connection: close"] : []), "", ""].join("\r\n")));
  }
  for (const chunk of chunksOf(body, split)) {
    if (typeof chunk === "number") {
      await setTimeout(chunk * 1000);
      continue;
    }
    socket.write(chunked ? Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n")]) : chunk);
  }
  if (end === "clean" && chunked) {
    socket.write("0\r\n\r\n");
  }
  if (end === "reset") {
    socket.write("", () => socket.resetAndDestroy());
  } else if (end === "drip") {
    const timer = setInterval(() => socket.write(" "), 20);
    socket.on("close", () => clearInterval(timer));
  } else if (end !== "silent") {
    socket.end();
  }
}

/** The chunks of a body. A number is a silence in seconds. */
function* chunksOf(body: Script["body"], split: number | undefined): Generator<Buffer | number> {
  const all = body.map((chunk) => {
    if (typeof chunk === "string") {
      return Buffer.from(chunk);
    }
    if (chunk.delay !== undefined) {
      return chunk.delay;
    }
    return chunk.hex === undefined ? Buffer.from((chunk.repeat ?? "").repeat(chunk.times ?? 0)) : Buffer.from(chunk.hex, "hex");
  });
  if (split === undefined) {
    yield* all;
    return;
  }
  const joined = Buffer.concat(all.filter((chunk) => typeof chunk !== "number"));
  for (let i = 0; i < joined.length; i += split) {
    yield joined.subarray(i, i + split);
  }
}
