/**
 * A watch as an event stream (the format of `EventSource`, HTML standard 9.2). It is read only as
 * fast as the client takes it: a slow one is a place in the store's history, and is cut with
 * `MESH_STORE_COMPACTED` when it falls too far behind.
 */
import type { KeyChange, KeyWatch } from "@hearthmesh/collective";
import type { Clock } from "@hearthmesh/core";
import { toMeshError } from "../server/problem.js";
import { problemOf } from "../server/problem-body.js";
import { changeView } from "./key-value-views.js";

/** After so much quiet a comment is sent, so that both ends and proxies know of each other. */
const HEARTBEAT_MS = 15_000;

export interface EventStreamOptions {
  readonly watch: KeyWatch;
  readonly clock: Clock;
  readonly withValues: boolean;
  /** Throws when the caller may not watch any more; asked before each event and heartbeat. */
  check(): void;
}

/** Ends with the watch; a failure is its last event. Closes the watch. */
export async function* eventStream(options: EventStreamOptions): AsyncGenerator<string> {
  const { watch, withValues } = options;
  try {
    yield eventText("ready", { revision: watch.revision }, watch.revision);
    for await (const change of withHeartbeats(options)) {
      options.check();
      yield change === undefined
        ? ": still here\n\n"
        : eventText("change", changeView(change, withValues), change.revision);
    }
  } catch (error) {
    yield eventText("failed", problemOf(toMeshError(error)));
  } finally {
    watch.close();
  }
}

function eventText(event: string, data: unknown, id?: number): string {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return `event: ${event}\n${idLine}data: ${JSON.stringify(data)}\n\n`;
}

/** The changes, and undefined whenever nothing came for `HEARTBEAT_MS`. */
async function* withHeartbeats({
  watch,
  clock,
}: EventStreamOptions): AsyncGenerator<KeyChange | undefined> {
  const changes = watch.changes[Symbol.asyncIterator]();
  let next = changes.next();
  for (;;) {
    const first = await orQuiet(next, clock);
    if (first === undefined) {
      yield undefined;
      continue;
    }
    if (first.done === true) return;
    yield first.value;
    next = changes.next();
  }
}

function orQuiet<T>(next: Promise<T>, clock: Clock): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => resolve(undefined), HEARTBEAT_MS);
    next.then(resolve, reject).finally(() => timer.cancel());
  });
}
