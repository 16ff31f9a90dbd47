/** The leader's slots are the same at all members; each engine has its own numbers for them. */
import type { ShardEngine } from "../engine/shard-engine.js";
import { invalidFrame } from "./frame-codec.js";
import type { ComputeStep, RingStep } from "./step-codec.js";

export class SequenceSlots {
  readonly #engine: ShardEngine;
  readonly #sequences = new Map<number, { sequence: number; length: number }>();

  constructor(engine: ShardEngine) {
    this.#engine = engine;
  }

  /** `MESH_RING_FRAME_INVALID` for a step that does not fit what came before. */
  apply(step: Exclude<RingStep, ComputeStep>): void {
    const present = this.#sequences.get(step.slot);
    if (step.action === "open") {
      if (present !== undefined) throw invalidFrame(`the sequence ${step.slot} is open already`);
      this.#sequences.set(step.slot, { sequence: this.#engine.openSequence(), length: 0 });
      return;
    }
    if (present === undefined) throw invalidFrame(`the sequence ${step.slot} is not open`);
    if (step.action === "truncate") {
      if (step.position > present.length) throw invalidFrame("a sequence is cut beyond its end");
      present.length = step.position;
      this.#engine.truncate(present.sequence, step.position);
      return;
    }
    this.#sequences.delete(step.slot);
    this.#engine.closeSequence(present.sequence);
  }

  /** The engine's number for the sequence to which the rows of this step are added. */
  sequenceOf(step: ComputeStep): number {
    const present = this.#sequences.get(step.slot);
    if (present?.length !== step.position) {
      throw invalidFrame(`the sequence ${step.slot} does not end at ${step.position}`);
    }
    present.length += step.tokens.length;
    return present.sequence;
  }

  closeAll(): void {
    for (const { sequence } of this.#sequences.values()) this.#engine.closeSequence(sequence);
    this.#sequences.clear();
  }
}
