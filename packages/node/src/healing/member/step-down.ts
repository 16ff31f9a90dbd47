/** Gives the lead away, so that a coordinator that is not as busy takes over. */
import { MeshError } from "@hearthmesh/core";
import type { Remedy } from "@hearthmesh/healing";
import type { MemberLeadership } from "../../coordinators/member-leadership.js";
import { type LeadingMember, NOT_LEADING } from "./leading-member.js";
import { STEP_DOWN_LEASES } from "./limits.js";

const VERIFY_MS = 60_000;

export interface StepDownOptions {
  readonly member: LeadingMember;
  readonly leadership: Pick<MemberLeadership, "state" | "stepDown">;
  readonly nodeId: string;
  readonly leaseTimeMs: number;
  coordinatorsHere(): readonly string[];
}

export function stepDown(options: StepDownOptions): Remedy {
  const { member, leadership, nodeId, leaseTimeMs, coordinatorsHere } = options;
  const restMs = STEP_DOWN_LEASES * leaseTimeMs;
  return {
    name: "step-down",
    handles: ["leader-struggling"],
    cost: 0.3,
    risk: 0.4,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 2, windowMs: 3_600_000 },
    describe: ({ subject }) =>
      `lets another coordinator lead instead of ${subject.name}, which stands again after ` +
      `${restMs / 1000} s`,
    blockedBy: () => {
      if (member.view() === undefined) return NOT_LEADING;
      return coordinatorsHere().length === 0 ? "no other coordinator is there to lead" : undefined;
    },
    apply: async ({ subject }) => {
      const { epoch } = leadership.state;
      if (coordinatorsHere().length === 0) throw new MeshError("MESH_UNREACHABLE");
      // First: a store that takes writes late would keep the lead here for as long.
      leadership.stepDown(restMs);
      await member.note("healing.step-down", nodeId, { leaderEpoch: epoch });
      return { did: `${subject.name} gave the lead of epoch ${epoch} back` };
    },
  };
}
