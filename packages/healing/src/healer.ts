/**
 * The runtime: it looks, tells the machine, does what the machine asks for, and tells it how that
 * went. It decides nothing. Monitors, remedies, listeners and the knowledge are others' code: what
 * they throw ends here.
 */
import {
  type Clock,
  errorFields,
  type Logger,
  MeshError,
  type Random,
  sleep,
} from "@hearthmesh/core";
import type { Monitor, SymptomKind, Verdict } from "./fact.js";
import type { GatesRecord } from "./gates-record.js";
import type {
  HealerService,
  HealerStatus,
  HealingCounters,
  HealingEvent,
  PlannedRemedy,
} from "./healer-service.js";
import type { Incident } from "./incident.js";
import type { KnowledgeStore } from "./knowledge.js";
import { KnowledgeRecorder } from "./knowledge-recorder.js";
import { CYCLE_MS, LISTENERS_MAX, LOOK_MS_MAX, RECORD_RETRY_MS } from "./limits.js";
import type { Considered, HealerEffect, HealerEvent, Now } from "./machine/healer-events.js";
import { HealerMachine } from "./machine/healer-machine.js";
import { headline } from "./machine/texts.js";
import { MonitorSet } from "./monitor-set.js";
import type { Remedy, RemedyName } from "./remedy.js";
import { RemedyRuns } from "./remedy-runs.js";
import { RoundClock } from "./round-clock.js";
import type { Symptom } from "./symptom.js";
import { SYMPTOMS } from "./symptom-catalogue.js";

export interface HealerOptions {
  readonly self: { readonly nodeId: string; readonly name: string };
  /** What the configuration says; people may change it while it runs. */
  readonly mode: "acting" | "dry-run";
  readonly knowledge: KnowledgeStore;
  /**
   * Awaited before any remedy is applied, once its use is counted in `gates`. When it rejects, the
   * remedy is not applied and has failed. The signal is that of the remedy.
   */
  beforeApply?(signal: AbortSignal): Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

type Phase = keyof HealingCounters["phaseMs"];

export class Healer implements HealerService {
  readonly #options: HealerOptions;
  readonly #machine: HealerMachine;
  readonly #monitors: MonitorSet;
  readonly #remedies = new Map<RemedyName, Remedy>();
  readonly #runs: RemedyRuns;
  readonly #recorder: KnowledgeRecorder;
  readonly #rounds: RoundClock;
  readonly #listeners = new Set<(event: HealingEvent) => void>();
  readonly #phaseMs: Record<Phase, number> = { monitor: 0, analyse: 0, plan: 0, execute: 0 };
  #unwatch: () => void = () => undefined;
  #isStopped = false;
  readonly #stopping = new AbortController();

  constructor(options: HealerOptions) {
    const { self, mode: configured, random, clock } = options;
    this.#options = options;
    this.#machine = new HealerMachine({ self, configured, random });
    this.#monitors = new MonitorSet(clock);
    this.#runs = new RemedyRuns({ ...options, remedies: this.#remedies });
    this.#recorder = new KnowledgeRecorder(options);
    this.#rounds = new RoundClock(clock, CYCLE_MS, () => this.#round());
  }

  /** Before the start. Names of monitors and of remedies are unique on a node. */
  add({ monitors, remedies }: { monitors: readonly Monitor[]; remedies: readonly Remedy[] }): void {
    for (const monitor of monitors) this.#monitors.add(monitor);
    for (const remedy of remedies) {
      if (this.#remedies.has(remedy.name)) {
        throw new Error(`two remedies have the name ${remedy.name}`);
      }
      this.#remedies.set(remedy.name, remedy);
      this.#machine.addRemedy(remedy);
    }
  }

  /** Returns at once: the store of what is remembered is asked until it answers. */
  start(): void {
    void this.#loadFirst();
    this.#unwatch = this.#monitors.watch(() => this.#rounds.wake());
    this.#rounds.start();
  }

  /** Open incidents stay open in the records: the next start takes them over or ends them. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#stopping.abort();
    this.#unwatch();
    this.#rounds.stop();
    this.#monitors.abort();
    this.#runs.abort();
    await this.#recorder.stop();
  }

  /** An incident of another node. Who says so has been checked. */
  told(incident: Incident): void {
    this.#step({ kind: "told", incident });
  }

  /** What others wrote to the same records: shown, and not written again. */
  async recall(): Promise<void> {
    await this.#load();
  }

  /** The budget, the rates and the breakers as they stand: `Remembered.gates` of the next run. */
  gates(): GatesRecord {
    return this.#machine.gates(this.#now());
  }

