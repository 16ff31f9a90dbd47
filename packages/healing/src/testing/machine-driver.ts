/**
 * Drives the machine alone: facts are set by hand, remedies answer what the script says, and every
 * effect is written down with its time.
 */
import type { Fact, Subject, SymptomKind, Verdict } from "../fact.js";
import { CLOSED_STATES, type Incident } from "../incident.js";
import type { HealerEffect, HealerEvent, RemedyTraits, Run } from "../machine/healer-events.js";
import { HealerMachine } from "../machine/healer-machine.js";
import type { RemedyName } from "../remedy.js";
import { symptomKey } from "../symptom.js";
import { SELF, seededRandom } from "./ailing-world.js";

const WALL_MS = 1_800_000_000_000;

export interface Applied {
  readonly atMs: number;
  readonly remedy: RemedyName;
  readonly key: string;
}

export class MachineDriver {
  readonly machine: HealerMachine;
  readonly traits: readonly RemedyTraits[];
  readonly #facts = new Map<string, Fact>();
  readonly #blocked = new Set<RemedyName>();
  /** Runs that were begun and have not ended. */
  readonly running = new Map<number, Run>();
  readonly applied: Applied[] = [];
  readonly effects: HealerEffect[] = [];
  readonly incidents = new Map<string, Incident>();
  /** What must never happen. */
  readonly broken: string[] = [];
  nowMs = 0;

  constructor(traits: readonly RemedyTraits[], configured: "acting" | "dry-run" = "acting") {
    this.traits = traits;
    this.machine = new HealerMachine({ self: SELF, configured, random: seededRandom(1) });
    for (const one of traits) this.machine.addRemedy(one);
  }

  say(symptom: SymptomKind, subject: Subject, verdict: Verdict | "silent"): void {
    const key = symptomKey({ kind: symptom, subject });
    if (verdict === "silent") this.#facts.delete(key);
    else this.#facts.set(key, { symptom, subject, verdict, evidence: `it is ${verdict}` });
  }

  sayAll(verdict: Verdict): void {
    for (const { symptom, subject } of [...this.#facts.values()]) {
      this.say(symptom, subject, verdict);
    }
  }

  block(remedy: RemedyName, isBlocked: boolean): void {
    if (isBlocked) this.#blocked.add(remedy);
    else this.#blocked.delete(remedy);
  }

  /** Time passes, and everything is looked at. */
  look(afterMs: number): void {
    this.nowMs += afterMs;
    const looks = [{ monitor: "world", facts: [...this.#facts.values()] }];
    this.step({ kind: "looked", looks });
  }

  /** The oldest run ends. */
  end(outcome: "done" | "failed"): void {
    const [run] = this.running.values();
    if (run === undefined) return;
    this.running.delete(run.id);
    this.step(this.#ending(run, outcome));
  }

  endAll(outcome: "done" | "failed"): void {
    while (this.running.size > 0) this.end(outcome);
  }

  step(event: HealerEvent): void {
    const now = { monotonicMs: this.nowMs, wallMs: WALL_MS + this.nowMs };
    for (const effect of this.machine.step(event, now)) this.#take(effect);
  }

  openIncidents(): Incident[] {
    return [...this.incidents.values()].filter(({ state }) => !CLOSED_STATES.includes(state));
  }

  readonly #rollbacks = new Set<number>();

  #ending({ id }: Run, outcome: "done" | "failed"): HealerEvent {
    const isRollback = this.#rollbacks.delete(id);
    if (outcome === "done") {
      return { kind: isRollback ? "rolled-back" : "applied", run: id, did: "it did" };
    }
    return { kind: isRollback ? "rollback-failed" : "apply-failed", run: id, reason: "it broke" };
  }

  #take(effect: HealerEffect): void {
    this.effects.push(effect);
    if (effect.kind === "consider") {
      const able = this.traits.filter(({ handles }) => handles.includes(effect.symptom.kind));
      const candidates = able.map(({ name: remedy }) => {
        const blocked = this.#blocked.has(remedy) ? { blockedBy: "the script says so" } : {};
        return { remedy, text: remedy, ...blocked };
      });
      this.step({ kind: "considered", key: effect.key, candidates });
    } else if (effect.kind === "apply" || effect.kind === "roll-back") this.#begin(effect);
    else if (effect.kind === "incident") this.#note(effect.incident);
  }

  #begin({ kind, run }: Extract<HealerEffect, { readonly run: Run }>): void {
    const key = symptomKey(run.symptom);
    const running = [...this.running.values()];
    if (running.some((one) => symptomKey(one.symptom) === key)) {
      this.broken.push(`two runs at a time for ${key}`);
    }
    this.running.set(run.id, run);
    if (kind === "roll-back") this.#rollbacks.add(run.id);
    else {
      if (this.machine.mode !== "acting") this.broken.push(`${run.remedy} while not acting`);
      this.applied.push({ atMs: this.nowMs, remedy: run.remedy, key });
    }
  }

  #note(incident: Incident): void {
    const before = this.incidents.get(incident.id);
    if (before !== undefined && CLOSED_STATES.includes(before.state)) {
      this.broken.push(`incident ${incident.id} changed after its end`);
    }
    this.incidents.set(incident.id, incident);
  }
}
