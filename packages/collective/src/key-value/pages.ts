/** Everything below a prefix, page by page, as it was when the first one was read. */
import type { RangeResult, Store } from "@hearthmesh/store";
import { restOfPrefix } from "./keys.js";

export async function* pagesOfPrefix(
  store: Store,
  prefix: string,
): AsyncGenerator<RangeResult, void, undefined> {
  let page = await store.range({ prefix });
  const { revision } = page;
  for (;;) {
    yield page;
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return;
    page = await store.range(restOfPrefix(prefix, last.key), { revision });
  }
}
