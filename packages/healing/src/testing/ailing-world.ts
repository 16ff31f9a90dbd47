/** Things that break and are mended, with monitors and remedies that are told how they behave. */

import { type Random, silentLogger } from "@hearthmesh/core";
import { ManualClock, promiseTurns } from "@hearthmesh/core/testing";
import type { Fact, Monitor, Subject, SymptomKind, Verdict } from "../fact.js";
import { Healer } from "../healer.js";
import type { Incident } from "../incident.js";
import type { HealerSettings, KnowledgeStore, RemedyRecord, Remembered } from "../knowledge.js";
import type { Remedy, RemedyName } from "../remedy.js";
import { type Symptom, symptomKey } from "../symptom.js";

export const SELF = { nodeId: "self", name: "here" };

export function node(id: string): Subject {
  return { type: "node", id, name: `node ${id}` };
}

/** The same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { float, bytes: (length) => Uint8Array.from({ length }, () => float() * 256) };
}

/** What is remembered, in memory; it may be told to fail. */
export class MemoryKnowledge implements KnowledgeStore {
  readonly incidents = new Map<string, Incident>();
  readonly remedies = new Map<string, RemedyRecord>();
  settings: HealerSettings | undefined;
  isBroken = false;

  async load(): Promise<Remembered> {
    this.#check();
    const remedies = [...this.remedies.values()];
    return { incidents: [...this.incidents.values()], remedies, settings: this.settings };
  }

  async saveIncident(incident: Incident): Promise<void> {
    this.#check();
    this.incidents.set(incident.id, incident);
  }

  async saveRemedy(record: RemedyRecord): Promise<void> {
    this.#check();
    this.remedies.set(`${record.symptom} ${record.remedy}`, record);
  }

  async saveSettings(settings: HealerSettings): Promise<void> {
    this.#check();
    this.settings = settings;
  }

  #check(): void {
    if (this.isBroken) throw new Error("the disk is gone");
  }
}

export interface Use {
  readonly remedy: RemedyName;
  readonly key: string;
  readonly atMs: number;
}

/** Begins at 0; nothing here waits for anything but promises. */
export function steppedClock(): ManualClock {
  return new ManualClock({ atMs: 0, settle: promiseTurns });
}

export class AilingWorld {
  readonly clock: ManualClock;
  readonly knowledge: MemoryKnowledge;
  readonly healer: Healer;
  readonly uses: Use[] = [];
  readonly takenBack: Use[] = [];
  readonly #facts = new Map<string, Fact>();
  /** Incidents as they were told, in order. */
  readonly told: Incident[] = [];

  constructor(
    options: {
      mode?: "acting" | "dry-run";
      clock?: ManualClock;
      knowledge?: MemoryKnowledge;
      beforeApply?: (signal: AbortSignal) => Promise<void>;
    } = {},
  ) {
    this.clock = options.clock ?? steppedClock();
    this.knowledge = options.knowledge ?? new MemoryKnowledge();
    this.healer = new Healer({
      self: SELF,
      mode: options.mode ?? "acting",
      knowledge: this.knowledge,
      clock: this.clock,
      random: seededRandom(7),
      log: silentLogger,
      ...(options.beforeApply && { beforeApply: options.beforeApply }),
    });
    this.healer.onEvent((event) => {
      if (event.kind === "incident") this.told.push(event.incident);
    });
    const look = async () => [...this.#facts.values()];
    this.addMonitor({ name: "world", look });
  }

  addMonitor(monitor: Monitor): void {
    this.healer.add({ monitors: [monitor], remedies: [] });
  }

  say(symptom: SymptomKind, subject: Subject, verdict: Verdict): void {
    const evidence = `${subject.name} is ${verdict}`;
    this.#facts.set(symptomKey({ kind: symptom, subject }), {
      ...{ symptom, subject, verdict, evidence },
    });
  }

  forget(symptom: SymptomKind, subject: Subject): void {
    this.#facts.delete(symptomKey({ kind: symptom, subject }));
  }

  /** By default one that mends at once whatever it is used for. */
  addRemedy(given: Partial<Remedy> & Pick<Remedy, "name" | "handles">): void {
    const mend = async (symptom: Symptom) => {
      this.say(symptom.kind, symptom.subject, "well");
      return { did: `${given.name} mended ${symptom.subject.name}` };
    };
    const apply = given.apply ?? mend;
    const remedy: Remedy = {
      cost: 0.1,
      risk: 0.1,
      verifyWithinMs: 5_000,
      rate: { count: 10, windowMs: 60_000 },
      describe: (symptom) => `${given.name} for ${symptom.subject.name}`,
      blockedBy: () => undefined,
      ...given,
      apply: (symptom, signal) => {
        this.#note(this.uses, given.name, symptom);
        return apply(symptom, signal);
      },
      ...(given.rollbackWhen && {
        rollback: async (symptom: Symptom) => {
          this.#note(this.takenBack, given.name, symptom);
          return { did: `${given.name} was taken back` };
        },
      }),
    };
    this.healer.add({ monitors: [], remedies: [remedy] });
  }

  /** Everything that is known, the oldest first. */
  incidents(): Incident[] {
    return [...this.healer.history({ limit: 10_000 })].reverse();
  }

  #note(list: Use[], remedy: RemedyName, symptom: Symptom): void {
    list.push({ remedy, key: symptomKey(symptom), atMs: this.clock.monotonicMs() });
  }
}