  status(): HealerStatus {
    const { self } = this.#options;
    const status = this.#machine.status(this.#now());
    const monitors = this.#monitors.names().map((name) => {
      const view = this.#machine.monitor(name);
      const unknown = { verdict: "unknown" as const, lookedAtMs: undefined, facts: 0 };
      return { name, ...(view ?? unknown) };
    });
    const isOpen = status.open.some(({ kind }) => SYMPTOMS[kind].isNote !== true);
    const verdict = isOpen ? "ill" : seen(monitors.map((one) => one.verdict));
    return { nodeId: self.nodeId, nodeName: self.name, ...status, verdict, monitors };
  }

  history(options: { limit: number; kind?: SymptomKind; before?: string }): readonly Incident[] {
    return this.#machine.book.list(options);
  }

  /** Also of another node. */
  known(id: string): Incident | undefined {
    return this.#machine.book.get(id);
  }

  incident(id: string): Incident {
    const incident = this.known(id);
    if (incident !== undefined) return incident;
    throw new MeshError("MESH_NOT_FOUND", {
      message: `there is no incident ${id.slice(0, 64)}`,
      hint: "`mesh heal history` lists those that are known; the oldest are forgotten.",
    });
  }

  async plan(signal: AbortSignal): Promise<readonly PlannedRemedy[]> {
    signal.throwIfAborted();
    await this.#lookNow(LOOK_MS_MAX);
    signal.throwIfAborted();
    return this.#machine.plan((symptom) => this.#consider(symptom), this.#now());
  }

  pause(forMs: number | undefined, by: string): void {
    this.#step({ kind: "pause", forMs, by });
  }

  resume(by: string): void {
    this.#step({ kind: "resume", by });
  }

  setDryRun(on: boolean, by: string): void {
    this.#step({ kind: "dry-run", on, by });
  }

  /** `MESH_LIMIT` above `LISTENERS_MAX`. */
  onEvent(listener: (event: HealingEvent) => void): () => void {
    if (this.#listeners.size >= LISTENERS_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `${LISTENERS_MAX} listen to the healer of this node already`,
      });
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  counters(): HealingCounters {
    return {
      cycles: this.#rounds.count,
      phaseMs: { ...this.#phaseMs },
      ...this.#machine.counters(),
    };
  }

  /** Never rejects. */
  async #loadFirst(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#load();
        return;
      } catch (error) {
        log.warn("what healing remembers could not be read; trying again", errorFields(error));
        await sleep(clock, RECORD_RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  async #load(): Promise<void> {
    const remembered = await this.#options.knowledge.load();
    this.#step({ kind: "loaded", remembered });
  }

  /** Never rejects: one round that fails must not be the last. */
  async #round(): Promise<void> {
    try {
      await this.#lookNow();
    } catch (error) {
      this.#options.log.error("a round of healing failed", errorFields(error));
    }
  }

  async #lookNow(patienceMs?: number): Promise<void> {
    const beganAtMs = this.#options.clock.monotonicMs();
    const looks = await this.#monitors.lookAll(patienceMs);
    this.#phaseMs.monitor += this.#options.clock.monotonicMs() - beganAtMs;
    this.#step({ kind: "looked", looks });
  }

  #step(event: HealerEvent): void {
    if (this.#isStopped) return;
    const { clock } = this.#options;
    const beganAtMs = clock.monotonicMs();
    const effects = this.#machine.step(event, this.#now());
    const phase = event.kind === "looked" ? "analyse" : "plan";
    this.#phaseMs[phase] += clock.monotonicMs() - beganAtMs;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: HealerEffect): void {
    if (effect.kind === "consider") {
      const candidates = this.#consider(effect.symptom);
      this.#step({ kind: "considered", key: effect.key, candidates });
    } else if (effect.kind === "apply") void this.#run(this.#runs.apply(effect.run));
    else if (effect.kind === "roll-back") void this.#run(this.#runs.rollBack(effect.run));
    else if (effect.kind === "remember") this.#recorder.remedy(effect.record);
    else if (effect.kind === "settings") this.#recorder.settings(effect.settings);
    else if (effect.kind === "mode") {
      this.#options.log.info(`healing is ${effect.mode} now`, { principal: effect.by });
      this.#tell({ kind: "mode", mode: effect.mode });
    } else this.#publish(effect.incident);
  }

  async #run(ending: Promise<HealerEvent>): Promise<void> {
    const { clock } = this.#options;
    const beganAtMs = clock.monotonicMs();
    const event = await ending;
    this.#phaseMs.execute += clock.monotonicMs() - beganAtMs;
    this.#step(event);
    // Whether it helped is worth a look before the next second.
    this.#rounds.wake();
  }

  /** All that handle it, in the words of their own; one that throws is barred. */
  #consider(symptom: Symptom): Considered[] {
    const able = [...this.#remedies.values()].filter((one) => one.handles.includes(symptom.kind));
    return able.map((remedy) => {
      try {
        const text = remedy.describe(symptom);
        const blockedBy = remedy.blockedBy(symptom);
        const considered = { remedy: remedy.name, text };
        return blockedBy === undefined ? considered : { ...considered, blockedBy };
      } catch (error) {
        const blockedBy = errorFields(error).reason ?? "it failed";
        return { remedy: remedy.name, text: remedy.name, blockedBy };
      }
    });
  }

  #publish(incident: Incident): void {
    const { log, self } = this.#options;
    this.#recorder.incident(incident);
    const entry = incident.timeline.at(-1);
    const isOwn = incident.nodeId === self.nodeId;
    // Of another node it stands in the log there: nobody fills the log of this one.
    const level = !isOwn ? "debug" : entry?.step === "given-up" ? "warn" : "info";
    const reason = `${entry?.step ?? ""}: ${entry?.text ?? ""}`;
    log[level](headline(incident), {
      incidentId: incident.id,
      nodeName: incident.nodeName,
      reason,
    });
    this.#tell({ kind: "incident", incident });
  }

  #tell(event: HealingEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#options.log.debug("a listener of healing failed", errorFields(error));
      }
    }
  }

  #now(): Now {
    const { clock } = this.#options;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
  }
}

/** With nothing open: well only when everybody could see. */
function seen(verdicts: readonly Verdict[]): Verdict {
  return verdicts.includes("unknown") ? "unknown" : "well";
}
