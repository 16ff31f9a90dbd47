/**
 * What the healer of a node without a store remembers: one file, replaced as a whole. Writes of
 * one moment are written once. A damaged file, or one of a newer version, is as good as none.
 */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import {
  type HealerSettings,
  healingLimits,
  type Incident,
  type KnowledgeStore,
  type RemedyRecord,
  type Remembered,
} from "@hearthmesh/healing";
import { readIncident } from "./incident-schema.js";

interface KnowledgeDocument {
  readonly v: 1;
  readonly incidents: readonly Incident[];
  readonly remedies: readonly RemedyRecord[];
  readonly settings?: HealerSettings | undefined;
}

export class KnowledgeFile implements KnowledgeStore {
  readonly #path: string;
  readonly #incidents = new Map<string, Incident>();
  readonly #remedies = new Map<string, RemedyRecord>();
  #settings: HealerSettings | undefined;
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async load(): Promise<Remembered> {
    const document = parse(await readIfThere(this.#path));
    for (const one of document?.incidents ?? []) {
      const incident = readIncident(one);
      if (incident !== undefined) this.#incidents.set(incident.id, incident);
    }
    for (const record of document?.remedies ?? []) this.#remedies.set(keyOf(record), record);
    this.#settings = document?.settings;
    const incidents = [...this.#incidents.values()];
    return { incidents, remedies: [...this.#remedies.values()], settings: this.#settings };
  }

  saveIncident(incident: Incident): Promise<void> {
    this.#incidents.set(incident.id, incident);
    const spare = this.#incidents.size - healingLimits.INCIDENTS_KEPT_MAX;
    for (const id of spare > 0 ? [...this.#incidents.keys()].sort().slice(0, spare) : []) {
      this.#incidents.delete(id);
    }
    return this.#write();
  }

  saveRemedy(record: RemedyRecord): Promise<void> {
    this.#remedies.set(keyOf(record), record);
    return this.#write();
  }

  saveSettings(settings: HealerSettings): Promise<void> {
    this.#settings = settings;
    return this.#write();
  }

  /** One write at a time; all that come during one share the next. */
  #write(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const next = this.#writing
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        this.#writing = writePrivate(this.#path, `${JSON.stringify(this.#document())}\n`);
        return this.#writing;
      });
    this.#next = next;
    return next;
  }

  #document(): KnowledgeDocument {
    return {
      v: 1,
      incidents: [...this.#incidents.values()],
      remedies: [...this.#remedies.values()],
      settings: this.#settings,
    };
  }
}

function keyOf({ symptom, remedy }: RemedyRecord): string {
  return `${symptom} ${remedy}`;
}

function parse(text: string | undefined): KnowledgeDocument | undefined {
  try {
    const document = JSON.parse(text ?? "null") as KnowledgeDocument | null;
    return document?.v === 1 ? document : undefined;
  } catch {
    return undefined;
  }
}
