/**
 * Analyse: from facts to symptoms. A symptom opens when facts spoke for it without a gap for its
 * hold time, and is over when they spoke against it without a gap for its clear time. `unknown`
 * does neither, and breaks both times off: what was not seen is no evidence.
 *
 * Invariant: a symptom opens only at a look that speaks for it, and ends only at one that speaks
 * against it, or when no monitor speaks of its subject any longer.
 */
import type { Fact, Subject, SymptomKind, Verdict } from "../fact.js";
import { EVIDENCE_MAX } from "../limits.js";
import type { Look } from "../monitor-set.js";
import { type Evidence, type Symptom, symptomKey } from "../symptom.js";
import { SYMPTOMS } from "../symptom-catalogue.js";

/** What is known of one kind about one subject. */
export interface Tracked {
  readonly key: string;
  readonly kind: SymptomKind;
  readonly subject: Subject;
  /** Of all monitors together: one that says ill is believed. */
  readonly verdict: Verdict;
  readonly isOpen: boolean;
  /** It is open, and facts speak against it already. */
  readonly isClearing: boolean;
  readonly symptom: Symptom;
  /** The newest sentence, whatever it says. */
  readonly says: string;
}

interface Entry {
  readonly key: string;
  readonly kind: SymptomKind;
  /** The newest of each monitor that speaks of it. */
  readonly voices: Map<string, Fact>;
  illSinceMs: number | undefined;
  wellSinceMs: number | undefined;
  isOpen: boolean;
  /** Since the first fact of this run of ill ones. */
  sinceMs: number;
  evidence: readonly Evidence[];
  newest: Fact;
}

export interface MonitorView {
  readonly verdict: Verdict;
  readonly lookedAtMs: number;
  readonly facts: number;
  readonly reason?: string;
}

export class FactTable {
  readonly #entries = new Map<string, Entry>();
  readonly #monitors = new Map<string, MonitorView>();

  /** Facts of one look replace what the monitor said before. */
  take({ monitor, facts, failure }: Look, atMs: number, wallMs: number): void {
    const told = new Set<string>();
    for (const fact of facts) {
      const key = symptomKey({ kind: fact.symptom, subject: fact.subject });
      told.add(key);
      this.#hear(key, monitor, fact, atMs);
    }
    for (const [key, entry] of [...this.#entries]) {
      const before = entry.voices.get(monitor);
      if (before === undefined || told.has(key)) continue;
      if (failure === undefined) this.#fallSilent(key, entry, monitor, atMs);
      else {
        const evidence = `${monitor} could not look: ${failure}`;
        this.#hear(key, monitor, { ...before, verdict: "unknown", evidence }, atMs);
      }
    }
    const faults = facts.filter((fact) => SYMPTOMS[fact.symptom].isNote !== true);
    const verdict = failure === undefined ? worst(faults.map((fact) => fact.verdict)) : "unknown";
    const reason = failure ?? faults.find((fact) => fact.verdict === verdict)?.evidence;
    const shown = verdict === "well" || reason === undefined ? {} : { reason };
    this.#monitors.set(monitor, { verdict, lookedAtMs: wallMs, facts: facts.length, ...shown });
  }

  get(key: string): Tracked | undefined {
    const entry = this.#entries.get(key);
    return entry && tracked(entry);
  }

  /** Whether one of this kind is open, about whatever subject. */
  hasOpen(kind: SymptomKind): boolean {
    for (const entry of this.#entries.values()) {
      if (entry.isOpen && entry.kind === kind) return true;
    }
    return false;
  }

  /** Those that are open, the longest first. */
  open(): Tracked[] {
    const open = [...this.#entries.values()].filter(({ isOpen }) => isOpen);
    return open.sort((a, b) => a.sinceMs - b.sinceMs).map(tracked);
  }

  monitor(name: string): MonitorView | undefined {
    return this.#monitors.get(name);
  }

  #hear(key: string, monitor: string, fact: Fact, atMs: number): void {
    const entry = this.#entries.get(key) ?? newEntry(key, fact, atMs);
    this.#entries.set(key, entry);
    entry.voices.set(monitor, fact);
    judge(entry, atMs);
  }

  #fallSilent(key: string, entry: Entry, monitor: string, atMs: number): void {
    entry.voices.delete(monitor);
    if (entry.voices.size === 0) this.#entries.delete(key);
    else judge(entry, atMs);
  }
}

function newEntry(key: string, fact: Fact, atMs: number): Entry {
  return {
    key,
    kind: fact.symptom,
    voices: new Map(),
    illSinceMs: undefined,
    wellSinceMs: undefined,
    isOpen: false,
    sinceMs: atMs,
    evidence: [],
    newest: fact,
  };
}

/** A partial failure of one monitor hides nothing that another one sees. */
function worst(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("ill")) return "ill";
  return verdicts.includes("unknown") ? "unknown" : "well";
}

function judge(entry: Entry, atMs: number): void {
  const facts = [...entry.voices.values()];
  const verdict = worst(facts.map((fact) => fact.verdict));
  entry.newest = facts.findLast((fact) => fact.verdict === verdict) ?? entry.newest;
  if (verdict === "ill") judgeIll(entry, atMs);
  else if (verdict === "well") judgeWell(entry, atMs);
  else {
    entry.wellSinceMs = undefined;
    entry.illSinceMs = undefined;
  }
}

function judgeIll(entry: Entry, atMs: number): void {
  const { kind, newest } = entry;
  entry.wellSinceMs = undefined;
  if (entry.illSinceMs === undefined) {
    entry.illSinceMs = atMs;
    if (!entry.isOpen) {
      entry.sinceMs = atMs;
      entry.evidence = [];
    }
  }
  entry.evidence = withEvidence(entry.evidence, { text: newest.evidence, atMs });
  const holdMs = newest.holdMs ?? SYMPTOMS[kind].holdMs;
  if (atMs - entry.illSinceMs >= holdMs) entry.isOpen = true;
}

function judgeWell(entry: Entry, atMs: number): void {
  const { kind, newest } = entry;
  entry.illSinceMs = undefined;
  if (!entry.isOpen) return;
  entry.wellSinceMs ??= atMs;
  const clearMs = newest.holdMs ?? SYMPTOMS[kind].clearMs;
  if (atMs - entry.wellSinceMs < clearMs) return;
  entry.isOpen = false;
  entry.wellSinceMs = undefined;
}

/** The first one is kept: it says how it began. */
function withEvidence(before: readonly Evidence[], added: Evidence): readonly Evidence[] {
  if (before.at(-1)?.text === added.text) return before;
  const [first, ...rest] = [...before, added];
  if (first === undefined) return [];
  return [first, ...rest.slice(-(EVIDENCE_MAX - 1))];
}

function tracked(entry: Entry): Tracked {
  const { key, kind, isOpen, sinceMs, evidence, newest, wellSinceMs, voices } = entry;
  const { subject, values = {} } = newest;
  const { severity } = SYMPTOMS[kind];
  return {
    ...{ key, kind, subject, isOpen },
    verdict: worst([...voices.values()].map((fact) => fact.verdict)),
    isClearing: isOpen && wellSinceMs !== undefined,
    symptom: { kind, subject, severity, sinceMs, evidence, values },
    says: newest.evidence,
  };
}
