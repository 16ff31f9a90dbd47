/** What the planner is given: measured numbers, and nothing that it would have to ask for. */
import type { NodeId } from "@hearthmesh/core";
import type { EngineSizes } from "../engine/engine-memory.js";
import type { ModelShape } from "../model/model-shape.js";
import type { Placement } from "../runtime/inference-service.js";
import type { PlannerHistory } from "./history.js";

export interface PlannerMember {
  readonly nodeId: NodeId;
  readonly name: string;
  /** Why it cannot take part, such as `offline`; undefined: it can. */
  readonly unavailable: string | undefined;
  /** Free for models now. */
  readonly memoryBytes: number;
  /** Weights that its engine reads and multiplies per second. */
  readonly bandwidthBytesPerSecond: number;
}

/** Between two members, in either direction. */
export interface PlannerLink {
  readonly a: NodeId;
  readonly b: NodeId;
  /** Undefined: nobody measured it. */
  readonly roundTripMs: number | undefined;
  readonly bytesPerSecond: number | undefined;
  /** Through a relay: no ring may use it. */
  readonly relayed: boolean;
}

export interface PlannerInput {
  readonly modelId: string;
  readonly modelName: string;
  readonly shape: ModelShape;
  readonly sizes: EngineSizes;
  /** The node that asks; it leads a ring that it is in. */
  readonly self: NodeId;
  /** In the order of the ring. */
  readonly members: readonly PlannerMember[];
  readonly links: readonly PlannerLink[];
  readonly history: PlannerHistory;
  /** Only what this member is part of may be chosen: it leads already. */
  readonly leader: NodeId | undefined;
  /** Only this placement may be chosen. */
  readonly only: Placement | undefined;
}
