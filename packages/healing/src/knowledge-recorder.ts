/**
 * Writes what is to be remembered, one after the other and behind the healer's back: it neither
 * waits nor fails. What cannot be written is tried again; of each record only the newest waits, and
 * above `RECORDS_WAITING_MAX` the oldest are left out and counted.
 */
import { type Clock, errorFields, type Logger, sleep } from "@hearthmesh/core";
import type { Incident } from "./incident.js";
import type { HealerSettings, KnowledgeStore, RemedyRecord } from "./knowledge.js";
import { RECORD_RETRY_MS, RECORDS_WAITING_MAX } from "./limits.js";

export interface KnowledgeRecorderOptions {
  readonly knowledge: KnowledgeStore;
  readonly clock: Clock;
  readonly log: Logger;
}

export class KnowledgeRecorder {
  readonly #options: KnowledgeRecorderOptions;
  readonly #waiting = new Map<string, () => Promise<void>>();
  readonly #stopping = new AbortController();
  #writing: Promise<void> | undefined;

  constructor(options: KnowledgeRecorderOptions) {
    this.#options = options;
  }

  incident(incident: Incident): void {
    const { knowledge } = this.#options;
    this.#put(`incident ${incident.id}`, () => knowledge.saveIncident(incident));
  }

  remedy(record: RemedyRecord): void {
    const { knowledge } = this.#options;
    this.#put(`remedy ${record.symptom} ${record.remedy}`, () => knowledge.saveRemedy(record));
  }

  settings(settings: HealerSettings): void {
    const { knowledge } = this.#options;
    this.#put("settings", () => knowledge.saveSettings(settings));
  }

  /** What waits is written once more, without a second try. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#writing;
  }

  #put(key: string, write: () => Promise<void>): void {
    this.#waiting.delete(key);
    this.#waiting.set(key, write);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > RECORDS_WAITING_MAX && oldest !== undefined) {
      this.#waiting.delete(oldest);
      this.#options.log.warn("a record of healing was left out: its store takes none");
    }
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined) {
        // In the same turn: what comes in the next one would wait for nobody.
        this.#writing = undefined;
        return;
      }
      const [key, write] = next;
      this.#waiting.delete(key);
      try {
        await write();
      } catch (error) {
        this.#options.log.debug("a record of healing was not written", errorFields(error));
        if (this.#stopping.signal.aborted) {
          this.#writing = undefined;
          return;
        }
        // A newer one came meanwhile: this one is of no use.
        if (!this.#waiting.has(key)) this.#waiting.set(key, write);
        const { clock } = this.#options;
        await sleep(clock, RECORD_RETRY_MS, this.#stopping.signal).catch(() => undefined);
      }
    }
  }
}
