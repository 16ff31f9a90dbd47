/** Who was seen in which state by whom, and when; of agents that tell it by themselves. */
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 5;
const WHOLE_MS_MAX = 120_000;

/** Milliseconds of the system's monotonic clock, which all processes share. */
export const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

export class Sightings {
  #names;
  #log = [];
  /** The last state by observer and subject. */
  #last = new Map();

  constructor(names) {
    this.#names = names;
    for (const name of names) this.#last.set(name, new Map());
  }

  get count() {
    return this.#log.length;
  }

  since(count) {
    return this.#log.slice(count);
  }

  add({ observer, subject, state }) {
    const seen = { atMs: nowMs(), observer, subject, state };
    this.#log.push(seen);
    this.#last.get(observer).set(subject, seen);
  }

  /** It starts anew and knows nobody. */
  forgetViewOf(observer) {
    this.#last.get(observer).clear();
  }

  /** When the last of all others saw it so. */
  async until(isSo, { subject, timeoutMs }) {
    const endMs = nowMs() + timeoutMs;
    for (;;) {
      const seen = this.#names
        .filter((name) => name !== subject)
        .map((name) => this.#last.get(name).get(subject));
      if (seen.every((one) => one !== undefined && isSo(one))) {
        return Math.max(...seen.map(({ atMs }) => atMs));
      }
      if (nowMs() > endMs) throw new Error(`${subject} was not seen so by all in time`);
      await sleep(POLL_MS);
    }
  }

  async untilWhole() {
    for (const subject of this.#names) {
      await this.until(({ state }) => state === "alive", { subject, timeoutMs: WHOLE_MS_MAX });
    }
  }
}
