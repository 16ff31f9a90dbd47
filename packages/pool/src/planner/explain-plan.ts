/** Says in sentences, with numbers, why a plan is as it is. */
import { formatBytes } from "@hearthmesh/core";
import type { PlanExplanation } from "../runtime/inference-service.js";
import { type Candidate, splitCandidate } from "./candidates.js";
import { breakEvenRoundTripMs, computeMsPerToken, wayWithin } from "./cost-model.js";
import { SPLIT_GAIN_MIN } from "./limits.js";
import type { PlannerInput, PlannerMember } from "./planner-input.js";

interface Outcome {
  readonly chosen: Candidate | undefined;
  readonly candidates: readonly Candidate[];
  readonly missingBytes: number | undefined;
}

/** Every member that the chosen placement does without, and why. */
export function leftOutOf(input: PlannerInput, { chosen, candidates }: Outcome) {
  if (chosen === undefined) return [];
  const out = input.members.filter((member) => !chosen.members.includes(member));
  return out.map((member): PlanExplanation["leftOut"][number] => ({
    name: member.name,
    reason: whyLeftOut(input, chosen, candidates, member),
  }));
}

function whyLeftOut(
  input: PlannerInput,
  chosen: Candidate,
  candidates: readonly Candidate[],
  member: PlannerMember,
): string {
  if (member.unavailable !== undefined) return member.unavailable;
  if (input.only === "R" || chosen.row.placement === "R") {
    const own = candidates.find(
      ({ row, members }) => row.placement === "R" && members[0] === member,
    );
    const alone = own?.predicted === undefined ? own?.row.reason : `alone ${speedText(own)}`;
    return `the whole request goes to ${chosen.row.names.join()}; ${alone ?? "not looked at"}`;
  }
  const members = input.members.filter((one) => one === member || chosen.members.includes(one));
  const withIt = splitCandidate(input, members);
  if (withIt.predicted === undefined) return withIt.row.reason;
  return `with it ${speedText(withIt)}, without it ${speedText(chosen)}`;
}

/** The plan as a person reads it: what, why, and where it would turn. */
export function textOf(input: PlannerInput, outcome: Outcome): string[] {
  const { chosen, candidates, missingBytes } = outcome;
  if (chosen === undefined) return nothingText(input, candidates, missingBytes);
  const whole = fastest(candidates, "R");
  const split = fastest(candidates, "T");
  const names = chosen.row.names.join(", ");
  const what =
    chosen.row.placement === "R"
      ? `R: the whole request goes to ${names}, ${speedText(chosen)} predicted.`
      : `T: split over ${names}, ${speedText(chosen)} predicted.`;
  if (input.only !== undefined) return [what, `Only ${input.only} was asked for.`];
  return [what, ...comparison(whole, split), ...turningPoint(input, whole, split)];
}

function comparison(whole: Candidate | undefined, split: Candidate | undefined): string[] {
  if (whole !== undefined && split !== undefined) {
    const names = split.row.names.join(", ");
    return [
      `Not split it gives ${speedText(whole)} (${whole.row.names.join()}), split over ${names} ` +
        `${speedText(split)}; splitting must gain ${SPLIT_GAIN_MIN * 100} % to be chosen.`,
    ];
  }
  if (whole === undefined) return ["It fits on no member alone."];
  return ["There is no ring to compare with."];
}

/** At which delay the other way would be as fast. */
function turningPoint(
  input: PlannerInput,
  whole: Candidate | undefined,
  split: Candidate | undefined,
): string[] {
  if (whole === undefined || split === undefined) return [];
  const breakEvenMs = breakEvenOf(input, whole, split);
  if (breakEvenMs === undefined) return [];
  if (breakEvenMs <= 0) return ["This ring would be slower on any link."];
  const text = breakEvenMs.toFixed(2);
  return [`The ring is as fast as the best member alone at a round trip of ${text} ms.`];
}

/** The round trip at which these two are as fast; undefined when either cannot be done. */
export function breakEvenOf(
  input: PlannerInput,
  whole: Candidate,
  split: Candidate,
): number | undefined {
  const [alone] = whole.members;
  const [shard] = whole.shards;
  const nodeIds = split.members.map(({ nodeId }) => nodeId);
  const found = wayWithin(nodeIds, input.links, (nodeId) => nodeId);
  if (alone === undefined || shard === undefined || "reason" in found) return undefined;
  const { shape } = input;
  const ringMs = Math.max(
    ...split.members.map(({ bandwidthBytesPerSecond }, index) => {
      const own = split.shards[index];
      return own === undefined ? 0 : computeMsPerToken(shape, own, bandwidthBytesPerSecond);
    }),
  );
  const aloneMs = computeMsPerToken(shape, shard, alone.bandwidthBytesPerSecond);
  return breakEvenRoundTripMs(
    shape,
    aloneMs,
    ringMs,
    split.members.length,
    found.way.bytesPerSecond,
  );
}

function nothingText(
  input: PlannerInput,
  candidates: readonly Candidate[],
  missingBytes: number | undefined,
): string[] {
  const ready = input.members.filter(({ unavailable }) => unavailable === undefined);
  if (ready.length === 0) {
    const reasons = input.members.map(({ name, unavailable }) => `${name}: ${unavailable}`);
    return [`No member is there that can run it. ${reasons.join("; ")}`];
  }
  if (input.only === "T" && ready.length < 2) {
    const [only] = ready;
    return [`Splitting needs two members or more, and only ${only?.name} is there.`];
  }
  if (missingBytes !== undefined) {
    const free = ready.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
    return [
      `${input.modelName} fits nowhere: ${missingBytes} bytes (${formatBytes(missingBytes)}) of ` +
        `memory are missing; ${formatBytes(free)} are free on ${ready.length} members.`,
    ];
  }
  const reasons = candidates
    .filter(({ row }) => row.placement !== "P")
    .map(({ row }) => `${row.placement} ${row.names.join(", ")}: ${row.reason}`);
  return ["No placement can be used.", ...reasons];
}

function fastest(candidates: readonly Candidate[], placement: "R" | "T"): Candidate | undefined {
  const possible = candidates.filter(
    ({ row, predicted }) => row.placement === placement && predicted !== undefined,
  );
  return possible.sort((a, b) => (b.row.tokensPerSecond ?? 0) - (a.row.tokensPerSecond ?? 0))[0];
}

function speedText({ row }: Candidate): string {
  const speed = row.tokensPerSecond ?? 0;
  return `${speed < 10 ? speed.toFixed(2) : speed.toFixed(1)} tokens/s`;
}
