/**
 * Ends an answer before any of the texts that stop it, wherever tokens are cut: what may be the
 * beginning of such a text is held back until it is clear.
 */
import { MeshError } from "@hearthmesh/core";
import { STOP_TEXT_CHARACTERS_MAX, STOP_TEXTS_MAX } from "./limits.js";

export interface StopResult {
  /** What may be shown now. */
  readonly text: string;
  /** A stop text is complete: nothing more comes. */
  readonly stopped: boolean;
}

export class StopTexts {
  readonly #stops: readonly string[];
  readonly #longest: number;
  #held = "";

  /** Empty texts stop nothing. `MESH_BAD_REQUEST` for too many or too long ones. */
  constructor(stops: readonly string[]) {
    if (stops.length > STOP_TEXTS_MAX) {
      throw new MeshError("MESH_BAD_REQUEST", { message: `stop: at most ${STOP_TEXTS_MAX} texts` });
    }
    if (stops.some(({ length }) => length > STOP_TEXT_CHARACTERS_MAX)) {
      const message = `stop: at most ${STOP_TEXT_CHARACTERS_MAX} characters each`;
      throw new MeshError("MESH_BAD_REQUEST", { message });
    }
    this.#stops = stops.filter((stop) => stop !== "");
    this.#longest = this.#stops.reduce((most, { length }) => Math.max(most, length), 0);
  }

  push(text: string): StopResult {
    const all = this.#held + text;
    const found = this.#first(all);
    if (found !== undefined) {
      this.#held = "";
      return { text: all.slice(0, found), stopped: true };
    }
    const safe = all.length - this.#possibleBeginning(all);
    this.#held = all.slice(safe);
    return { text: all.slice(0, safe), stopped: false };
  }

  /** What was held back, when the answer ends in another way. */
  end(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /** Where the earliest stop text begins. */
  #first(text: string): number | undefined {
    const places = this.#stops.map((stop) => text.indexOf(stop)).filter((place) => place >= 0);
    return places.length === 0 ? undefined : Math.min(...places);
  }

  /** Length of the longest end of `text` that a stop text begins with. */
  #possibleBeginning(text: string): number {
    for (let length = Math.min(this.#longest - 1, text.length); length > 0; length -= 1) {
      const end = text.slice(-length);
      if (this.#stops.some((stop) => stop.startsWith(end))) return length;
    }
    return 0;
  }
}
