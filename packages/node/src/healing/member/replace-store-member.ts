/**
 * The supervisor of etcd replaces a member by itself once that has been away for so long that it is
 * given up, and another coordinator stands by (`etcd-cluster-machine.ts`). This hurries its next
 * look, and says in the incident what stands against it until then.
 */
import { MeshError, sleep } from "@hearthmesh/core";
import type { Remedy, Symptom } from "@hearthmesh/healing";
import type { EtcdSupervisor } from "../../etcd/etcd-supervisor.js";
import { timeText } from "./fact-of.js";
import { type LeadingMember, NOT_LEADING } from "./leading-member.js";

/** A new member gets a copy of all data before it votes. */
const VERIFY_MS = 300_000;
/** The supervisor of the node with etcd's own leader takes it out, which may be another node's. */
const TAKEN_OUT_MS = 20_000;
const LOOK_MS = 500;

export interface ReplaceStoreMemberOptions {
  readonly member: LeadingMember;
  readonly supervisor: Pick<EtcdSupervisor, "status" | "lookNow">;
  /** A member that is away for longer is given up. */
  readonly memberLostMs: number;
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
    apply: async ({ subject }, signal) => {
      const { clock } = options.member;
      const endMs = clock.monotonicMs() + TAKEN_OUT_MS;
      const isListed = () =>
        supervisor.status().members.some(({ id, health }) => id === subject.id && health !== "ok");
      for (;;) {
        await supervisor.lookNow();
        if (!isListed()) break;
        if (clock.monotonicMs() >= endMs) {
          throw new MeshError("MESH_STORE_UNAVAILABLE", {
            message: `the supervisor of etcd has not taken ${subject.name} out yet`,
          });
        }
        await sleep(clock, LOOK_MS, signal);
      }
      return { did: `${subject.name} is no lost member of the store any more` };
    },
  };
}

function blockedBy(
  { member, supervisor, memberLostMs, coordinatorsHere }: ReplaceStoreMemberOptions,
  { sinceMs }: Symptom,
): string | undefined {
  if (member.view() === undefined) return NOT_LEADING;
  const awayMs = member.clock.monotonicMs() - sinceMs;
  if (awayMs < memberLostMs) {
    const after = `a member is replaced after ${timeText(memberLostMs)}`;
    return `it has been away for ${timeText(awayMs)}; ${after}`;
  }
  const { members } = supervisor.status();
  const listed = new Set(members.map(({ nodeId }) => nodeId));
  if (coordinatorsHere().some((nodeId) => !listed.has(nodeId))) return undefined;
  return "no other coordinator stands by to take its place: invite one more";
}
