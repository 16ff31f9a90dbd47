/**
 * One probe at a time: a direct ping; when it is not answered, pings through others; when those
 * fail too, a suspicion. And the pings that others asked for.
 *
 * States of the probe: none; direct (until `directUntilMs`); indirect (until `untilMs`). Any ack of
 * its sequence number ends it well.
 */
import type { NodeId } from "@hearthmesh/core";

export interface Probe {
  readonly target: NodeId;
  readonly sequence: number;
  /** When the ping is sent again, once. */
  repeatAtMs: number;
  directUntilMs: number;
  untilMs: number;
  /** Others were asked. */
  isIndirect: boolean;
  /** Who was asked: only they and the target may answer. */
  readonly helpers: Set<NodeId>;
  /** Of the helpers, who has said nothing yet. */
  readonly silentHelpers: Set<NodeId>;
}

/** A ping on behalf of another. */
export interface Relay {
  readonly origin: NodeId;
  readonly originAddress: string;
  readonly originSequence: number;
  /** Who has to answer. */
  readonly target: NodeId;
  untilMs: number;
}

/** Pings for others that are under way; more are not begun. */
const RELAYS_MAX = 256;

export class Prober {
  probe: Probe | undefined;
  readonly relays = new Map<number, Relay>();
  #lastSequence = 0;

  nextSequence(): number {
    this.#lastSequence = (this.#lastSequence + 1) % 0x7fff_ffff;
    return this.#lastSequence;
  }

  /** False when there are too many. */
  addRelay(sequence: number, relay: Relay): boolean {
    if (this.relays.size >= RELAYS_MAX) return false;
    this.relays.set(sequence, relay);
    return true;
  }

  /** This side was stalled: answers may lie unread. */
  addStall(ms: number): void {
    if (this.probe !== undefined) {
      this.probe.repeatAtMs += ms;
      this.probe.directUntilMs += ms;
      this.probe.untilMs += ms;
    }
    for (const relay of this.relays.values()) relay.untilMs += ms;
  }

  /** When something is due, or undefined. */
  get dueMs(): number | undefined {
    let dueMs = this.probe && probeDueMs(this.probe);
    for (const { untilMs } of this.relays.values()) {
      if (dueMs === undefined || untilMs < dueMs) dueMs = untilMs;
    }
    return dueMs;
  }
}

function probeDueMs({ isIndirect, untilMs, repeatAtMs, directUntilMs }: Probe): number {
  return isIndirect ? untilMs : Math.min(repeatAtMs, directUntilMs);
}
