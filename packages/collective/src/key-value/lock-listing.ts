/** Pages of the locks that are held, of which the caller sees only what it may read. */
import { limits } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { KeyRange, KeyValue } from "@hearthmesh/store";
import type { KeySpan } from "./access.js";
import { accessOf, type KeyValueContext } from "./context.js";
import {
  LOCK_PREFIX,
  LOCKS_DIRECTORY,
  lockOfQueueKey,
  lockPath,
  locksAfter,
  parsePrefix,
  queuePrefix,
  restOfPrefix,
} from "./keys.js";
import { pageLimit } from "./listing.js";
import { inOrder, lockInfo } from "./lock-queue.js";
import type { LockInfo, LockPage } from "./types.js";

export interface LockListOptions {
  /** Name after which to go on. */
  readonly after?: string;
  readonly limit?: number;
}

/** `MESH_FORBIDDEN` when the caller may see no lock that begins with the prefix. */
export async function listLocks(
  context: KeyValueContext,
  principal: Principal,
  text: string,
  options: LockListOptions = {},
): Promise<LockPage> {
  const prefix = parsePrefix(text);
  const access = accessOf(context, principal);
  const spans = access.readableSpans(LOCKS_DIRECTORY + prefix).map(withoutDirectory);
  const after = options.after === undefined ? undefined : parsePrefix(options.after);
  const limit = pageLimit(options.limit);
  const locks: LockInfo[] = [];
  for (const span of spans) {
    for await (const { name, entries } of queuesIn(context, span, after)) {
      if (!access.may(lockPath(name), "read")) continue;
      if (locks.length === limit) return { locks, more: true };
      locks.push(lockInfo(name, inOrder(entries)));
    }
  }
  return { locks, more: false };
}

function withoutDirectory({ text, isPrefix }: KeySpan): KeySpan {
  return { text: text.slice(LOCKS_DIRECTORY.length), isPrefix };
}

interface NamedQueue {
  readonly name: string;
  readonly entries: readonly KeyValue[];
}

/** Each queue whole, in the order of names. */
async function* queuesIn(
  { store }: KeyValueContext,
  span: KeySpan,
  after: string | undefined,
): AsyncGenerator<NamedQueue> {
  const prefix = span.isPrefix ? LOCK_PREFIX + span.text : queuePrefix(span.text);
  let range: KeyRange | undefined = rangeAfter(span, prefix, after);
  let revision: number | undefined;
  let queue: { name: string; entries: KeyValue[] } | undefined;
  while (range !== undefined) {
    const options = { limit: limits.LIST_PAGE_ENTRIES_MAX };
    const page = await store.range(
      range,
      revision === undefined ? options : { ...options, revision },
    );
    revision ??= page.revision;
    for (const entry of page.entries) {
      const name = lockOfQueueKey(entry.key);
      if (queue !== undefined && queue.name !== name) yield queue;
      if (queue?.name !== name) queue = { name, entries: [] };
      queue.entries.push(entry);
    }
    const last = page.entries.at(-1);
    range = page.more && last !== undefined ? restOfPrefix(prefix, last.key) : undefined;
  }
  if (queue !== undefined) yield queue;
}

/** Undefined when no lock of the span comes after that name. */
function rangeAfter(
  span: KeySpan,
  prefix: string,
  after: string | undefined,
): KeyRange | undefined {
  if (after === undefined) return { prefix };
  if (span.isPrefix && after.startsWith(span.text)) return locksAfter(prefix, after);
  const isLater = Buffer.compare(Buffer.from(after), Buffer.from(span.text)) < 0;
  return isLater ? { prefix } : undefined;
}
