/**
 * Has a ring planned anew, for other machines or other shares. A ring whose member fails it, as
 * when its connection ends, does so by itself (`docs/ai/runtime.md`). At rest nobody notices one
 * that fell silent with its connections open, and nobody looks at one that came back, before the
 * next request would have to wait for it.
 */
import { type Clock, isMeshError } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome, Symptom } from "@hearthmesh/healing";
import type { Replanned, RingHealth } from "@hearthmesh/pool";
import { sharesOf } from "@hearthmesh/pool/membership";
import type { AiUpkeep } from "../../ai/ai-upkeep.js";
import { awayOf, isAtIt, type RingPeer } from "./rings-monitor.js";

const VERIFY_MS = 60_000;

export interface RePlanPoolOptions {
  readonly upkeep: Pick<AiUpkeep, "rings" | "replan">;
  readonly peers: () => readonly RingPeer[];
  readonly selfId: string;
  readonly clock: Clock;
}

export function rePlanPool(options: RePlanPoolOptions): Remedy {
  const { upkeep, peers, selfId, clock } = options;
  const find = ({ subject }: Symptom): RingHealth | undefined =>
    upkeep.rings().find(({ ringId }) => ringId === subject.id);
  return {
    name: "re-plan-pool",
    handles: ["pool-member-lost"],
    cost: 0.3,
    risk: 0.1,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 4, windowMs: 600_000 },
    describe: ({ values }) =>
      values.why === "away"
        ? `has ${values.model} planned over the machines that are left`
        : `has the machines measured, and ${values.model} planned over all that are there`,
    blockedBy: (symptom) => {
      const ring = find(symptom);
      if (ring !== undefined && isAtIt(ring)) {
        return "the ring plans anew by itself, as it does when a member fails it";
      }
      if (symptom.values.why === "lost") return "the ring planned anew by itself";
      if (ring === undefined || ring.running === 0 || symptom.values.why === "away") {
        return undefined;
      }
      return "an answer is under way, and a new plan would interrupt it";
    },
    apply: async (symptom, signal) => {
      const ring = find(symptom);
      const gone = { did: "the ring is let go already", changedNothing: true };
      if (ring === undefined) return gone;
      const away = awayOf(ring, peers(), selfId).map(({ nodeId }) => nodeId);
      const fromMs = clock.monotonicMs();
      try {
        const replanned = await upkeep.replan(ring.ringId, away, signal);
        return outcomeOf(ring, replanned, clock.monotonicMs() - fromMs);
      } catch (error) {
        // Nobody waits for it any more, as when it was unloaded meanwhile.
        if (isMeshError(error, "MESH_NOT_FOUND")) return gone;
        throw error;
      }
    },
  };
}

function outcomeOf(
  ring: RingHealth,
  { before, after, isOther }: Replanned,
  tookMs: number,
): RemedyOutcome {
  const now = `epoch ${after.epoch}: ${sharesOf(after)}`;
  // The ring itself was quicker, as when its member failed under an answer.
  const wasFirst = after.epoch === before.epoch ? before.epoch > ring.epoch : isAtIt(ring);
  if (wasFirst) return { did: `the ring had planned anew itself: ${now}`, changedNothing: true };
  if (after.epoch === before.epoch) {
    return { did: `measured and planned: ${now} is the best plan still`, changedNothing: true };
  }
  const took = `in ${(tookMs / 1000).toFixed(1)} s`;
  const did = isOther
    ? `planned anew ${took}: ${now}; before: ${sharesOf(before)}`
    : `loaded anew on the same machines ${took}: ${now}`;
  return { did };
}
