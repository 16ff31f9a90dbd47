/**
 * What the healer sees of models on this node and may do about them. Nothing is loaded or started
 * for a look: a node that ran no model has neither engines nor rings.
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { Replanned, Resting, RingHealth, Unloaded } from "@hearthmesh/pool";
import type { SupervisedProcesses } from "../processes/supervised-process.js";
import type { AiRuntime } from "./ai-runtime.js";

type Inference = AiRuntime["inference"];

export class AiUpkeep {
  readonly engines: SupervisedProcesses;
  readonly #listeners = new Set<() => void>();
  #inference: Inference | undefined;

  constructor() {
    this.engines = {
      list: () => this.#inference?.engines.list() ?? [],
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }

  /** Models can be run now. */
  opened(inference: Inference): void {
    this.#inference = inference;
    inference.engines.onChange(() => {
      for (const listener of this.#listeners) listener();
    });
  }

  closed(): void {
    this.#inference = undefined;
  }

  rings(): readonly RingHealth[] {
    return this.#inference?.upkeep.health() ?? [];
  }

  /** See `RingUpkeep.replan`. */
  async replan(ringId: string, away: readonly NodeId[], signal: AbortSignal): Promise<Replanned> {
    if (this.#inference === undefined) throw new MeshError("MESH_NOT_FOUND");
    return this.#inference.upkeep.replan(ringId, away, signal);
  }

  /** See `RingUpkeep.resting`. */
  resting(): readonly Resting[] {
    return this.#inference?.upkeep.resting() ?? [];
  }

  async unloadResting(restedMsMin: number): Promise<readonly Unloaded[]> {
    return (await this.#inference?.upkeep.unloadResting(restedMsMin)) ?? [];
  }

  foreignBytes(): number {
    return this.#inference?.upkeep.foreignBytes() ?? 0;
  }
}
