/**
 * What the healer of a node without a store remembers: one file, replaced as a whole. Writes of
 * one moment are written once. A damaged file, or one of a newer version, is as good as none.
 */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import {
  CLOSED_STATES,
  type GatesRecord,
  type HealerSettings,
  type Incident,
  type RemedyRecord,
  type Remembered,
  spareIncidents,
} from "@hearthmesh/healing";
import { readIncident } from "./incident-schema.js";
import { type NodeKnowledge, readGates, readJson, readRecord } from "./knowledge-records.js";

interface KnowledgeDocument extends Remembered {
  readonly v: 1;
}

export class KnowledgeFile implements NodeKnowledge {
  readonly #path: string;
  readonly #incidents = new Map<string, Incident>();
  readonly #remedies = new Map<string, RemedyRecord>();
  #settings: HealerSettings | undefined;
  #gates: GatesRecord | undefined;
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** What is saved meanwhile is newer, and written when this is over: else it would be lost. */
  load(): Promise<Remembered> {
    const loading = this.#load();
    this.#writing = loading.then(() => undefined);
    return loading;
  }

  async #load(): Promise<Remembered> {
    const document = readRecord<KnowledgeDocument>(readJson(await readIfThere(this.#path)));
    for (const one of document?.incidents ?? []) {
      const incident = readIncident(one);
      if (incident === undefined || this.#incidents.has(incident.id)) continue;
      this.#incidents.set(incident.id, incident);
    }
    for (const record of document?.remedies ?? []) {
      if (!this.#remedies.has(keyOf(record))) this.#remedies.set(keyOf(record), record);
    }
    this.#settings ??= document?.settings;
    this.#gates ??= readGates(document?.gates);
    return this.#remembered();
  }

  /** All of them are of this node. */
  saveIncident(incident: Incident): Promise<void> {
    this.#incidents.set(incident.id, incident);
    const all = [...this.#incidents.values()];
    const isOpen = ({ state }: Incident) => !CLOSED_STATES.includes(state);
    for (const id of spareIncidents(all, incident.nodeId, isOpen)) this.#incidents.delete(id);
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

  saveGates(gates: GatesRecord): Promise<void> {
    this.#gates = gates;
    return this.#write();
  }

  /** One write at a time; all that come during one share the next. */
  #write(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const next = this.#writing
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        const document: KnowledgeDocument = { v: 1, ...this.#remembered() };
        this.#writing = writePrivate(this.#path, `${JSON.stringify(document)}\n`);
        return this.#writing;
      });
    this.#next = next;
    return next;
  }

  #remembered(): Remembered {
    return {
      incidents: [...this.#incidents.values()],
      remedies: [...this.#remedies.values()],
      settings: this.#settings,
      ...(this.#gates === undefined ? {} : { gates: this.#gates }),
    };
  }
}

function keyOf({ symptom, remedy }: RemedyRecord): string {
  return `${symptom} ${remedy}`;
}
