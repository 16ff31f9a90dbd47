/** Pages of keys, of which the caller sees only what it may read. */
import { limits, MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { KeyRange, RangeOptions, RangeResult } from "@hearthmesh/store";
import { accessOf, type KeyValueContext, keyEntry } from "./context.js";
import { dataKey, keyOfData, onlyKey, parsePrefix, pathOf, restOfPrefix } from "./keys.js";
import { KV_PAGE_BYTES_MAX } from "./limits.js";
import type { KeyEntry, KeyListOptions, KeyPage } from "./types.js";
import { entryBytes } from "./usage-table.js";

/** `MESH_FORBIDDEN` when the caller may read nothing that begins with the prefix. */
export async function listKeys(
  context: KeyValueContext,
  principal: Principal,
  text: string,
  options: KeyListOptions = {},
): Promise<KeyPage> {
  const prefix = parsePrefix(text);
  const access = accessOf(context, principal);
  const spans = access.readableSpans(prefix);
  const after = options.after === undefined ? undefined : parsePrefix(options.after);
  const page = new PageBuilder(pageLimit(options.limit));
  let revision = options.revision;
  for (const span of spans) {
    const start = dataKey(span.text);
    const whole: KeyRange = span.isPrefix ? { prefix: start } : onlyKey(start);
    for await (const found of pagesOf(context, whole, { start, after, ...options, revision })) {
      revision ??= found.revision;
      for (const entry of found.entries) {
        const isHidden = !access.may(pathOf(keyOfData(entry.key)), "read");
        if (!isHidden && !page.add(keyEntry(entry))) return page.done(true, revision);
      }
    }
  }
  return page.done(false, revision ?? (await currentRevision(context)));
}

/** The revision of the store as of now. */
export async function currentRevision({ store }: KeyValueContext): Promise<number> {
  return (await store.range(onlyKey(dataKey("_")), { limit: 1, keysOnly: true })).revision;
}

class PageBuilder {
  readonly #entries: KeyEntry[] = [];
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when the page is full: the entry is for the next one. */
  add(entry: KeyEntry): boolean {
    this.#bytes += entryBytes(dataKey(entry.key), entry.value);
    const isFull = this.#entries.length >= this.#limit || this.#bytes > KV_PAGE_BYTES_MAX;
    if (isFull && this.#entries.length > 0) return false;
    this.#entries.push(entry);
    return true;
  }

  done(more: boolean, revision: number): KeyPage {
    return { entries: this.#entries, more, revision };
  }
}

interface PagesOptions {
  /** First store key of the range. */
  readonly start: string;
  readonly after: string | undefined;
  readonly keysOnly?: boolean;
  readonly revision: number | undefined;
}

/** The range after a key, page by page, all as of one revision. */
async function* pagesOf(
  { store }: KeyValueContext,
  whole: KeyRange,
  { start, after, keysOnly = false, revision }: PagesOptions,
): AsyncGenerator<RangeResult> {
  let range: KeyRange | undefined = after === undefined ? whole : startAfter(whole, start, after);
  let readAt = revision;
  while (range !== undefined) {
    const asked: RangeOptions = { limit: limits.LIST_PAGE_ENTRIES_MAX, keysOnly };
    const page = await store.range(
      range,
      readAt === undefined ? asked : { ...asked, revision: readAt },
    );
    readAt ??= page.revision;
    yield page;
    const last = page.entries.at(-1);
    range = page.more && last !== undefined ? restOfPrefix(start, last.key) : undefined;
  }
}

/** Undefined when nothing of the range comes after the key. */
function startAfter(whole: KeyRange, start: string, after: string): KeyRange | undefined {
  const last = dataKey(after);
  if ("prefix" in whole && last.startsWith(start)) return restOfPrefix(start, last);
  return Buffer.compare(Buffer.from(last), Buffer.from(start)) < 0 ? whole : undefined;
}

export function pageLimit(limit: number = limits.LIST_PAGE_ENTRIES_MAX): number {
  if (Number.isSafeInteger(limit) && limit >= 1) {
    return Math.min(limit, limits.LIST_PAGE_ENTRIES_MAX);
  }
  throw new MeshError("MESH_BAD_REQUEST", { message: "limit must be an integer of at least 1" });
}
