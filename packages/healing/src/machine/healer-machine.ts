/**
 * The healer as a machine: `step(event, now)` changes the state and returns what is to be done.
 *
 * Invariants, whatever the events and their order:
 * - one case for a symptom, and one run at a time for a case;
 * - a remedy is asked for only while the mode is `acting` and its gates are open;
 * - `unknown` opens no incident and closes none;
 * - an incident that was closed stays as it is.
 *
 * Errors: none is thrown. An end of a run that nobody waits for, or an answer about a case that is
 * gone, changes nothing.
 */
import { type Random, toBase32 } from "@hearthmesh/core";
import type { GatesRecord } from "../gates-record.js";
import type {
  HealerMode,
  HealerStatus,
  HealingCounters,
  PlannedRemedy,
} from "../healer-service.js";
import type { Incident } from "../incident.js";
import { byBegin } from "../kept-incidents.js";
import type { Remembered } from "../knowledge.js";
import { BUDGET_COUNT, BUDGET_WINDOW_MS, INCIDENTS_OPEN_MAX, TAKE_OVER_MS } from "../limits.js";
import type { RemedyName } from "../remedy.js";
import { type Symptom, symptomKey } from "../symptom.js";
import * as flow from "./case-flow.js";
import { FactTable, type MonitorView, type Tracked } from "./fact-table.js";
import type {
  Cause,
  Considered,
  HealerEffect,
  HealerEvent,
  Now,
  RemedyTraits,
} from "./healer-events.js";
import { ModeSwitch } from "./healer-mode.js";
import { type HealingCase, isClosed, newCase } from "./healing-case.js";
import { HealingTally } from "./healing-tally.js";
import { IncidentBook } from "./incident-book.js";
import { newIncident } from "./incident-record.js";
import { RemedyGates } from "./remedy-gates.js";
import { RemedyMemory } from "./remedy-memory.js";
import { rank } from "./remedy-ranking.js";
import { explains } from "./symptom-causes.js";
import { headline } from "./texts.js";

/** Of the random part of an incident's id. */
const ID_BYTES = 5;

export interface HealerMachineOptions {
  readonly self: { readonly nodeId: string; readonly name: string };
  readonly configured: "acting" | "dry-run";
  readonly random: Random;
}

export class HealerMachine {
  readonly #options: HealerMachineOptions;
  readonly #traits = new Map<RemedyName, RemedyTraits>();
  readonly #facts = new FactTable();
  readonly #gates = new RemedyGates();
  readonly #memory = new RemedyMemory();
  readonly #tally = new HealingTally();
  readonly #mode: ModeSwitch;
  readonly book: IncidentBook;
  readonly #cases = new Map<string, HealingCase>();
  /** Open incidents of an earlier run of the daemon, until they are seen again or ended. */
  readonly #carried = new Map<string, Incident>();
  #carriedSinceMs = 0;
  /** Somebody said so in this run of the daemon: newer than what was kept. */
  #isModeDecided = false;
  #isLoaded = false;
  #runs = 0;

  constructor(options: HealerMachineOptions) {
    this.#options = options;
    this.book = new IncidentBook(options.self.nodeId);
    this.#mode = new ModeSwitch(options.configured);
  }

  /** Before the first event. */
  addRemedy(traits: RemedyTraits): void {
    this.#traits.set(traits.name, traits);
  }

  step(event: HealerEvent, now: Now): readonly HealerEffect[] {
    const context = this.#context(now);
    switch (event.kind) {
      case "loaded":
        this.#load(event.remembered, now);
        break;
      case "looked":
        this.#look(event.looks, context);
        break;
      case "considered":
        this.#considered(event.key, event.candidates, context);
        break;
      case "pause":
      case "resume":
      case "dry-run":
        this.#decideMode(event, context);
        break;
      case "told":
        this.#told(event.incident, context);
        break;
      default:
        this.#runEnded(event, context);
    }
    for (const effect of context.effects) {
      if (effect.kind === "incident") this.book.put(effect.incident);
    }
    return context.effects;
  }

