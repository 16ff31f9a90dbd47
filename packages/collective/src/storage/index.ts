/**
 * The storage node: the pack store that keeps chunks on a disk, where chunks belong, the tickets
 * and receipts that guard them, and the part that serves them over links.
 */
export * from "./blake3.js";
export * from "./byte-budget.js";
export type { CopySource } from "./chunk-copy.js";
export { CoordinatorTime } from "./coordinator-time.js";
export * from "./file-disk.js";
export * from "./node-access.js";
export * from "./node-agent.js";
export type { CompactionStep } from "./pack-compaction.js";
export * from "./pack-store.js";
export * from "./placement.js";
export * from "./receipts.js";
export * from "./reconnect.js";
export { Scrubber, type ScrubberOptions } from "./scrubber.js";
export * from "./seen-mark.js";
export * from "./storage-node.js";
export * from "./tickets.js";
