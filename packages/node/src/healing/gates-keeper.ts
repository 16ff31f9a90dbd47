/**
 * Keeps how often the healer did something, so that a daemon that is started again and again has no
 * more remedies than one that runs. A use is written down before the remedy is applied: the remedy
 * itself may be what ends the daemon. A store that does not answer holds no remedy up for long.
 *
 * Invariant: nothing is written before what the last run kept was read: it would be lost.
 */
import { type Clock, errorFields, type Logger } from "@hearthmesh/core";
import type { GatesRecord, KnowledgeStore } from "@hearthmesh/healing";
import type { NodeKnowledge } from "./knowledge-records.js";

/** A remedy is applied after this, written down or not. */
const WRITE_MS_MAX = 500;

export interface GatesKeeperOptions {
  readonly knowledge: NodeKnowledge;
  readonly clock: Clock;
  readonly log: Logger;
  /** As they stand. */
  gates(): GatesRecord;
}

export class GatesKeeper {
  readonly #options: GatesKeeperOptions;
  #writing: Promise<void> | undefined;
  #isDue = false;
  #isRead = false;

  constructor(options: GatesKeeperOptions) {
    this.#options = options;
  }

  /** For the healer, which reads from it at its start. */
  knowledge(): KnowledgeStore {
    const { knowledge, clock } = this.#options;
    return {
      load: async () => {
        const remembered = await knowledge.load();
        // The healer takes it in the same turn.
        clock.setTimeout(() => this.#read(), 0);
        return remembered;
      },
      saveIncident: (incident) => knowledge.saveIncident(incident),
      saveRemedy: (record) => knowledge.saveRemedy(record),
      saveSettings: (settings) => knowledge.saveSettings(settings),
    };
  }

  /** They may have changed: written when nothing else is. Resolves then; never rejects. */
  changed(): Promise<void> {
    this.#isDue = true;
    if (!this.#isRead) return Promise.resolve();
    this.#writing ??= this.#writeAll();
    return this.#writing;
  }

  #read(): void {
    this.#isRead = true;
    if (this.#isDue) void this.changed();
  }

  /** As `changed`, for no longer than a remedy may wait for it. Rejects when the signal aborts. */
  async written(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let end: () => void = () => undefined;
    const late = new Promise<void>((resolve) => {
      end = resolve;
    });
    const timer = clock.setTimeout(end, WRITE_MS_MAX);
    signal.addEventListener("abort", end, { once: true });
    await Promise.race([this.changed(), late]);
    timer.cancel();
    signal.removeEventListener("abort", end);
    signal.throwIfAborted();
  }

  async #writeAll(): Promise<void> {
    const { knowledge, log, gates } = this.#options;
    while (this.#isDue) {
      this.#isDue = false;
      try {
        await knowledge.saveGates(gates());
      } catch (error) {
        // The next use, or the next change of an incident, writes them again.
        log.debug("how often healing did something was not written down", errorFields(error));
      }
    }
    // In the same turn: what changes in the next one is not written by this.
    this.#writing = undefined;
  }
}
