/**
 * The supervisor of etcd replaces a member by itself once that has been away for so long that it is
 * given up, and another coordinator stands by (`etcd-cluster-machine.ts`). This hurries its next
 * look, and says in the incident what stands against it until then.
 */
import { MeshError } from "@hearthmesh/core";
import type { Remedy, Symptom } from "@hearthmesh/healing";
import type { EtcdSupervisor } from "../../etcd/etcd-supervisor.js";
import { MEMBER_LOST_MS } from "../../etcd/limits.js";
import { timeText } from "./fact-of.js";
import { type LeadingMember, NOT_LEADING } from "./leading-member.js";

const VERIFY_MS = 300_000;

export interface ReplaceStoreMemberOptions {
  readonly member: LeadingMember;
  readonly supervisor: Pick<EtcdSupervisor, "status" | "lookNow">;
  /** Other coordinators that are there now. */
  coordinatorsHere(): readonly string[];
}

export function replaceStoreMember(options: ReplaceStoreMemberOptions): Remedy {
  const { supervisor } = options;
  return {
    name: "replace-store-member",
    handles: ["store-member-lost"],
    cost: 0.5,
    risk: 0.4,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 3, windowMs: 3_600_000 },
    describe: ({ subject }) =>
      `has ${subject.name} taken out, so that a coordinator that stands by takes its place`,
    blockedBy: (symptom) => blockedBy(options, symptom),
    apply: async ({ subject }) => {
      await supervisor.lookNow();
      const { members } = supervisor.status();
      const isListed = members.some(({ id, health }) => id === subject.id && health !== "ok");
      if (isListed) {
        throw new MeshError("MESH_STORE_UNAVAILABLE", {
          message: `the supervisor of etcd has not taken ${subject.name} out yet`,
        });
      }
      return { did: `${subject.name} is no lost member of the store any more` };
    },
  };
}

function blockedBy(
  { member, supervisor, coordinatorsHere }: ReplaceStoreMemberOptions,
  { sinceMs }: Symptom,
): string | undefined {
  if (member.view() === undefined) return NOT_LEADING;
  const awayMs = member.clock.monotonicMs() - sinceMs;
  if (awayMs < MEMBER_LOST_MS) {
    const after = `a member is replaced after ${timeText(MEMBER_LOST_MS)}`;
    return `it has been away for ${timeText(awayMs)}; ${after}`;
  }
  const { members } = supervisor.status();
  const listed = new Set(members.map(({ nodeId }) => nodeId));
  if (coordinatorsHere().some((nodeId) => !listed.has(nodeId))) return undefined;
  return "no other coordinator stands by to take its place: invite one more";
}
