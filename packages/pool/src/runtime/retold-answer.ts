/**
 * One answer out of several attempts. An attempt that fails half-way is made again elsewhere; the
 * same request gives the same tokens (the seed is part of it), so what was told already is left
 * out, and one that differs from it ends the answer with an error instead of mixing two texts.
 *
 * Pure: fed with the events of one attempt after the other, it answers what to tell the caller.
 */
import { MeshError } from "@hearthmesh/core";
import type { GenerationEvent } from "../ring/generation.js";
import { ANSWER_CHARACTERS_MAX } from "./limits.js";

export class RetoldAnswer {
  /** All that the caller was told. */
  #told = "";
  #hasStarted = false;
  /** Of the present attempt. */
  #heard = "";
  #attempts = 0;

  /** A new attempt begins; the one before is forgotten. */
  begin(): void {
    this.#heard = "";
    this.#attempts++;
  }

  /** What the caller is told of this event of the present attempt. */
  take(event: GenerationEvent): GenerationEvent[] {
    switch (event.kind) {
      case "started":
        if (this.#hasStarted) return [];
        this.#hasStarted = true;
        return [event];
      case "text":
        return this.#text(event);
      case "paused":
        return [event];
      case "done":
        return [this.#done(event)];
    }
  }

  #text(event: Extract<GenerationEvent, { kind: "text" }>): GenerationEvent[] {
    const from = this.#heard.length;
    this.#heard += event.text;
    if (this.#heard.length > ANSWER_CHARACTERS_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `the answer has more than ${ANSWER_CHARACTERS_MAX} characters`,
      });
    }
    const common = Math.min(this.#heard.length, this.#told.length);
    if (this.#heard.slice(from, common) !== this.#told.slice(from, common)) {
      throw new MeshError("MESH_RING_BROKEN", {
        message: "a member was lost, and the others came to another text",
        hint: "Make the request again: with temperature 0 members differ least.",
      });
    }
    if (this.#heard.length <= this.#told.length && this.#attempts > 1) return [];
    const text = this.#heard.slice(Math.max(from, this.#told.length));
    this.#told = this.#heard.length > this.#told.length ? this.#heard : this.#told;
    return [{ ...event, text }];
  }

  #done(event: Extract<GenerationEvent, { kind: "done" }>): GenerationEvent {
    if (this.#attempts <= 1) return event;
    const epochs = event.timings.epochs + this.#attempts - 1;
    return { ...event, timings: { ...event.timings, epochs } };
  }
}
