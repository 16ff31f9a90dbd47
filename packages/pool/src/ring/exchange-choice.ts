/**
 * One step or two? The leader chooses for each step by what the links cost: a fixed time `alpha`
 * for each exchange, and the bytes that a member sends over `beta` bytes a second.
 */
import type { ExchangeMode } from "./step-codec.js";
import { valueBytesOf } from "./wire-format.js";

/** Measured by the leader; the first values are those of a wired LAN of 1 Gbit/s. */
export class LinkCost {
  #alphaMs = 0.3;
  #bytesPerMs = 100_000;

  get alphaMs(): number {
    return this.#alphaMs;
  }

  get bytesPerMs(): number {
    return this.#bytesPerMs;
  }

  /** An exchange took so long in all; waiting for slower members is in it. */
  onExchange(durationMs: number, bytes: number): void {
    if (bytes < SMALL_BYTES) {
      // Waiting only adds: the quick ones tell what the link takes.
      const weight = durationMs < this.#alphaMs ? 0.2 : 0.01;
      this.#alphaMs += weight * (durationMs - this.#alphaMs);
      return;
    }
    const rate = bytes / Math.max(durationMs - this.#alphaMs, 0.01);
    const weight = rate > this.#bytesPerMs ? 0.2 : 0.02;
    this.#bytesPerMs += weight * (rate - this.#bytesPerMs);
  }
}

const SMALL_BYTES = 64 * 1024;

/** Bytes that one member sends, and how often it waits. */
export function exchangeCost(
  mode: ExchangeMode,
  rows: number,
  embeddingWidth: number,
  members: number,
): { bytes: number; waits: number } {
  const whole = valueBytesOf(embeddingWidth) * rows * embeddingWidth;
  return mode === "one-shot"
    ? { bytes: (members - 1) * whole, waits: 1 }
    : { bytes: Math.ceil((2 * (members - 1) * whole) / members), waits: 2 };
}

/** The cheaper one; one-shot when they are the same, as always with two members. */
export function chooseExchange(
  link: Pick<LinkCost, "alphaMs" | "bytesPerMs">,
  rows: number,
  embeddingWidth: number,
  members: number,
): ExchangeMode {
  const costMs = (mode: ExchangeMode) => {
    const { bytes, waits } = exchangeCost(mode, rows, embeddingWidth, members);
    return waits * link.alphaMs + bytes / link.bytesPerMs;
  };
  return costMs("scatter-gather") < costMs("one-shot") ? "scatter-gather" : "one-shot";
}
