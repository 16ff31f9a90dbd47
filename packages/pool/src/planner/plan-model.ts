/**
 * Where a model runs: R, the whole request to one member, or T, split by tensors over some of them.
 * Pure: the same numbers give the same plan on every machine.
 *
 * Splitting is chosen when it is the only way that fits, or when it is predicted faster by more
 * than `SPLIT_GAIN_MIN`. Among members alone the fastest wins, and this node within the same
 * margin: the prompt then stays here.
 */
import type { PlanExplanation } from "../runtime/inference-service.js";
import { type Candidate, pipelineCandidate, wholeCandidate } from "./candidates.js";
import { leftOutOf, textOf } from "./explain-plan.js";
import { PLAN_MEMBERS_MAX, SPLIT_GAIN_MIN } from "./limits.js";
import type { PlannerInput } from "./planner-input.js";
import { bestSplits } from "./split-search.js";

export interface ModelPlan {
  readonly chosen: Candidate | undefined;
  readonly candidates: readonly Candidate[];
  readonly leftOut: PlanExplanation["leftOut"];
  readonly missingBytes: number | undefined;
  readonly text: readonly string[];
}

export function planModel(given: PlannerInput): ModelPlan {
  const input = { ...given, members: given.members.slice(0, PLAN_MEMBERS_MAX) };
  const wholes = input.members.map((member) => wholeCandidate(input, member));
  const splits = bestSplits(input);
  const pipelines = input.members.length > 1 ? [pipelineCandidate(input.members)] : [];
  const candidates = [...wholes, ...splits, ...pipelines];
  const chosen = choose(input, candidates);
  const missingBytes = chosen === undefined ? leastMissing(candidates) : undefined;
  const plan = { chosen, candidates, missingBytes };
  const tooMany = given.members.slice(PLAN_MEMBERS_MAX).map(({ name }) => ({
    name,
    reason: `only ${PLAN_MEMBERS_MAX} members are looked at`,
  }));
  return {
    ...plan,
    leftOut: [...leftOutOf(input, plan), ...tooMany],
    text: textOf(input, plan),
  };
}

function choose(input: PlannerInput, candidates: readonly Candidate[]): Candidate | undefined {
  const possible = (placement: "R" | "T") =>
    candidates.filter(
      ({ row, predicted }) =>
        row.placement === placement &&
        predicted !== undefined &&
        (input.leader === undefined || row.nodeIds.includes(input.leader)),
    );
  const whole = bestWhole(input, possible("R"));
  const split = fastest(possible("T"));
  if (input.only === "R") return whole;
  if (input.only === "T") return split;
  if (input.only === "P") return undefined;
  if (whole === undefined || split === undefined) return whole ?? split;
  return speedOf(split) > speedOf(whole) * (1 + SPLIT_GAIN_MIN) ? split : whole;
}

function bestWhole(input: PlannerInput, wholes: readonly Candidate[]): Candidate | undefined {
  const best = fastest(wholes);
  const own = wholes.find(({ row }) => row.nodeIds[0] === input.self);
  if (best === undefined || own === undefined) return best;
  return speedOf(best) > speedOf(own) * (1 + SPLIT_GAIN_MIN) ? best : own;
}

function fastest(candidates: readonly Candidate[]): Candidate | undefined {
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (best === undefined || speedOf(candidate) > speedOf(best)) best = candidate;
  }
  return best;
}

function speedOf({ row }: Candidate): number {
  return row.tokensPerSecond ?? 0;
}

/** Of all ways that only memory forbids, the one that lacks least. */
function leastMissing(candidates: readonly Candidate[]): number | undefined {
  const missing = candidates.map((one) => one.missingBytes).filter((bytes) => bytes > 0);
  return missing.length === 0 ? undefined : Math.min(...missing);
}
