/** How to read all pages of a list. */
export interface Pages {
  /** How many items a page has at most. Undefined if the client cannot choose. */
  size?: number;
  /** Whether pages are requested with the parameter `page`. */
  numbered?: boolean;
  /** Whether pages are requested with the parameter `cursor`. */
  cursor?: boolean;
}

/** A page of a list. */
export interface Page {
  items: readonly unknown[];
  total?: number | null;
  next_cursor?: string | null;
}

type Params = Record<string, unknown>;

/** Yields the items of page after page. */
export async function* allPages(pages: Pages, given: Params, read: (params: Params) => Promise<Page>): AsyncGenerator<unknown, void, undefined> {
  const params = { ...given, ...(pages.size !== undefined && { page_size: given["page_size"] ?? pages.size }) };
  for (let next: Params | undefined = params; next; ) {
    const found: Page = await read(next);
    yield* found.items;
    next = paramsOfNext(pages, next, found);
  }
}

/**
 * The parameters of the next page, if there is one. It follows `next_cursor`. Without one, a list that was read by
 * cursor has ended, and any other continues with the next page number.
 */
function paramsOfNext(pages: Pages, params: Params, { items, total, next_cursor }: Page): Params | undefined {
  const { cursor, page, ...rest } = params;
  if (pages.cursor && next_cursor) {
    return { ...rest, cursor: next_cursor };
  }
  const number = Number(page ?? 1);
  const isLast = (cursor ?? null) !== null || items.length === 0 || number * Number(rest["page_size"]) >= (total ?? 0);
  return pages.numbered && !isLast ? { ...rest, page: number + 1 } : undefined;
}
