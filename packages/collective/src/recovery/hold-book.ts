/**
 * The hold on chunks without a row, kept in the store and in memory: see `rollback.ts`. One row,
 * which stays after the hold is over, because nodes that were away for long still remember the time
 * before it.
 *
 * | key             | value                                          |
 * |-----------------|------------------------------------------------|
 * | `recovery/hold` | `HoldRecord`                                   |
 * | `store/restored`| written by whoever restores a store; see below |
 */
import type { Clock, Logger, NodeId } from "@hearthmesh/core";
import { type Operation, put, type Store } from "@hearthmesh/store";
import { decodeJson, encodeJson } from "../coordinator/records.js";
import { readMark } from "../storage/seen-mark.js";
import { type HoldRecord, isHeld, judgeMark } from "./rollback.js";

const HOLD_KEY = "recovery/hold";
/** Every restore of a store writes it again, with any value. */
export const RESTORED_KEY = "store/restored";
/** Which restore the hold is about: the revision that wrote `RESTORED_KEY` last. */
const RESTORE_SEEN_KEY = "recovery/restore-seen";

/** Undefined while the records never went back. */
export async function readHold(store: Store): Promise<HoldRecord | undefined> {
  const row = await store.get(HOLD_KEY);
  return row === undefined ? undefined : decodeJson<HoldRecord>(row.value);
}

export interface HoldBookOptions {
  readonly store: Store;
  readonly epoch: number;
  /** Names this run. */
  readonly run: string;
  /** Of the store before this run wrote anything. Default: as it is at `load`. */
  readonly openedRevision?: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * The records went back, and nodes remember this epoch: to be called once. Whoever leads begins
   * anew with a higher one.
   */
  onRolledBack?: ((epoch: number) => void) | undefined;
}

export class HoldBook {
  readonly #options: HoldBookOptions;
  #record: HoldRecord | undefined;
  #loadedRevision = 0;
  #told = false;

  constructor(options: HoldBookOptions) {
    this.#options = options;
  }

  /** Undefined while the records never went back, as far as is known. */
  get record(): HoldRecord | undefined {
    return this.#record;
  }

  isHeld(online: readonly NodeId[]): boolean {
    return this.#told || isHeld(this.#record, online);
  }

  /** Why nothing may be deleted now; undefined when it may. */
  reason(online: readonly NodeId[]): string | undefined {
    if (!this.isHeld(online)) return undefined;
    return "the records are older than the chunks, which are looked at first";
  }

  /** Before anything is deleted. Notices a restore that was made while nobody ran. */
  async load(): Promise<void> {
    const { store, epoch, log } = this.#options;
    this.#record = await readHold(store);
    this.#loadedRevision = (await store.status()).revision;
    const restored = await store.get(RESTORED_KEY);
    if (restored === undefined) return;
    const seen = await store.get(RESTORE_SEEN_KEY);
    const mark = String(restored.modRevision);
    if (seen !== undefined && Buffer.from(seen.value).toString("utf8") === mark) return;
    await this.#begin(epoch, put(RESTORE_SEEN_KEY, Buffer.from(mark, "utf8")));
    log.warn("the records were restored: what they do not know is kept until it was looked at");
  }

  /** What a node said when it registered. */
  async judge(nodeId: NodeId, seen: unknown): Promise<void> {
    const { epoch, run, log, onRolledBack } = this.#options;
    if (this.#told) return;
    const mark = readMark(seen);
    const { openedRevision = this.#loadedRevision } = this.#options;
    const verdict = judgeMark(mark, { epoch, run, openedRevision, hold: this.#record });
    if (verdict === "unbelievable") log.warn("a node names an impossible epoch", { nodeId });
    if (verdict !== "rolled-back" || mark === undefined) return;
    this.#told = true;
    log.error("the records are older than what a node remembers: nothing is deleted for now", {
      ...{ nodeId, epoch, revision: openedRevision },
      reason: `it remembers revision ${mark.revision} of epoch ${mark.epoch}`,
    });
    // The mark of a restore makes the next leader begin a hold, under an epoch that is new.
    const { store } = this.#options;
    await store.transact({ success: [put(RESTORED_KEY, Buffer.from(String(mark.revision)))] });
    onRolledBack?.(Math.max(mark.epoch, epoch));
  }

  /** Every chunk without a row on these nodes was looked at, and these files were found. */
  async scanned(nodes: readonly NodeId[], files: number, incomplete: number): Promise<void> {
    const before = this.#record;
    if (before === undefined) return;
    const scanned = [...new Set([...before.scanned, ...nodes])];
    await this.#save({
      ...before,
      scanned,
      files: before.files + files,
      incomplete: before.incomplete + incomplete,
    });
  }

  async #begin(epoch: number, mark: Operation): Promise<void> {
    const { clock } = this.#options;
    const record: HoldRecord = {
      v: 1,
      sinceEpoch: epoch,
      baseRevision: this.#loadedRevision,
      atMs: clock.nowMs(),
      scanned: [],
      files: 0,
      incomplete: 0,
    };
    await this.#save(record, mark);
  }

  async #save(record: HoldRecord, ...more: Operation[]): Promise<void> {
    await this.#options.store.transact({ success: [put(HOLD_KEY, encodeJson(record)), ...more] });
    this.#record = record;
  }
}
