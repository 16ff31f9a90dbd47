/**
 * A watch over an event stream that survives its connections: after a loss it goes on behind the
 * last change that was given out, at the same coordinator or at another, so that nothing is missed
 * and nothing comes twice.
 *
 * States: connecting -> open (`ready` came) -> waiting (the connection was lost; full jitter up to
 * `PAUSE_MS_MAX`) -> connecting. It ends with the signal, quietly; with what the consumer does; or
 * with an error that a new connection would not cure, such as `MESH_FORBIDDEN`, or
 * `MESH_STORE_COMPACTED`: then list what is there now, and watch from the revision of that answer
 * plus one.
 */
import { type Clock, type ErrorCode, isMeshError, MeshError, type Random } from "@hearthmesh/core";
import type { KvChange } from "@hearthmesh/gateway/contracts";
import { problemOf, requireSuccess } from "./answers.js";
import { EventParser, type ServerEvent } from "./key-value-events.js";
import type { KeyValueChange, KeyValueDoor, WatchOptions, WatchRange } from "./key-value-types.js";
import { changeOf } from "./key-value-wire.js";
import { networkError } from "./network-errors.js";
import { queryOf } from "./query-text.js";
import { sleepAlive } from "./sleep-alive.js";

export interface WatchTools {
  readonly door: KeyValueDoor;
  readonly clock: Clock;
  readonly random: Random;
}

/** The server writes something every 15 s. */
const IDLE_TIMEOUT_MS = 45_000;
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 5_000;

const PASSING: readonly ErrorCode[] = [
  "MESH_UNREACHABLE",
  "MESH_TIMEOUT",
  "MESH_STOPPING",
  "MESH_NOT_LEADER",
  "MESH_STORE_UNAVAILABLE",
  "MESH_STORE_CLOSED",
  "MESH_STORE_BUSY",
];

export async function* watchKeys(
  tools: WatchTools,
  range: WatchRange,
  options: WatchOptions = {},
): AsyncGenerator<KeyValueChange, void, undefined> {
  const { clock, random } = tools;
  const { signal, onLost } = options;
  const place: Place = { after: undefined, failures: 0 };
  const isOver = () => signal?.aborted === true;
  while (!isOver()) {
    try {
      yield* oneConnection(tools, range, options, place);
    } catch (error) {
      if (isOver()) return;
      if (!PASSING.some((code) => isMeshError(error, code))) throw error;
      onLost?.(error as MeshError);
      const longestMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** place.failures);
      place.failures = Math.min(place.failures + 1, 16);
      await sleepAlive(clock, random.float() * longestMs, signal).catch(() => undefined);
    }
  }
}

interface Place {
  /** Changes after this revision are still to come; undefined before the first `ready`. */
  after: number | undefined;
  /** Connections in a row that did not come as far as `ready`. */
  failures: number;
}

/** Until the connection ends, which is always an error: a watch has no end of its own. */
async function* oneConnection(
  { door }: WatchTools,
  range: WatchRange,
  options: WatchOptions,
  place: Place,
): AsyncGenerator<KeyValueChange, void, undefined> {
  const { fromRevision, keysOnly, signal, onReady } = options;
  const values = keysOnly === true ? "false" : undefined;
  const answer = await door.send({
    method: "GET",
    path: `/api/kv-watch${queryOf({ ...range, from: fromRevision, values })}`,
    headers: {
      accept: "text/event-stream",
      ...(place.after === undefined ? {} : { "last-event-id": String(place.after) }),
    },
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    signal,
  });
  await requireSuccess(answer);
  const parser = new EventParser();
  try {
    for await (const bytes of answer.body as AsyncIterable<Uint8Array>) {
      for (const event of parser.feed(bytes)) {
        const read = readEvent(event);
        if (read === undefined) continue;
        if ("ready" in read) {
          place.after ??= read.ready;
          place.failures = 0;
          onReady?.(read.ready);
        } else if (read.revision > (place.after ?? 0)) {
          place.after = read.revision;
          yield read;
        }
      }
    }
  } catch (error) {
    throw networkError(error, "the watch");
  } finally {
    answer.body.destroy();
  }
  throw new MeshError("MESH_UNREACHABLE", { message: "the watch was ended by the other side" });
}

/** Throws the problem that a `failed` event holds. */
function readEvent({ type, data }: ServerEvent): KeyValueChange | { ready: number } | undefined {
  if (type === "failed") throw problemOf(500, data);
  if (type !== "ready" && type !== "change") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw new MeshError("MESH_PROTOCOL", { message: "an event of the watch is not JSON", cause });
  }
  const { revision, events } = (value ?? {}) as Partial<KvChange>;
  const isGood = Number.isSafeInteger(revision) && (type === "ready" || Array.isArray(events));
  if (!isGood) throw new MeshError("MESH_PROTOCOL", { message: "an event is not complete" });
  return type === "ready" ? { ready: revision as number } : changeOf(value as KvChange);
}
