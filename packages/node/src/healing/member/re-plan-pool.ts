/**
 * A ring plans anew by itself when a member is gone (`docs/ai/runtime.md`). This asks the planner
 * what the model runs on without it, and sees that the ring goes on in a newer epoch or is let go.
 */
import { type Clock, MeshError, sleep } from "@hearthmesh/core";
import type { Remedy } from "@hearthmesh/healing";
import type { InferenceService, RingInspection } from "@hearthmesh/pool";
import { namesText } from "./fact-of.js";
import { RING_REPLAN_MS, WORKER_LOOK_MS } from "./limits.js";

const VERIFY_MS = 60_000;

export interface RePlanPoolOptions {
  readonly inference: Pick<InferenceService, "explain">;
  readonly rings: Pick<RingInspection, "rings">;
  readonly clock: Clock;
}

export function rePlanPool({ inference, rings, clock }: RePlanPoolOptions): Remedy {
  return {
    name: "re-plan-pool",
    handles: ["pool-member-lost"],
    cost: 0.3,
    risk: 0.1,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 4, windowMs: 600_000 },
    describe: ({ values }) => `has ${values.model} planned over the machines that are left`,
    blockedBy: () => undefined,
    apply: async ({ subject, values }, signal) => {
      const model = String(values.model);
      // Measures who is left: the plan that the ring makes next is made from that.
      const { text } = await inference.explain(model, signal);
      const [next = "no plan is possible"] = text;
      const endMs = clock.monotonicMs() + RING_REPLAN_MS;
      while (clock.monotonicMs() < endMs) {
        const ring = (await rings.rings()).led.find(({ ringId }) => ringId === subject.id);
        if (ring === undefined) return { did: `the ring was let go; next: ${next}` };
        if (ring.epoch > Number(values.epoch)) {
          const names = namesText(ring.members.map(({ name }) => name));
          return { did: `epoch ${ring.epoch} of the ring runs on ${names}` };
        }
        await sleep(clock, WORKER_LOOK_MS, signal);
      }
      throw new MeshError("MESH_RING_BROKEN", {
        message: `the ring is still of epoch ${values.epoch}`,
      });
    },
  };
}
