/**
 * Which members make the best ring. Up to `EXHAUSTIVE_MEMBERS_MAX` every subset is tried; beyond,
 * the fastest and the largest so many are tried, and from the best of these members are taken in or
 * out one by one as long as that helps.
 */
import { type Candidate, splitCandidate } from "./candidates.js";
import { EXHAUSTIVE_MEMBERS_MAX, MEMBER_GAIN_MIN } from "./limits.js";
import type { PlannerInput, PlannerMember } from "./planner-input.js";

/** The best ring, and the one of all members when it is another; at most two. */
export function bestSplits(input: PlannerInput): Candidate[] {
  const ready = input.members.filter(({ unavailable }) => unavailable === undefined);
  const { leader } = input;
  const canLead = leader === undefined || ready.some(({ nodeId }) => nodeId === leader);
  if (ready.length < 2 || !canLead) return [];
  const all = splitCandidate(input, ready);
  const best =
    ready.length <= EXHAUSTIVE_MEMBERS_MAX ? exhaustive(input, ready) : greedy(input, ready);
  if (best === undefined || best.members.length === ready.length) return [best ?? all];
  return [best, all];
}

function exhaustive(input: PlannerInput, members: readonly PlannerMember[]): Candidate | undefined {
  let best: Candidate | undefined;
  const subsets = Array.from({ length: 2 ** members.length }, (_, bits) =>
    members.filter((_, index) => (bits & (1 << index)) !== 0),
  ).filter((subset) => subset.length >= 2 && isLed(input, subset));
  // Smaller rings first: a larger one must be worth its members.
  for (const subset of subsets.sort((a, b) => a.length - b.length)) {
    best = better(best, splitCandidate(input, subset));
  }
  return best;
}

/** Keeps the first of two that are as good; one that can be done beats one that cannot. */
function better(best: Candidate | undefined, other: Candidate): Candidate | undefined {
  const speed = other.row.tokensPerSecond;
  if (speed === undefined) return best;
  if (best?.row.tokensPerSecond === undefined) return other;
  const more = Math.max(other.members.length - best.members.length, 0);
  const wanted = best.row.tokensPerSecond * (1 + MEMBER_GAIN_MIN * more);
  return speed > wanted ? other : best;
}

function greedy(input: PlannerInput, members: readonly PlannerMember[]): Candidate | undefined {
  const bySpeed = [...members].sort(
    (a, b) => b.bandwidthBytesPerSecond - a.bandwidthBytesPerSecond,
  );
  const byMemory = [...members].sort((a, b) => b.memoryBytes - a.memoryBytes);
  let best: Candidate | undefined;
  for (const order of [bySpeed, byMemory]) {
    for (let size = 2; size <= order.length; size++) {
      const chosen = inRingOrder(members, order.slice(0, size));
      if (isLed(input, chosen)) best = better(best, splitCandidate(input, chosen));
    }
  }
  for (;;) {
    const improved = improve(input, members, best);
    if (improved === best) return best;
    best = improved;
  }
}

/** Takes one member in or out where that helps; the same candidate when nothing does. */
function improve(
  input: PlannerInput,
  members: readonly PlannerMember[],
  from: Candidate | undefined,
): Candidate | undefined {
  if (from === undefined) return undefined;
  let best: Candidate | undefined = from;
  for (const member of members) {
    const isIn = from.members.includes(member);
    const others = from.members.filter((one) => one !== member);
    const chosen = isIn ? others : [...from.members, member];
    if (chosen.length < 2 || !isLed(input, chosen)) continue;
    best = better(best, splitCandidate(input, inRingOrder(members, chosen)));
  }
  return best;
}

function isLed({ leader }: PlannerInput, members: readonly PlannerMember[]): boolean {
  return leader === undefined || members.some(({ nodeId }) => nodeId === leader);
}

function inRingOrder(
  members: readonly PlannerMember[],
  chosen: readonly PlannerMember[],
): PlannerMember[] {
  return members.filter((member) => chosen.includes(member));
}
