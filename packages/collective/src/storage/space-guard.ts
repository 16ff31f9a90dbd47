/** Whether there is room for more: the node's share of the disk, and the disk itself. */
import { type Clock, type Disk, formatBytes, limits, MeshError } from "@hearthmesh/core";

/** How long the answer of the file system is believed. */
const FREE_BYTES_AGE_MS_MAX = 1000;

export interface SpaceGuardParts {
  readonly disk: Disk;
  readonly clock: Clock;
  /** What the operator lets the store use. */
  readonly capacityBytes: number;
  /** Free space of the disk that is never used. */
  readonly reserveBytes?: number;
  /** Bytes that the store's files take now. */
  readonly usedBytes: () => number;
}

export class SpaceGuard {
  readonly #parts: SpaceGuardParts;
  readonly #reserveBytes: number;
  #diskFreeBytes = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: SpaceGuardParts) {
    this.#parts = parts;
    this.#reserveBytes = parts.reserveBytes ?? limits.DISK_RESERVE_BYTES;
  }

  /** Asks the disk anew when the last answer is old. */
  async refresh(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#askedAtMs < FREE_BYTES_AGE_MS_MAX) return;
    this.#diskFreeBytes = await this.#parts.disk.freeBytes();
    this.#askedAtMs = nowMs;
  }

  /** Takes what was written into account until the disk is asked again. */
  wrote(bytes: number): void {
    this.#diskFreeBytes -= bytes;
  }

  /** Bytes that may still be written, by the last answer. */
  get freeBytes(): number {
    const ofShare = this.#parts.capacityBytes - this.#parts.usedBytes();
    const ofDisk = this.#diskFreeBytes - this.#reserveBytes;
    return Math.max(0, Math.min(ofShare, ofDisk));
  }

  allows(bytes: number): boolean {
    return bytes <= this.freeBytes;
  }

  /** For compaction, which may use the reserve and the share for a moment to give more back. */
  diskHas(bytes: number): boolean {
    return bytes <= this.#diskFreeBytes;
  }

  /** The error for a record that does not fit. */
  refusal(bytes: number): MeshError {
    const ofShare = this.#parts.capacityBytes - this.#parts.usedBytes();
    const isShare = bytes > ofShare;
    const capacity = formatBytes(this.#parts.capacityBytes);
    return new MeshError("MESH_DISK_FULL", {
      message: isShare
        ? `this node's share of ${capacity} is used up`
        : `the disk of this node has less than ${formatBytes(this.#reserveBytes)} left`,
      hint: isShare
        ? "Give the node more with --capacity, or add a storage node."
        : "Free some space or add a storage node.",
      details: { freeBytes: this.freeBytes },
    });
  }
}
