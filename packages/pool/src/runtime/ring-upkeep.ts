/**
 * What is done about the rings of a node beside answering: planning one anew when its members
 * changed, letting go of those that nobody used lately, and seeing that an engine that was started
 * again works. The healer asks for it; nothing here happens by itself.
 */
import { type Clock, MeshError, type NodeId } from "@hearthmesh/core";
import { sharesOf } from "../membership/ring-shares.js";
import type { GenerateRequest } from "../ring/generation.js";
import type { EngineProcesses } from "./engine-processes.js";
import type { AgentMembers } from "./ports.js";
import type { RingHost } from "./ring-host.js";
import type { RingLeader } from "./ring-leader.js";
import type { RingLoss } from "./ring-losses.js";
import type { EpochPlan, RingState } from "./ring-machine.js";
import type { RingRegistry } from "./ring-registry.js";

export interface RingUpkeepOptions {
  readonly registry: RingRegistry;
  readonly host: () => RingHost;
  readonly engines: EngineProcesses;
  readonly clock: Clock;
  readonly self: NodeId;
  readonly members: AgentMembers;
}

export interface Replanned {
  readonly before: EpochPlan;
  readonly after: EpochPlan;
  /** Whether other members, or others shares, came of it. */
  readonly isOther: boolean;
}

/** A model that this node leads and that no request runs in. */
export interface Resting {
  readonly model: string;
  readonly restedMs: number;
}

export interface Unloaded extends Resting {
  /** As they were counted for its shard on this node. */
  readonly bytes: number;
}

/** Of a ring that this node leads: what speaks for another plan. */
export interface RingHealth {
  readonly ringId: string;
  readonly model: string;
  readonly epoch: number;
  readonly running: number;
  readonly members: readonly { readonly nodeId: NodeId; readonly name: string }[];
  /** Names of members that a plan was made without, and that are there again. */
  readonly back: readonly string[];
  /** A sentence about its last answers; undefined: it is as fast as it was. */
  readonly slowness: string | undefined;
  /** What the present plan, or the one that is being made, does without by the ring's own doing. */
  readonly loss: RingLoss | undefined;
}

/** The cheapest question that has an answer. */
const PROOF: GenerateRequest = {
  prompt: { kind: "text", text: "1" },
  maxTokens: 1,
  sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 },
  stop: [],
};

export class RingUpkeep {
  readonly #options: RingUpkeepOptions;

  constructor(options: RingUpkeepOptions) {
    this.#options = options;
  }

  /**
   * Plans a ring that this node leads: without the members that are away, else with whoever is
   * there now. Resolves when it serves again. `MESH_NOT_FOUND`, `MESH_RING_BROKEN`,
   * `MESH_MODEL_MEMORY`.
   */
  async replan(ringId: string, away: readonly NodeId[], signal: AbortSignal): Promise<Replanned> {
    const leader = this.#leader(ringId);
    const before = leader.plan;
    if (before === undefined) throw notLoaded();
    await leader.planAnew(away, signal);
    const after = leader.plan;
    if (after === undefined) throw notLoaded();
    return { before, after, isOther: sharesOf(before) !== sharesOf(after) };
  }

  /** What this node leads, has loaded and could unload. */
  resting(): readonly Resting[] {
    return this.#resting().map(({ model, restedMs }) => ({ model, restedMs }));
  }

  /** Unloads what this node leads and nobody asked for during so long. A request loads it again. */
  async unloadResting(restedMsMin: number): Promise<readonly Unloaded[]> {
    const { host } = this.#options;
    const unloaded: Unloaded[] = [];
    for (const { ringId, leader, model, restedMs } of this.#resting()) {
      // While another one was unloaded, somebody may have asked for this one.
      if (restedMs < restedMsMin || leader.restingSinceMs === undefined) continue;
      const bytes = host().bytesOf((ring) => ring.ringId === ringId);
      await leader.unload();
      unloaded.push({ model, bytes, restedMs });
    }
    return unloaded;
  }

  /** Bytes of shards that this node holds for other leaders: they alone let them go. */
  foreignBytes(): number {
    const { host, self } = this.#options;
    return host().bytesOf(({ leader }) => leader !== self);
  }

  /** Rings that are loaded or on their way. */
  health(): readonly RingHealth[] {
    const { registry, members } = this.#options;
    const all = members.list();
    return registry.byId().flatMap(([ringId, { leader, model }]) => {
      const { plan, state, running, slowness, losses } = leader;
      if (plan === undefined) return [];
      const lost = "lost" in state ? state.lost : [];
      const isBack = (nodeId: NodeId) =>
        all.find((one) => one.nodeId === nodeId)?.isOnline === true &&
        !registry.faults.isOut(nodeId);
      const back = lost
        .filter(isBack)
        .map((id) => all.find((one) => one.nodeId === id)?.name ?? id);
      const { epoch, members: planned } = plan;
      const named = planned.map(({ nodeId, name }) => ({ nodeId, name }));
      const seen = { running, back, slowness, loss: losses.last };
      return [{ ringId, model: model.name, epoch, members: named, ...seen }];
    });
  }

  async prove(ringId: string, signal: AbortSignal): Promise<void> {
    for await (const event of this.#leader(ringId).generate(PROOF, signal)) {
      // A model may end at once: that is an answer too.
      if (event.kind === "done") return;
    }
    throw new MeshError("MESH_ENGINE_FAILED", { message: "no token came" });
  }

  async wake(ringId: string, signal: AbortSignal): Promise<void> {
    await this.#leader(ringId).wake(signal);
  }

  /** The engine of a ring that is let go, or that cannot be loaded, is not waited for. */
  onState(key: string, state: RingState): void {
    const { engines } = this.#options;
    if (state.kind === "idle") engines.letGo(key);
    if (state.kind === "broken") engines.gaveUp(key, state.error.message);
  }

  #resting() {
    const { registry, clock } = this.#options;
    return registry.byId().flatMap(([ringId, { leader, model }]) => {
      const { restingSinceMs, state } = leader;
      if (restingSinceMs === undefined || state.kind !== "ready") return [];
      const restedMs = clock.monotonicMs() - restingSinceMs;
      return [{ ringId, leader, model: model.name, restedMs }];
    });
  }

  #leader(ringId: string): RingLeader {
    const leader = this.#options.registry.leader(ringId);
    if (leader === undefined) throw notLoaded();
    return leader;
  }
}

function notLoaded(): MeshError {
  return new MeshError("MESH_NOT_FOUND", { message: "this node leads no such ring now" });
}
