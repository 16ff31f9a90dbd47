/**
 * Watches of users. Each sees of every transaction what its caller may read at that moment: a grant
 * that ends, or is given, counts from the next change on.
 */
import { MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { KeyRange, StoreEvent, WatchBatch } from "@hearthmesh/store";
import type { KeyAccess } from "./access.js";
import { accessOf, type KeyValueContext, keyEntry } from "./context.js";
import { dataKey, keyOfData, onlyKey, parseKey, parsePrefix, pathOf } from "./keys.js";
import { KV_WAIT_MS_MAX } from "./limits.js";
import { currentRevision } from "./listing.js";
import type {
  KeyChange,
  KeyEvent,
  KeyWatch,
  WaitOptions,
  WatchOptions,
  WatchTarget,
} from "./types.js";

/** `MESH_FORBIDDEN` when the caller may read nothing of it; `MESH_LIMIT` for one too many. */
export async function watchKeys(
  context: KeyValueContext,
  principal: Principal,
  target: WatchTarget,
  options: WatchOptions = {},
): Promise<KeyWatch> {
  const range = readableRange(accessOf(context, principal), target);
  const { fromRevision } = options;
  if (fromRevision !== undefined) checkRevision("fromRevision", fromRevision);
  const closing = new AbortController();
  const leave = context.places.enter(principal, () => closing.abort());
  const signals = [closing.signal, ...(options.signal === undefined ? [] : [options.signal])];
  const signal = AbortSignal.any(signals);
  const close = () => {
    closing.abort();
    leave();
  };
  try {
    const from = fromRevision ?? (await currentRevision(context)) + 1;
    const batches = context.store.watch(range, { fromRevision: from, signal });
    return {
      revision: from - 1,
      changes: visibleChanges(context, principal, batches),
      check: () => context.policy.check(principal),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * The revision of the first change after `after` that the caller may see; nothing when there is
 * none in the time. Throws as a watch does.
 */
export async function waitForChange(
  context: KeyValueContext,
  principal: Principal,
  target: WatchTarget,
  options: WaitOptions,
): Promise<number | undefined> {
  const { after, waitMs, signal } = options;
  checkWait(waitMs);
  checkRevision("after", after);
  const timeout = new AbortController();
  const signals = [timeout.signal, ...(signal === undefined ? [] : [signal])];
  const watch = await watchKeys(context, principal, target, {
    fromRevision: after + 1,
    signal: AbortSignal.any(signals),
  });
  const timer = context.clock.setTimeout(() => timeout.abort(), waitMs);
  try {
    for await (const change of watch.changes) return change.revision;
    signal?.throwIfAborted();
    return undefined;
  } finally {
    timer.cancel();
    watch.close();
  }
}

export function checkWait(waitMs: number): void {
  if (Number.isSafeInteger(waitMs) && waitMs >= 0 && waitMs <= KV_WAIT_MS_MAX) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `one request may wait from 0 to ${KV_WAIT_MS_MAX / 1000} s`,
    hint: "Ask again when the time is over.",
  });
}

function checkRevision(name: string, revision: number): void {
  if (Number.isSafeInteger(revision) && revision >= 1) return;
  throw new MeshError("MESH_BAD_REQUEST", { message: `${name} must be an integer of at least 1` });
}

function readableRange(access: KeyAccess, target: WatchTarget): KeyRange {
  if ("key" in target) {
    const key = parseKey(target.key);
    access.require(pathOf(key), "read");
    return onlyKey(dataKey(key));
  }
  const prefix = parsePrefix(target.prefix);
  access.readableSpans(prefix);
  return { prefix: dataKey(prefix) };
}

async function* visibleChanges(
  context: KeyValueContext,
  principal: Principal,
  batches: AsyncIterable<WatchBatch>,
): AsyncGenerator<KeyChange, void, undefined> {
  for await (const { revision, events } of batches) {
    const access = accessOf(context, principal);
    const visible = events.filter((event) => access.may(pathOf(userKey(event)), "read"));
    if (visible.length > 0) yield { revision, events: visible.map(toKeyEvent) };
  }
}

function userKey(event: StoreEvent): string {
  return keyOfData(event.type === "put" ? event.entry.key : event.key);
}

function toKeyEvent(event: StoreEvent): KeyEvent {
  if (event.type === "put") return { type: "put", entry: keyEntry(event.entry) };
  return { type: "delete", key: userKey(event) };
}
