/**
 * Tells of every change of the leader key, as long as its signal lets it: reads it, then watches
 * from there. A watch that breaks is made again, with growing waits.
 */
import { type Clock, errorFields, type Logger, type Random, sleep } from "@hearthmesh/core";
import type { KeyValue, Store, WatchBatch } from "../types.js";
import type { Sight } from "./election-events.js";
import { ELECTION_LEADER_KEY, lookAtLeader, sightOf } from "./leader-record.js";
import { ELECTION_RETRY_MS } from "./limits.js";

export interface LeaderWatchOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Longest wait before a broken watch is made again. */
  readonly retryMsMax: number;
  readonly signal: AbortSignal;
  readonly onSight: (sight: Sight) => void;
}

/** Resolves when the signal is aborted; never rejects. */
export async function watchLeader(options: LeaderWatchOptions): Promise<void> {
  const { store, clock, random, log, signal } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const sight = await lookAtLeader(store);
      if (signal.aborted) return;
      options.onSight(sight);
      await follow(store, sight.revision + 1, signal, (change) => {
        failures = 0;
        options.onSight(change);
      });
    } catch (error) {
      log.debug("the watch on the leader broke; it is made again", errorFields(error));
    }
    const longestMs = Math.min(options.retryMsMax, ELECTION_RETRY_MS * 2 ** Math.min(failures, 16));
    failures++;
    await sleep(clock, longestMs * (0.5 + random.float() / 2), signal).catch(() => undefined);
  }
}

async function follow(
  store: Store,
  fromRevision: number,
  signal: AbortSignal,
  told: (sight: Sight) => void,
): Promise<void> {
  const range = { prefix: ELECTION_LEADER_KEY };
  for await (const batch of store.watch(range, { fromRevision, signal })) {
    const entry = leaderAfter(batch);
    if (entry !== "unchanged") told(sightOf(entry, batch.revision));
  }
}

function leaderAfter(batch: WatchBatch): KeyValue | undefined | "unchanged" {
  const event = batch.events.findLast(
    (each) => (each.type === "put" ? each.entry.key : each.key) === ELECTION_LEADER_KEY,
  );
  if (event === undefined) return "unchanged";
  return event.type === "put" ? event.entry : undefined;
}
