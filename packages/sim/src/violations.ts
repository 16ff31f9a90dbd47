/** What a run did that the design forbids. One is enough for the run to fail. */
import type { Trace } from "./trace.js";

/** Kept in memory; further ones are counted. */
const VIOLATIONS_MAX = 100;

export class Violations {
  readonly #trace: Trace;
  readonly #list: string[] = [];
  count = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  add(text: string): void {
    this.count++;
    this.#trace.record("VIOLATION", text);
    if (this.#list.length < VIOLATIONS_MAX) this.#list.push(text);
  }

  get list(): readonly string[] {
    return this.#list;
  }
}
