// A server that plays scripts on a real socket, as gen/testdata/faults.json has them.
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
  /** Each request with its headers in lower case. */
  requests: string[];
  /** A text of the table with the addresses of the servers. */
  places(text: string): string;
}

/** Gives each connection the next of some responses, and the last one to all further ones. */
export async function startServer(t: TestContext, scripts: Script[], other = ""): Promise<FaultServer> {
  const sockets = new Set<Socket>();
  const requests: string[] = [];
  let url = "";
  const places = (text: string) => text.replaceAll("{origin}", url).replaceAll("{other}", other);
  let connections = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const script = scripts[Math.min(connections++, scripts.length - 1)];
    sockets.add(socket);
    socket.on("error", () => undefined); // a client may leave early
    socket.on("close", () => sockets.delete(socket));
    let received = "";
    socket.setEncoding("latin1").on("data", (piece) => {
      received += piece;
      const request = parse(received);
      if (request !== undefined) {
        received = "";
        requests.push(request);
        if (script) {
          send(socket, script, places).catch(() => socket.destroy());
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
  return { url, requests, places };
}

function parse(received: string): string | undefined {
  const end = received.indexOf("\r\n\r\n");
  const [line, ...headers] = received.slice(0, end).split("\r\n");
  const body = received.slice(end + 4);
  const lines = headers.map((header) => header.replace(/^[^:]*/, (name) => name.toLowerCase()));
  const length = Number(/^content-length: *(\d+)$/m.exec(lines.join("\n"))?.[1] ?? 0);
  return end < 0 || body.length < length ? undefined : [line, ...lines, body].join("\n");
}

async function send(socket: Socket, { delay = 0, head, body, split, end = "clean" }: Script, places: (text: string) => string): Promise<void> {
  const chunked = head.includes("Transfer-Encoding: chunked");
  await setTimeout(delay * 1000);
  if (head.length > 0) {
    socket.write(places([...head, ...(end === "clean" ? ["Connection: close"] : []), "", ""].join("\r\n")));
  }
  for (const piece of pieces(body, split)) {
    if (typeof piece === "number") {
      await setTimeout(piece * 1000);
      continue;
    }
    socket.write(chunked ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]) : piece);
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

/** What is to be sent; a number is seconds of silence. */
function* pieces(body: Script["body"], split: number | undefined): Generator<Buffer | number> {
  const all = body.map((piece) => {
    if (typeof piece === "string") {
      return Buffer.from(piece);
    }
    if (piece.delay !== undefined) {
      return piece.delay;
    }
    return piece.hex === undefined ? Buffer.from((piece.repeat ?? "").repeat(piece.times ?? 0)) : Buffer.from(piece.hex, "hex");
  });
  if (split === undefined) {
    yield* all;
    return;
  }
  const whole = Buffer.concat(all.filter((piece) => typeof piece !== "number"));
  for (let i = 0; i < whole.length; i += split) {
    yield whole.subarray(i, i + split);
  }
}
