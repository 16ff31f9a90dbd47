/**
 * Whether the records of this coordinator are older than what a storage node has heard of them, and
 * what is held back until everything that nobody remembers was looked at. Pure functions.
 *
 * A coordinator begins every run with a higher epoch, so with records that are whole a node comes
 * with the mark of this very run, or with one of a lower epoch whose revision is not above that
 * with which the store was opened: nothing is told before it is in the store. Records that went
 * back may count the same epochs again, in a run of another name. A restore, and the discovery of
 * one, let the epoch leap to one that nobody has seen: marks of lower epochs are of the time before
 * it, and are known.
 *
 *     none --a node remembers more, or the store was restored--> held --every node was looked at-->
 *     over --a node remembers more than this epoch--> held (anew)
 */
import type { NodeId } from "@hearthmesh/core";
import type { SeenMark } from "../storage/seen-mark.js";

/** What is kept about the last time that the records went back. */
export interface HoldRecord {
  readonly v: 1;
  /** The first epoch after it. */
  readonly sinceEpoch: number;
  /** Revision of the records as they came back: what was begun up to here is of before. */
  readonly baseRevision: number;
  readonly atMs: number;
  /** Storage nodes on which every chunk without a row was looked at. */
  readonly scanned: readonly NodeId[];
  /** Whole files, and files of which a part is missing, that were put under `/lost+found`. */
  readonly files: number;
  readonly incomplete: number;
}

/** Above this no node has ever been: who says more is not believed. */
const EPOCH_MAX = 2 ** 48;

export interface OwnPlace {
  readonly epoch: number;
  readonly run: string;
  /** Of the store before this run wrote anything. */
  readonly openedRevision: number;
  readonly hold: HoldRecord | undefined;
}

/**
 * `known`: nothing new. `rolled-back`: the node remembers what these records do not have.
 * `unbelievable`: no coordinator ever was there.
 */
export function judgeMark(
  seen: SeenMark | undefined,
  own: OwnPlace,
): "known" | "rolled-back" | "unbelievable" {
  if (seen === undefined) return "known";
  if (seen.epoch > EPOCH_MAX || seen.revision > Number.MAX_SAFE_INTEGER / 2) return "unbelievable";
  // Of before the last time that the records went back, which is known.
  if (own.hold !== undefined && seen.epoch < own.hold.sinceEpoch) return "known";
  if (seen.epoch > own.epoch) return "rolled-back";
  if (seen.epoch === own.epoch) return seen.run === own.run ? "known" : "rolled-back";
  return seen.revision > own.openedRevision ? "rolled-back" : "known";
}

/** Whether chunks without a row must stay: some node that is there was not looked at. */
export function isHeld(hold: HoldRecord | undefined, online: readonly NodeId[]): boolean {
  return hold !== undefined && online.some((nodeId) => !hold.scanned.includes(nodeId));
}
