/** Everything below a prefix, page by page, as it was when the first one was read. */
import type { RangeResult, Store } from "@hearthmesh/store";
import { restOfPrefix } from "./keys.js";

/** `revision`: as it was then instead. */
export async function* pagesOfPrefix(
  store: Store,
  prefix: string,
  options: { readonly limit?: number; readonly revision?: number } = {},
): AsyncGenerator<RangeResult, void, undefined> {
  let page = await store.range({ prefix }, options);
  const { revision = page.revision } = options;
  for (;;) {
    yield page;
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return;
    page = await store.range(restOfPrefix(prefix, last.key), { ...options, revision });
  }
}
