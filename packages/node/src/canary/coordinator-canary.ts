/** What a coordinator tries: a key in the store, a chunk on a storage node, a token of a model. */
import type { ChunkProbeAnswer, CoordinatorSeat, NodeLinks } from "@hearthmesh/collective";
import type { InferenceService } from "@hearthmesh/pool";
import type { Store } from "@hearthmesh/store";
import type { NodeRecord } from "../home.js";
import { probeStore } from "../store-probe.js";
import type { Tools } from "../tools.js";
import { Canary, type CanaryStep, type StepOutcome, WELL } from "./canary.js";
import { tokenStep } from "./token-step.js";

export interface CoordinatorCanaryOptions extends Tools {
  readonly record: NodeRecord;
  readonly store: Store;
  readonly seat: CoordinatorSeat;
  /** To storage nodes, also to this one. */
  readonly links: NodeLinks;
  /** Undefined while this node runs no models. */
  inference(): InferenceService | undefined;
}

export function coordinatorCanary(options: CoordinatorCanaryOptions): Canary {
  const steps = [storeStep(options), chunkStep(options), tokenStep(options)];
  return new Canary(steps, options.clock);
}

function storeStep({ store, record }: CoordinatorCanaryOptions): CanaryStep {
  return {
    name: "store",
    run: async () => {
      try {
        await probeStore(store, record.nodeId);
        return WELL;
      } catch (error) {
        const reason = `the store does not take writes: ${(error as Error).message}`;
        return { status: "failing", reason };
      }
    },
  };
}

/** Where another coordinator leads, that one tries: here there is nothing to write chunks. */
function chunkStep({ seat, links }: CoordinatorCanaryOptions): CanaryStep {
  return {
    name: "chunk",
    run: async (signal) => {
      if (!seat.isSeated) return undefined;
      const cannot = withoutTakers(seat);
      if (cannot !== undefined) return cannot;
      const answer = await seat.probeChunk(links, signal);
      if (answer === undefined) return undefined;
      const [first] = answer.failed;
      if (first === undefined) return inTime(answer);
      const names = answer.failed.map(({ name }) => name).join(", ");
      const why = first.error instanceof Error ? first.error.message : String(first.error);
      const reason = `a chunk could not be written to and read from ${names}: ${why}`;
      return { status: "degraded", reason };
    },
  };
}

/** The work was done; who was late is worth a word, and does not make the node less ready. */
function inTime({ late, node }: ChunkProbeAnswer): StepOutcome {
  if (late.length === 0) return WELL;
  const reason = `${late.join(", ")} answered late, so ${node} was asked too`;
  return { status: "ok", reason };
}

/** Set when there is nobody to be asked. What is there can still be read while some are full. */
function withoutTakers(seat: CoordinatorSeat): StepOutcome | undefined {
  const storage = seat.nodes().filter((node) => node.roles.includes("storage"));
  if (storage.length === 0) {
    const reason = "there is no storage node: files over 3 KiB cannot be kept";
    return { status: "degraded", reason };
  }
  const there = storage.filter((node) => node.state !== "offline");
  if (there.length === 0) return { status: "failing", reason: "no storage node is connected" };
  const takes = there.some((node) => node.state === "online" && !node.storage?.readOnly);
  if (takes) return undefined;
  const [full] = there.flatMap((node) => node.storage?.readOnly ?? []);
  const reason = `no storage node takes new chunks: ${full ?? "those that are there drain"}`;
  return { status: "degraded", reason };
}
