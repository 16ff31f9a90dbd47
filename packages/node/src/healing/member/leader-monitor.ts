/** Whether the leading coordinator keeps up, when another one could lead instead. Pure. */
import type { LeadershipState } from "@hearthmesh/collective";
import type { Fact } from "@hearthmesh/healing";
import { factOf } from "./fact-of.js";
import { LEADER_LAG_MS, LEADER_SIGHT_MS, STORE_SLOW_MS } from "./limits.js";

export interface LeaderSight {
  readonly nodeId: string;
  readonly nodeName: string;
  /** Median time of a probe of the store; undefined: not measured yet. */
  readonly storeMs: number | undefined;
  /** How late timers fired on this node at most, lately; undefined: not measured. */
  readonly lagMs: number | undefined;
  /** Coordinators that are there besides this one, or were a moment ago. */
  readonly others: number;
}

export function leaderFacts({ nodeId, nodeName, storeMs, lagMs, others }: LeaderSight): Fact[] {
  const subject = { type: "coordinator" as const, id: nodeId, name: nodeName };
  if (storeMs === undefined && lagMs === undefined) {
    return [factOf("leader-struggling", subject, "unknown", "nothing was measured yet")];
  }
  const isSlow = (storeMs ?? 0) > STORE_SLOW_MS || (lagMs ?? 0) > LEADER_LAG_MS;
  const key =
    storeMs === undefined ? "no time of a key is known" : `a key takes ${rounded(storeMs)}`;
  const lag =
    lagMs === undefined ? "no lateness of timers" : `timers are late by ${rounded(lagMs)}`;
  const measured = `${key} (mark: ${STORE_SLOW_MS} ms), ${lag} (mark: ${LEADER_LAG_MS} ms)`;
  const there =
    others === 0
      ? "no other coordinator is there"
      : others === 1
        ? "1 other coordinator is there"
        : `${others} other coordinators are there`;
  const values = { storeMs: storeMs ?? 0, lagMs: lagMs ?? 0, others };
  const verdict = isSlow && others > 0 ? "ill" : "well";
  return [factOf("leader-struggling", subject, verdict, `${measured}; ${there}`, values)];
}

const rounded = (ms: number) => `${Math.round(ms)} ms`;

/** Of a coordinator that does not lead: the end of what was said while it did. */
export function notLeadingFacts(
  { leader }: Pick<LeadershipState, "leader">,
  { nodeId, nodeName }: Pick<LeaderSight, "nodeId" | "nodeName">,
): Fact[] {
  const subject = { type: "coordinator" as const, id: nodeId, name: nodeName };
  if (leader === undefined) {
    return [factOf("leader-struggling", subject, "unknown", "it is not known who leads")];
  }
  // It was elected a moment ago, and is about to begin.
  if (leader.nodeId === nodeId) return [];
  const text = `${leader.data.name} leads, by epoch ${leader.epoch}`;
  return [factOf("leader-struggling", subject, "well", text)];
}

/**
 * The worst of the last `LEADER_SIGHT_MS`. A machine that swaps stands still every few seconds:
 * between is no sign that it is well, nor that others, whose answers lie unread, are away. It goes
 * by time, not by looks: events bring dozens of looks a second just then.
 */
export class RecentMost {
  #seen: readonly { readonly value: number; readonly atMs: number }[] = [];

  /** `atMs`: monotonic. Undefined as long as nothing was measured lately. */
  add(value: number | undefined, atMs: number): number | undefined {
    const recent = this.#seen.filter((one) => atMs - one.atMs < LEADER_SIGHT_MS);
    // What is smaller than a newer one is never the most again.
    const seen = value === undefined ? recent : recent.filter((one) => one.value > value);
    this.#seen = value === undefined ? seen : [...seen, { value, atMs }];
    return this.#seen[0]?.value;
  }
}
