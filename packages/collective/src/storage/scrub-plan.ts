/**
 * When the next chunk is to be verified, so that all of them are within `SCRUB_PERIOD_MS`. Pure
 * functions. A pass goes through the ids in order; ids are hashes, so the place of an id in all
 * possible ids says how much of the pass is over, without counting.
 */
import type { ChunkId } from "@hearthmesh/core";

/** Every chunk is read and checked once in this time. */
export const SCRUB_PERIOD_MS = 30 * 86_400_000;
/** A pass aims at this share of the period; the rest is for nights when the machine is off. */
const SHARE_OF_PERIOD = 0.8;
/** Rest after one chunk, at most: with few chunks a pass ends early. */
const REST_MS_MAX = 60_000;
const DIGITS = 12;

/** What survives a restart of the node. Times are of the wall clock. */
export interface ScrubRecord {
  readonly v: 1;
  /** The last chunk that was verified; absent at the start of a pass. */
  readonly position?: ChunkId;
  readonly passStartedAtMs: number;
  /** Of the pass that is under way. */
  readonly verified: number;
  readonly damaged: number;
  readonly bytes: number;
  /** When the last whole pass ended; absent before the first. */
  readonly lastPassAtMs?: number;
}

/** From 0 to 1: how much of a pass lies in front of this chunk. */
export function portionAt(position: ChunkId | undefined): number {
  if (position === undefined) return 0;
  return Number.parseInt(position.slice(0, DIGITS), 16) / 16 ** DIGITS;
}

/** How long to rest after a chunk. 0 when the pass is late. */
export function scrubRestMs(record: ScrubRecord, chunkCount: number, nowMs: number): number {
  const endMs = record.passStartedAtMs + SCRUB_PERIOD_MS * SHARE_OF_PERIOD;
  const chunksLeft = Math.max(1, chunkCount * (1 - portionAt(record.position)));
  return Math.min(Math.max(0, endMs - nowMs) / chunksLeft, REST_MS_MAX);
}

/** A record of the future, from before the clock was set back, would stop the scrub for as long. */
export function believable(record: ScrubRecord, nowMs: number): ScrubRecord {
  return record.passStartedAtMs > nowMs ? { ...record, passStartedAtMs: nowMs } : record;
}
