// The built package in a browser: Chromium loads it from a server of this test. The page calls the server at
// PAGILA_URL directly, which is another origin, and through the test's server, which forwards all other requests.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

import { createClient } from "pagila-api-client";

const upstream = process.env["PAGILA_URL"] ?? "";
const chromium = [
  process.env["CHROMIUM"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
].find((path) => path !== "" && existsSync(path));
const skip =
  (upstream === "" && "PAGILA_URL is not set") ||
  (chromium === undefined && "Chromium is not installed; CHROMIUM may have its path");

/** Whether the server lets pages of any origin read its responses. */
async function allowsAnyOrigin(): Promise<boolean> {
  const response = await fetch(new URL("/healthz", upstream), { headers: { Origin: "http://127.0.0.1" } });
  return response.headers.get("Access-Control-Allow-Origin") === "*";
}

const page = (api: string): string => `<!doctype html>
<script type="importmap">
{ "imports": { "pagila-api-client": "/file/dist/src/index.js" } }
</script>
<script type="module">
const result = {};
try {
  const { ProblemError, createClient } = await import("pagila-api-client");
  const api = createClient({ baseUrl: ${api} });
  result.title = (await api.getFilm(1)).title;
  result.text = "";
  for await (const chunk of api.askQuestion("comedies")) result.text += chunk;
  for await (const event of api.askQuestionEvents("comedies")) result.last = event.type;
  await api.getFilm(999999).catch((error) => {
    result.code = error instanceof ProblemError && error.code;
  });
  await createClient({ baseUrl: location.origin + "/moved", token: "secret" }).getHealth().catch((error) => {
    result.redirect = [error.name, error.status, error.location].join();
  });
} catch (error) {
  result.error = String(error);
}
await fetch("/result", { method: "POST", body: JSON.stringify(result) });
</script>`;

test("works in a browser on the origin of the API", { skip, timeout: 60_000 }, (t) => visit(t, "location.origin"));

test("works in a browser on another origin", { skip, timeout: 60_000 }, async (t) => {
  if (!(await allowsAnyOrigin())) {
    return t.skip("the server at PAGILA_URL does not run with CORS_ORIGINS=*");
  }
  await visit(t, JSON.stringify(upstream));
});

/** Loads the page in Chromium. `api` is a JavaScript expression for the URL that the page calls. */
async function visit(t: TestContext, api: string): Promise<void> {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const userAgents = new Set<string>();
  let report: (result: string) => void;
  const reported = new Promise<string>((resolve) => (report = resolve));
  const server = createServer(async (request, response) => {
    const path = request.url ?? "";
    if (path === "/") {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(page(api));
    } else if (path.startsWith("/moved/")) {
      response.writeHead(307, { Location: "/healthz" }).end();
    } else if (path === "/result") {
      let body = "";
      for await (const chunk of request.setEncoding("utf8")) {
        body += chunk;
      }
      response.end();
      report(body);
    } else if (path.startsWith("/file/")) {
      const file = await readFile(join(root, path.slice("/file/".length))).catch(() => undefined);
      response.writeHead(file ? 200 : 404, { "Content-Type": "text/javascript" }).end(file);
    } else {
      const { host: _, ...headers } = request.headers;
      userAgents.add(headers["user-agent"] ?? "");
      const forwarded = httpRequest(new URL(path, upstream), { method: request.method, headers }, (received) => {
        response.writeHead(received.statusCode ?? 502, received.headers);
        received.pipe(response);
      });
      forwarded.on("error", () => response.destroy());
      request.pipe(forwarded);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const profile = await mkdtemp(join(tmpdir(), "pagila-browser-"));
  const browser = spawn(
    chromium!,
    [
      "--headless",
      "--no-sandbox", // Chromium cannot start its sandbox as root, and it loads only this page
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      `--user-data-dir=${profile}`,
      "--remote-debugging-port=0", // keeps Chromium open until the test ends it
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    ],
    { stdio: "ignore" },
  );
  const ended = once(browser, "exit");
  t.after(async () => {
    browser.kill();
    await ended;
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });

  const crashed = ended.then(([code]) => assert.fail(`Chromium ended with ${code}`));
  const { text, ...rest } = JSON.parse(await Promise.race([reported, crashed])) as Record<string, string>;
  const film = await createClient({ baseUrl: upstream }).getFilm(1);
  assert.deepEqual(rest, { title: film.title, last: "done", code: "film_not_found", redirect: "HTTPError,0," });
  assert.notEqual(text, "");
  userAgents.forEach((name) => assert.match(name, /^Mozilla/, "the browser sends its own User-Agent"));
}
