// Which responses have the shape that the contract specifies.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { HTTPError, createClient } from "pagila-api-client";

import type { Shape } from "../src/shape.js";
import { shapes } from "../src/shapes.js";
import { startServer } from "./server.js";

/** A case of the table that the tests of all three SDKs read: a shape, a text, and whether it is valid. */
interface ShapeCase {
  name: string;
  shape: Shape;
  text: string;
  valid: boolean;
}

const cases = JSON.parse(readFileSync(new URL("../../../testdata/shapes.json", import.meta.url), "utf8")) as ShapeCase[];
for (const { name, shape, text, valid } of cases) {
  test(`checks the shape of a response: ${name}`, async (t) => {
    shapes["getHealth 202"] = shape;
    t.after(() => delete shapes["getHealth 202"]);
    const type = shape === "none" ? "text/plain" : "application/json";
    const server = await startServer(t, [{ head: ["HTTP/1.1 202 X", `Content-Type: ${type}`], body: [text] }]);
    const health: Promise<unknown> = createClient({ baseUrl: server.url }).getHealth();
    if (valid) {
      assert.deepEqual(await health, shape === "none" ? undefined : JSON.parse(text));
    } else {
      await assert.rejects(health, HTTPError);
    }
  });
}
