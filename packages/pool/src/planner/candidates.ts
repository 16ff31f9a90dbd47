/** The placements that can be thought of, each with its prediction or why it cannot be done. */
import type { PlacementRow } from "../runtime/inference-service.js";
import type { Shard } from "../shards/shard.js";
import {
  computeMsPerToken,
  exchangeMs,
  exchangesPerToken,
  tokensPerSecond,
  wayWithin,
} from "./cost-model.js";
import { exchangeCorrection, type Prediction, speedCorrection } from "./history.js";
import type { PlannerInput, PlannerMember } from "./planner-input.js";
import { type FittedShares, fitShares, fitWhole } from "./ring-shares.js";

/** A row of the table, and what is needed to carry it out and to learn from it. */
export interface Candidate {
  readonly row: PlacementRow;
  readonly members: readonly PlannerMember[];
  /** One per member; empty when it cannot be done. */
  readonly shards: readonly Shard[];
  /** Undefined when it cannot be done. */
  readonly predicted: Prediction | undefined;
  /** Bytes of memory that it lacks; 0 when that is not why it cannot be done. */
  readonly missingBytes: number;
}

/** R: the whole request to this member. */
export function wholeCandidate(input: PlannerInput, member: PlannerMember): Candidate {
  const refused = refusalOf(member);
  if (refused !== undefined) return impossible("R", [member], refused, 0);
  const fitted = fitWhole(input, member);
  if ("reason" in fitted) return impossible("R", [member], fitted.reason, fitted.missingBytes);
  return possible(input, "R", [member], fitted.shares, 0);
}

/** T: split over these members, two or more. */
export function splitCandidate(input: PlannerInput, members: readonly PlannerMember[]): Candidate {
  for (const member of members) {
    const refused = refusalOf(member);
    if (refused !== undefined) return impossible("T", members, `${member.name}: ${refused}`, 0);
  }
  const nodeIds = members.map(({ nodeId }) => nodeId);
  const nameOf = (nodeId: string) =>
    members.find((member) => member.nodeId === nodeId)?.name ?? nodeId;
  const found = wayWithin(nodeIds, input.links, nameOf);
  if ("reason" in found) return impossible("T", members, found.reason, 0);
  const fitted = fitShares(input, members);
  if ("reason" in fitted) return impossible("T", members, fitted.reason, fitted.missingBytes);
  return possible(
    input,
    "T",
    members,
    fitted.shares,
    exchangeMs(input.shape, members.length, found.way),
  );
}

/** P has its row in the table, and no machine yet. */
export function pipelineCandidate(members: readonly PlannerMember[]): Candidate {
  return impossible("P", members, "the pipeline comes in a later version", 0);
}

function possible(
  input: PlannerInput,
  placement: "R" | "T",
  members: readonly PlannerMember[],
  shares: Extract<FittedShares, { shares: unknown }>["shares"],
  exchangeMsEach: number,
): Candidate {
  const { shape, history, modelId } = input;
  const nodeIds = members.map(({ nodeId }) => nodeId);
  const computeMs = Math.max(
    ...members.map(({ bandwidthBytesPerSecond }, index) => {
      const shard = shares[index]?.shard;
      return shard === undefined ? 0 : computeMsPerToken(shape, shard, bandwidthBytesPerSecond);
    }),
  );
  const correctedMs = exchangeMsEach * exchangeCorrection(history, nodeIds);
  const plain = tokensPerSecond(shape, computeMs, correctedMs);
  const speed = plain * speedCorrection(history, modelId, placement, nodeIds);
  const parts = [`computing ${computeMs.toFixed(2)} ms`];
  if (placement === "T") {
    const exchanges = exchangesPerToken(shape);
    parts.push(`${exchanges} exchanges ${(correctedMs * exchanges).toFixed(2)} ms`);
  }
  return {
    row: {
      placement,
      nodeIds,
      names: members.map(({ name }) => name),
      tokensPerSecond: speed,
      memoryBytesPerMember: shares.map(({ memory }) => memory.totalBytes),
      reason: `per token: ${parts.join(", ")}`,
    },
    members,
    shards: shares.map(({ shard }) => shard),
    predicted: { tokensPerSecond: plain, exchangeMs: exchangeMsEach },
    missingBytes: 0,
  };
}

function impossible(
  placement: PlacementRow["placement"],
  members: readonly PlannerMember[],
  reason: string,
  missingBytes: number,
): Candidate {
  const row: PlacementRow = {
    placement,
    nodeIds: members.map(({ nodeId }) => nodeId),
    names: members.map(({ name }) => name),
    tokensPerSecond: undefined,
    memoryBytesPerMember: [],
    reason,
  };
  return { row, members, shards: [], predicted: undefined, missingBytes };
}

function refusalOf(member: PlannerMember): string | undefined {
  if (member.unavailable !== undefined) return member.unavailable;
  if (member.bandwidthBytesPerSecond > 0) return undefined;
  return "its bandwidth is not measured";
}
