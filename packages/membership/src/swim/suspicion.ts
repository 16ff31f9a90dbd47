/**
 * How long a node is suspected before it counts as dead: Lifeguard's dynamic timeout (Dadgar,
 * Phillips, Currey: "Lifeguard: Local Health Awareness for More Accurate Failure Detection", 2018).
 * It begins at the longest time and falls with the logarithm of independent confirmations, so a
 * single observer that is itself slow needs much longer than several that agree.
 */
import type { NodeId } from "@hearthmesh/core";
import type { SwimConfig } from "./config.js";

/** The whole time of a suspicion that `confirmations` others share. */
export function suspicionMs(config: SwimConfig, confirmations: number, nodes: number): number {
  const { suspicionMinMs, suspicionMaxMs } = config;
  const wanted = confirmationsWanted(config, nodes);
  if (wanted === 0 || confirmations >= wanted) return suspicionMinMs;
  const share = Math.log(confirmations + 1) / Math.log(wanted + 1);
  return suspicionMaxMs - share * (suspicionMaxMs - suspicionMinMs);
}

/** In a small mesh there are not enough others who could confirm. */
function confirmationsWanted({ suspicionConfirmations }: SwimConfig, nodes: number): number {
  return nodes - 2 < suspicionConfirmations ? 0 : suspicionConfirmations;
}

/**
 * Whose word a suspicion is. Only the sender of a datagram is certain: whom it quotes may never
 * have said so.
 */
export type Hand = "own" | "first" | "second";

/**
 * One who lies could quote many. So those who are quoted count as confirmations only when this
 * node's own probe failed too; those who said so here themselves always do.
 */
export class Suspicion {
  readonly #config: SwimConfig;
  readonly #startMs: number;
  /** The first is who began it; the others confirm. */
  readonly #from = new Set<NodeId>();
  readonly #firstHand = new Set<NodeId>();
  #isOwn = false;
  /** What this side itself was stalled since. */
  #stalledMs = 0;
  /** When it is over at the latest, since its process is known to be gone. */
  #goneAtMs = Number.POSITIVE_INFINITY;
  /** Somebody says that it is dead already, which this side has no ground to believe yet. */
  isCalledDead = false;

  constructor(config: SwimConfig, from: NodeId, hand: Hand, nowMs: number) {
    this.#config = config;
    this.#startMs = nowMs;
    this.confirm(from, hand);
  }

  /** True when it is news that is worth spreading. */
  confirm(from: NodeId, hand: Hand): boolean {
    if (hand === "own") this.#isOwn = true;
    const isKnown = this.#from.has(from);
    const isFull = this.#from.size > this.#config.suspicionConfirmations;
    if (hand !== "second" && (isKnown || !isFull)) this.#firstHand.add(from);
    if (isKnown || isFull) return false;
    this.#from.add(from);
    return true;
  }

  /** What was not heard while this side was stalled must not count against the other. */
  addStall(ms: number): void {
    this.#stalledMs += ms;
  }

  /** The process is gone: this is over soon. */
  hasten(nowMs: number): void {
    this.#goneAtMs = Math.min(this.#goneAtMs, nowMs + this.#config.goneSuspicionMs);
  }

  deadlineMs(nodes: number): number {
    const counted = this.#isOwn ? this.#from.size : this.#firstHand.size;
    const confirmations = Math.max(0, counted - 1);
    const wholeMs = suspicionMs(this.#config, confirmations, nodes);
    return Math.min(this.#startMs + wholeMs, this.#goneAtMs) + this.#stalledMs;
  }
}