  get mode(): HealerMode {
    return this.#mode.mode;
  }

  /** What would be done about everything that is open, by what the remedies say of it now. */
  plan(consider: (symptom: Symptom) => readonly Considered[], now: Now): readonly PlannedRemedy[] {
    return this.#facts.open().map(({ key, symptom }) => {
      const tried = this.#cases.get(key)?.tried ?? new Set<RemedyName>();
      const ranked = this.#rank(symptom, consider(symptom), tried, now);
      const cause = this.#causeOf(symptom);
      const blockedBy = cause && `explained by: ${cause.text}`;
      const candidates = ranked.map((one) => (blockedBy ? { ...one, blockedBy } : one));
      const { kind, subject, severity } = symptom;
      return { symptom: kind, subject, severity, candidates };
    });
  }

  monitor(name: string): MonitorView | undefined {
    return this.#facts.monitor(name);
  }

  status(now: Now): Omit<HealerStatus, "nodeId" | "nodeName" | "verdict" | "monitors"> {
    const { monotonicMs } = now;
    const pausedUntilMs = this.#mode.pausedUntilMs(now);
    return {
      mode: this.#mode.mode,
      ...(pausedUntilMs === undefined ? {} : { pausedUntilMs }),
      open: [...this.#cases.values()].map(({ incident }) => incident),
      remedies: [...this.#traits.values()].map(({ name, handles }) => ({
        ...{ name, handles },
        ...this.#tally.uses(name),
        breaker: this.#gates.breakerState(name, monotonicMs),
      })),
      suspended: this.#gates.suspended(monotonicMs),
      budget: {
        left: this.#gates.budgetLeft(monotonicMs),
        of: BUDGET_COUNT,
        windowMs: BUDGET_WINDOW_MS,
      },
    };
  }

  counters(): Pick<HealingCounters, "looksFailed" | "symptoms" | "applied" | "recoveries"> {
    return this.#tally.counters();
  }

  /** The budget, the rates and the breakers, to be handed back to the next run. */
  gates(now: Now): GatesRecord {
    return this.#gates.snapshot(now);
  }

  #load({ incidents, remedies, settings, gates }: Remembered, now: Now): void {
    this.#memory.load(remedies);
    // Once: what is recalled later is what this run wrote itself.
    if (gates !== undefined && !this.#isLoaded) this.#gates.restore(gates, now);
    if (!this.#isModeDecided && !this.#isLoaded) this.#mode.load(settings, now);
    this.#isLoaded = true;
    if (this.#carried.size === 0) this.#carriedSinceMs = now.monotonicMs;
    for (const incident of [...incidents].sort(byBegin)) {
      const before = this.book.get(incident.id);
      const isOwn = incident.nodeId === this.#options.self.nodeId;
      // Of its own, this process knows more; of others, the one that led before may. It also knows
      // whose an id is, when another node took it before this one had read that.
      const isSame = before?.nodeId === incident.nodeId;
      if (before !== undefined && (isOwn || (isSame && !isLater(incident, before)))) continue;
      this.book.put(incident);
      if (isOwn && !isClosed(incident)) this.#carried.set(incident.id, incident);
    }
  }

  #look(looks: Extract<HealerEvent, { kind: "looked" }>["looks"], context: flow.FlowContext): void {
    const { monotonicMs, wallMs } = context.now;
    if (this.#mode.endsPause(context.now)) this.#tellMode("the clock", context);
    for (const look of looks) {
      if (look.failure !== undefined) this.#tally.looksFailed++;
      this.#facts.take(look, monotonicMs, wallMs);
    }
    this.#gates.sweep(monotonicMs);
    for (const one of [...this.#cases.values()]) this.#settle(one, context);
    for (const tracked of this.#facts.open()) this.#open(tracked, context);
    this.#endCarried(context);
    const waiting = [...this.#cases.values()].filter((one) => this.#isDue(one, monotonicMs));
    for (const one of waiting.sort(byUrgency)) this.#ask(one, context);
  }

  #settle(one: HealingCase, context: flow.FlowContext): void {
    const tracked = this.#facts.get(one.key);
    if (tracked?.isOpen) one.symptom = { ...tracked.symptom, sinceMs: one.sinceMs };
    flow.settle(one, tracked, context);
    this.#forgetClosed(one);
  }

  #forgetClosed(one: HealingCase): void {
    if (isClosed(one.incident)) this.#cases.delete(one.key);
  }

  #open({ key, symptom }: Tracked, context: flow.FlowContext): void {
    // Further ones wait: they are still open in the table when there is room.
    if (this.#cases.has(key) || this.#cases.size >= INCIDENTS_OPEN_MAX) return;
    this.#tally.opened(symptom.kind);
    const carried = [...this.#carried.values()].filter((one) => symptomKey(one) === key);
    const taken = carried.pop();
    for (const older of carried) this.#endOne(older, context);
    if (taken !== undefined) {
      this.#takeOver(taken, key, symptom, context);
      return;
    }
    const { self, random } = this.#options;
    const id = `${timeOfId(context.now.wallMs)}-${toBase32(random.bytes(ID_BYTES))}`;
    const isDry = this.#mode.mode === "dry-run";
    const incident = newIncident(id, self, symptom, context.now, isDry);
    this.#cases.set(key, newCase(key, symptom, incident));
    context.effects.push({ kind: "incident", incident });
  }

  #takeOver(taken: Incident, key: string, symptom: Symptom, context: flow.FlowContext): void {
    this.#carried.delete(taken.id);
    const one = newCase(key, { ...symptom, sinceMs: beginOf(taken, context.now) }, taken);
    this.#cases.set(key, one);
    const says = symptom.evidence.at(-1)?.text ?? headline(symptom);
    const text = `The daemon was started again, and it is still so: ${says}`;
    flow.note(one, { step: "detected", state: "open", text }, context);
  }

  /** Those of before the start that are seen to be over, or were not seen for long enough. */
  #endCarried(context: flow.FlowContext): void {
    const isLate = context.now.monotonicMs - this.#carriedSinceMs >= TAKE_OVER_MS;
    for (const incident of this.#carried.values()) {
      const key = symptomKey(incident);
      const anew = this.#cases.get(key)?.incident.id;
      const isOver = isLate || this.#facts.get(key)?.verdict === "well";
      // What is remembered came after the first looks.
      if (anew !== undefined) this.#endOne(incident, context, `it goes on as incident ${anew}.`);
      else if (isOver) this.#endOne(incident, context);
    }
  }

  #endOne(incident: Incident, context: flow.FlowContext, how = "it was not seen any more."): void {
    this.#carried.delete(incident.id);
    const { kind, subject, severity } = incident;
    const sinceMs = beginOf(incident, context.now);
    const symptom = { kind, subject, severity, sinceMs, evidence: [], values: {} };
    // Beside the case of the same symptom, which may be open anew.
    const key = `${symptomKey(symptom)} of ${incident.id}`;
    const one = newCase(key, symptom, incident);
    this.#cases.set(key, one);
    const text = `The daemon was started again, and ${how}`;
    flow.closeOrTakeBack(one, "ended", text, context);
    this.#forgetClosed(one);
  }

  #isDue({ phase, retryAtMs, incident }: HealingCase, nowMs: number): boolean {
    if (phase !== "idle" || isClosed(incident)) return false;
    return retryAtMs === undefined || nowMs >= retryAtMs;
  }

  #ask(one: HealingCase, context: flow.FlowContext): void {
    context.effects.push({ kind: "consider", key: one.key, symptom: one.symptom });
  }

  #considered(key: string, candidates: readonly Considered[], context: flow.FlowContext): void {
    const { now } = context;
    const one = this.#cases.get(key);
    if (one === undefined || !this.#isDue(one, now.monotonicMs)) return;
    if (one.retryAtMs !== undefined) {
      one.retryAtMs = undefined;
      one.tried = new Set();
    }
    const ranked = this.#rank(one.symptom, candidates, one.tried, now);
    const cause = this.#causeOf(one.symptom);
    flow.decide(one, ranked, { cause, mode: this.#mode.mode }, context);
  }

  #rank(
    symptom: Symptom,
    considered: readonly Considered[],
    tried: ReadonlySet<RemedyName>,
    { monotonicMs: nowMs }: Now,
  ) {
    const isPartitioned = this.#facts.hasOpen("partition");
    const ground = { traits: this.#traits, memory: this.#memory, gates: this.#gates };
    return rank(symptom, considered, tried, { ...ground, isPartitioned, nowMs });
  }

  #causeOf(symptom: Symptom): Cause | undefined {
    for (const { incident, symptom: other } of this.#cases.values()) {
      if (isClosed(incident) || !explains(other, symptom)) continue;
      const isGivenUp = incident.state === "given-up";
      return {
        incidentId: incident.id,
        subject: other.subject,
        text: headline(other),
        isGivenUp,
      };
    }
    return undefined;
  }

  #runEnded(
    event: Extract<HealerEvent, { readonly run: number }>,
    context: flow.FlowContext,
  ): void {
    const one = [...this.#cases.values()].find(({ run }) => run?.id === event.run);
    if (one === undefined) return;
    const isRollback = one.phase === "rolling-back";
    if (event.kind === "applied" && one.phase === "applying") {
      flow.applied(one, event, context);
    } else if (event.kind === "apply-failed" && one.phase === "applying") {
      flow.applyFailed(one, event.reason, context);
    } else if (event.kind === "rolled-back" && isRollback) {
      flow.rolledBack(one, event.did, context);
    } else if (event.kind === "rollback-failed" && isRollback) {
      flow.rollbackFailed(one, event.reason, context);
    }
    this.#forgetClosed(one);
    if (isClosed(one.incident)) return;
    this.#settle(one, context);
    if (this.#isDue(one, context.now.monotonicMs)) this.#ask(one, context);
  }

  #decideMode(
    event: Extract<HealerEvent, { readonly by: string }>,
    context: flow.FlowContext,
  ): void {
    this.#isModeDecided = true;
    if (event.kind === "resume") this.#mode.resume();
    else if (event.kind === "dry-run") this.#mode.setDryRun(event.on);
    else this.#mode.pause(event.forMs, context.now);
    context.effects.push({ kind: "settings", settings: this.#mode.settings(context.now) });
    this.#tellMode(event.by, context);
  }

  #tellMode(by: string, { effects }: flow.FlowContext): void {
    effects.push({ kind: "mode", mode: this.#mode.mode, by });
  }

  /** Another node's healer is the only one that may say so of itself; the caller checks that. */
  #told(incident: Incident, { effects }: flow.FlowContext): void {
    if (incident.nodeId === this.#options.self.nodeId) return;
    const before = this.book.get(incident.id);
    if (before !== undefined && before.nodeId !== incident.nodeId) return;
    effects.push({ kind: "incident", incident });
  }

  #context(now: Now): flow.FlowContext {
    return {
      ...{ traits: this.#traits, gates: this.#gates, memory: this.#memory, tally: this.#tally },
      now,
      effects: [],
      nextRun: () => ++this.#runs,
    };
  }
}

/** Eight digits also where a clock was never set, so that ids are as long as others expect. */
function timeOfId(wallMs: number): string {
  return Math.max(0, Math.floor(wallMs)).toString(36).padStart(8, "0");
}

function beginOf({ openedAtMs }: Incident, { monotonicMs, wallMs }: Now): number {
  return monotonicMs - Math.max(0, wallMs - openedAtMs);
}

/** Both are of one incident. */
function isLater(one: Incident, other: Incident): boolean {
  // No clock: each change adds an entry, also where older ones are left out for it.
  const entries = ({ timeline }: Incident) =>
    timeline.reduce((sum, { omitted = 1 }) => sum + omitted, 0);
  return entries(one) > entries(other);
}

const URGENCY = { critical: 0, warning: 1, info: 2 } as const;

function byUrgency(a: HealingCase, b: HealingCase): number {
  return URGENCY[a.symptom.severity] - URGENCY[b.symptom.severity] || a.sinceMs - b.sinceMs;
}
