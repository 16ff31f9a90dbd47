/** Every record under a prefix, as of one revision, page by page. */
import type { KeyValue, Store } from "@hearthmesh/store";

export interface AllEntries {
  readonly entries: readonly KeyValue[];
  /** The store's revision at which all of them were read. */
  readonly revision: number;
}

/**
 * The keys must have no character below `"` after the prefix, as ids and domains have none: then
 * the last key of a page with `!` behind it lies before the next key, however long that is.
 */
export async function readAll(store: Store, prefix: string): Promise<AllEntries> {
  let page = await store.range({ prefix });
  const { revision } = page;
  const entries = [...page.entries];
  for (let last = entries.at(-1); page.more && last !== undefined; last = entries.at(-1)) {
    page = await store.range({ start: `${last.key}!`, end: `${prefix}~` }, { revision });
    entries.push(...page.entries);
  }
  return { entries, revision };
}
