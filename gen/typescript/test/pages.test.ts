// Which pages an iterator over a list reads.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { type Pages, allPages } from "../src/pages.js";

/** A case of the table that the tests of all three SDKs read. `pages` are the server's responses. */
interface PagesCase extends Pages {
  name: string;
  given?: Record<string, unknown>;
  pages: { items: number; total?: number; next_cursor?: string }[];
  requests: Record<string, unknown>[];
}

const cases = JSON.parse(readFileSync(new URL("../../../testdata/pages.json", import.meta.url), "utf8")) as PagesCase[];
for (const { name, given = {}, pages, requests, ...how } of cases) {
  test(`reads all pages: ${name}`, async () => {
    const got: Record<string, unknown>[] = [];
    const read = async ({ page_size, ...params }: Record<string, unknown>) => {
      assert.equal(page_size, how.size);
      const { items, ...rest } = pages[got.length] ?? assert.fail("there are no more pages");
      got.push(params);
      return { ...rest, items: Array.from({ length: items }) };
    };
    let items = 0;
    for await (const _ of allPages(how, given, read)) {
      items++;
    }
    assert.deepEqual(got, requests);
    assert.equal(items, pages.reduce((sum, page) => sum + page.items, 0));
  });
}
