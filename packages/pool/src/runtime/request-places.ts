/**
 * Where a request goes. A ring that is loaded is better than one that is not, and one that has
 * nothing to do is better than a busy one: members that each hold a whole model share the load.
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { ModelRecord } from "../models/model-library.js";
import type { ModelPlan } from "../planner/plan-model.js";
import type { InferenceRequest } from "./inference-service.js";
import { SPREAD_GAIN_MIN, SPREAD_RUNNING_MIN } from "./limits.js";
import type { ModelPlanner, PlanRequest } from "./model-planner.js";
import type { AgentPorts } from "./ports.js";
import { type FoundRing, findRings } from "./ring-finder.js";
import type { RingLeader } from "./ring-leader.js";
import type { RingRegistry } from "./ring-registry.js";

/** A ring of this node, or whoever leads elsewhere. */
export type Place = { readonly leader: RingLeader } | { readonly nodeId: NodeId };

export interface RequestPlacesOptions {
  readonly ports: AgentPorts;
  readonly registry: RingRegistry;
  readonly planner: ModelPlanner;
}

export class RequestPlaces {
  readonly #options: RequestPlacesOptions;

  constructor(options: RequestPlacesOptions) {
    this.#options = options;
  }

  /** `MESH_MODEL_MEMORY` with the bytes that are missing, `MESH_RING_NOT_READY`. */
  async placeOf(
    model: ModelRecord,
    request: Pick<InferenceRequest, "placement">,
    allowed: readonly NodeId[] | undefined,
    avoid: ReadonlySet<NodeId>,
    signal: AbortSignal,
  ): Promise<Place> {
    const { ports, registry, planner } = this.#options;
    const { placement } = request;
    const own = registry.loaded(model, allowed, placement);
    if (own !== undefined && (placement !== undefined || !isBusyAlone(own))) return { leader: own };
    const asked = { model, allowed, leader: undefined, ringId: undefined, without: [...avoid] };
    const plan = (only: PlanRequest["only"], isUrgent: boolean) =>
      planner.plan({ ...asked, only, contextTokens: undefined }, isUrgent, signal);
    if (placement === undefined) {
      const all = await findRings(ports, model.id, allowed, signal);
      const found = all.filter(({ leader }) => !avoid.has(leader));
      const loaded = leastBusy(own, found);
      if (loaded !== undefined && loaded.running < SPREAD_RUNNING_MIN) return loaded.place;
      const split = found.find(({ ring }) => ring.placement === "T");
      if (split !== undefined) return { nodeId: split.leader };
      if (loaded !== undefined) {
        return this.#spread(await plan("R", true), found, model, allowed) ?? loaded.place;
      }
    }
    return this.#planned(await plan(placement, false), model, allowed, placement);
  }

  /** A member that holds nothing of the model yet and would be worth it; all others are busy. */
  #spread(
    { candidates }: ModelPlan,
    found: readonly FoundRing[],
    model: ModelRecord,
    allowed: readonly NodeId[] | undefined,
  ): Place | undefined {
    const { ports, registry } = this.#options;
    const wholes = candidates.flatMap(({ row }) => {
      const [nodeId] = row.nodeIds;
      const speed = row.tokensPerSecond;
      if (row.placement !== "R" || nodeId === undefined || speed === undefined) return [];
      return [{ nodeId, speed }];
    });
    wholes.sort((a, b) => b.speed - a.speed);
    const least = (wholes[0]?.speed ?? 0) * SPREAD_GAIN_MIN;
    const isFree = (nodeId: NodeId) =>
      nodeId === ports.self.nodeId
        ? registry.loaded(model, allowed, undefined) === undefined
        : !found.some(({ leader }) => leader === nodeId);
    const chosen = wholes.find(({ nodeId, speed }) => speed >= least && isFree(nodeId));
    if (chosen === undefined) return undefined;
    if (chosen.nodeId !== ports.self.nodeId) return { nodeId: chosen.nodeId };
    return { leader: registry.leaderFor(model, allowed, undefined) };
  }

  #planned(
    { chosen, missingBytes, text }: ModelPlan,
    model: ModelRecord,
    allowed: readonly NodeId[] | undefined,
    placement: InferenceRequest["placement"],
  ): Place {
    const { ports, registry } = this.#options;
    if (chosen === undefined) {
      const isMemory = missingBytes !== undefined;
      throw new MeshError(isMemory ? "MESH_MODEL_MEMORY" : "MESH_RING_NOT_READY", {
        message: text.slice(0, 3).join(" "),
        ...(isMemory ? { details: { missingBytes } } : {}),
      });
    }
    const members = [...chosen.members];
    members.sort((a, b) => b.bandwidthBytesPerSecond - a.bandwidthBytesPerSecond);
    const self = ports.self.nodeId;
    const isIn = members.some(({ nodeId }) => nodeId === self);
    const nodeId = isIn ? self : (members[0]?.nodeId ?? self);
    if (nodeId !== self) return { nodeId };
    return { leader: registry.leaderFor(model, allowed, placement) };
  }
}

/** A ring of one that works on something; one of several is used whatever it does. */
function isBusyAlone({ plan, running }: RingLeader): boolean {
  return running > 0 && plan?.placement === "R";
}

/** This node first among equals. */
function leastBusy(own: RingLeader | undefined, found: readonly FoundRing[]) {
  const rings: { readonly place: Place; readonly running: number }[] = [
    ...(own === undefined ? [] : [{ place: { leader: own }, running: own.running }]),
    ...found
      .filter(({ ring }) => ring.placement === "R")
      .map(({ leader, ring }) => ({ place: { nodeId: leader }, running: ring.running })),
  ];
  return rings.sort((a, b) => a.running - b.running)[0];
}
