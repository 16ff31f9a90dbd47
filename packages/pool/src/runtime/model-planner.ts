/** From measurements to a plan, and from what was seen back to better predictions. */
import type { NodeId } from "@hearthmesh/core";
import type { ModelRecord } from "../models/model-library.js";
import type { Candidate } from "../planner/candidates.js";
import { EMPTY_HISTORY, learn, type PlannerHistory, readHistory } from "../planner/history.js";
import { type ModelPlan, planModel } from "../planner/plan-model.js";
import type { Placement, PlanExplanation } from "./inference-service.js";
import type { Measures, MemberMeasures } from "./member-measures.js";
import type { AgentPorts } from "./ports.js";
import type { RingLayout } from "./ring-machine.js";

export interface PlanRequest {
  readonly model: ModelRecord;
  /** Undefined: all. */
  readonly allowed: readonly NodeId[] | undefined;
  readonly only: Placement | undefined;
  readonly leader: NodeId | undefined;
  readonly without: readonly NodeId[];
  readonly contextTokens: number | undefined;
  /** Its memory counts as free: it is what is planned anew. */
  readonly ringId: string | undefined;
}

type Ports = Pick<AgentPorts, "self" | "records" | "sizes">;

export class ModelPlanner {
  readonly #ports: Ports;
  readonly #measures: MemberMeasures;
  #history: PlannerHistory = EMPTY_HISTORY;
  #loading: Promise<void> | undefined;
  #saving: Promise<void> = Promise.resolve();
  #nextSave: Promise<void> | undefined;

  constructor(ports: Ports, measures: MemberMeasures) {
    this.#ports = ports;
    this.#measures = measures;
  }

  /** With fresh measurements, or with the last ones when there is no time to ask. */
  async plan(request: PlanRequest, isUrgent: boolean, signal: AbortSignal): Promise<ModelPlan> {
    await this.#load();
    const last = isUrgent ? this.#measures.last : undefined;
    return this.#planWith(request, last ?? (await this.#measures.ask(request.ringId, signal)));
  }

  async explain(request: PlanRequest, signal: AbortSignal): Promise<PlanExplanation> {
    await this.#load();
    const measures = await this.#measures.ask(request.ringId, signal);
    const plan = this.#planWith(request, measures);
    const { self } = this.#ports;
    return {
      model: request.model.name,
      chosen: plan.chosen?.row,
      rows: plan.candidates.map(({ row }) => row),
      leftOut: plan.leftOut,
      measured: measures.members.map((member) => ({
        name: member.name,
        bandwidthBytesPerSecond: member.bandwidthBytesPerSecond,
        memoryBytes: member.memoryBytes,
        roundTripMs: roundTripOf(measures, self.nodeId, member.nodeId),
        ageMs: member.ageMs,
      })),
      missingBytes: plan.missingBytes,
      text: plan.text,
    };
  }

  /** What a placement did; later predictions are corrected by it, also after a restart. */
  async observe(
    model: ModelRecord,
    candidate: Candidate,
    seen: { tokensPerSecond: number | undefined; exchangeMs: number | undefined },
  ): Promise<void> {
    const { row, predicted } = candidate;
    if (predicted === undefined) return;
    await this.#load();
    const { placement, nodeIds } = row;
    this.#history = learn(this.#history, {
      ...{ modelId: model.id, placement, nodeIds, predicted },
      ...seen,
    });
    await this.#save();
  }

  /** One write at a time; what is learnt during it goes with the next one, for all who wait. */
  #save(): Promise<void> {
    const write = () => {
      this.#nextSave = undefined;
      return this.#ports.records.write("history", this.#history);
    };
    this.#nextSave ??= this.#saving.then(write, write);
    this.#saving = this.#nextSave;
    return this.#nextSave;
  }

  contextTokensOf(model: ModelRecord, wanted: number | undefined): number {
    return Math.min(wanted ?? this.#ports.sizes.contextTokens, model.shape.contextTokensMax);
  }

  #planWith(request: PlanRequest, measures: Measures): ModelPlan {
    const { model, allowed, without } = request;
    const contextTokens = this.contextTokensOf(model, request.contextTokens);
    const members = measures.members.map((member) => {
      const isAllowed = allowed === undefined || allowed.includes(member.nodeId);
      if (!isAllowed) return { ...member, unavailable: "the request does not name it" };
      if (!without.includes(member.nodeId)) return member;
      return { ...member, unavailable: "it failed a moment ago" };
    });
    return planModel({
      modelId: model.id,
      modelName: model.name,
      shape: model.shape,
      sizes: { ...this.#ports.sizes, contextTokens },
      self: this.#ports.self.nodeId,
      members,
      links: measures.links,
      history: this.#history,
      leader: request.leader,
      only: request.only,
    });
  }

  #load(): Promise<void> {
    const read = async () => {
      this.#history = readHistory(await this.#ports.records.read("history"));
    };
    this.#loading ??= read();
    return this.#loading;
  }
}

/** The layout of a chosen candidate. */
export function layoutOf(candidate: Candidate, contextTokens: number): RingLayout {
  return {
    placement: candidate.row.placement,
    contextTokens,
    members: candidate.members.flatMap(({ nodeId, name }, index) => {
      const shard = candidate.shards[index];
      const memoryBytes = candidate.row.memoryBytesPerMember[index] ?? 0;
      return shard === undefined ? [] : [{ nodeId, name, columns: shard.columns, memoryBytes }];
    }),
  };
}

function roundTripOf({ links }: Measures, self: NodeId, other: NodeId): number | undefined {
  if (self === other) return undefined;
  return links.find(({ a, b }) => (a === self && b === other) || (a === other && b === self))
    ?.roundTripMs;
}
