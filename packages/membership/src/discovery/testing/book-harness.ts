/** A candidate book with the time and the dials that are under way, for its tests. */
import type { NodeId } from "@hearthmesh/core";
import { id } from "../../testing/wire-fixtures.js";
import type { BookEffect, BookEvent } from "../book-events.js";
import { CandidateBook } from "../candidate-book.js";
import { seededRandom } from "./test-node.js";

const SELF = id(999);
type Dial = Extract<BookEffect, { type: "dial" }>;

export class BookHarness {
  readonly book: CandidateBook;
  nowMs = 0;
  readonly underWay = new Map<number, Dial>();
  readonly dials: { atMs: number; dial: Dial }[] = [];

  constructor(options: { dialsMax?: number; candidatesMax?: number; seed?: string } = {}) {
    const { seed = "book", ...rest } = options;
    this.book = new CandidateBook({ selfNodeId: SELF, random: seededRandom(seed), ...rest });
  }

  step(event: BookEvent): readonly BookEffect[] {
    const effects = this.book.step(event, this.nowMs);
    for (const effect of effects) {
      if (effect.type !== "dial") continue;
      this.underWay.set(effect.dialId, effect);
      this.dials.push({ atMs: this.nowMs, dial: effect });
    }
    return effects;
  }

  found(node: number, address: string, more: object = {}): void {
    this.step({ type: "found", method: "gossip", nodeId: id(node), addresses: [address], ...more });
  }

  place(address: string): void {
    this.step({ type: "found", method: "static", addresses: [address] });
  }

  fail(dialId: number): void {
    const addresses = this.underWay.get(dialId)?.addresses ?? [];
    this.underWay.delete(dialId);
    const failures = addresses.map((address) => ({ address, reason: "x", hint: "y" }));
    this.step({ type: "dial-failed", dialId, failures });
  }

  succeed(dialId: number, nodeId: NodeId): void {
    const address = this.underWay.get(dialId)?.addresses[0] ?? "";
    this.underWay.delete(dialId);
    this.step({ type: "link-opened", nodeId, kind: "direct" });
    this.step({ type: "dial-succeeded", dialId, nodeId, address });
  }

  /** Lets the time pass; every dial fails at once. */
  failAllUntil(untilMs: number): void {
    for (;;) {
      for (const dialId of [...this.underWay.keys()]) this.fail(dialId);
      const { wakeMs } = this.book;
      if (this.underWay.size > 0) continue;
      if (wakeMs === undefined || wakeMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, wakeMs);
      this.step({ type: "wake" });
    }
    this.nowMs = untilMs;
  }

  get lastDial(): Dial {
    const last = this.dials.at(-1);
    if (last === undefined) throw new Error("nothing was dialled");
    return last.dial;
  }
}
