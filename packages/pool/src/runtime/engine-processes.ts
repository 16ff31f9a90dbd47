/**
 * The processes of the engines that this node runs, as whoever watches over them sees them. Their
 * rings start them, and start them again; this looks whether they answer, proves with a token that
 * one that was started again works, and tells. It ends none but on `restart`.
 */
import { type Clock, errorFields, type Logger, MeshError, type Timer } from "@hearthmesh/core";
import type { RingWorker } from "../ring/ring-worker.js";
import { deadline } from "./deadline.js";
import {
  describeLife,
  type EngineEvent,
  type EngineLife,
  isFailing,
  lives,
  newLife,
} from "./engine-life.js";
import {
  ENGINE_BUSY_MS_MAX,
  ENGINE_LOOK_MS,
  ENGINE_PROOF_MS_MAX,
  ENGINE_SILENT_MS,
  ENGINE_START_MS,
} from "./limits.js";

/** Of one ring on this node, over all the processes that it has one after the other. */
export interface EngineProcess {
  /** Unique on this node: "engine of demo (ring 1a2b3c)". */
  readonly name: string;
  /** To load a model takes a while: so long it is not taken for stuck. */
  readonly startMs: number;
  /** `starting` until it serves; `silent`: it lives and answers nothing; `stopped`: let go. */
  state(): "stopped" | "starting" | "running" | "silent" | "failing";
  /** A sentence: how it ended last, and how it is. */
  describe(): string;
  /**
   * Ends the process that lives, as a crash would, so that its ring starts it again; of a ring that
   * was given up, has it planned once more. `MESH_RING_NOT_READY` where only another node can.
   */
  restart(): Promise<void>;
}

/** The ring of an engine, as it is named where it is held. */
export interface EngineRing {
  /** Of leader and ring. */
  readonly key: string;
  readonly ringId: string;
  readonly modelName: string;
  /** Undefined: this node leads the ring. */
  readonly leaderName: string | undefined;
}

export interface EngineProcessesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** CPU time that a process has used; undefined where the system does not tell. */
  cpuMs(processId: number): Promise<number | undefined>;
  /** Has the ring of this node generate one token. */
  prove(ringId: string, signal: AbortSignal): Promise<void>;
  /** Has the ring of this node planned and loaded, when it is not. */
  wake(ringId: string, signal: AbortSignal): Promise<void>;
}

interface Entry {
  readonly ring: EngineRing;
  life: EngineLife;
  worker: RingWorker | undefined;
  isGone: boolean;
  /** Of the question that it has not answered yet. */
  asked: Asked | undefined;
  isProving: boolean;
}

interface Asked {
  readonly atMs: number;
  cpuMs: number | undefined;
  /** When it was last seen to compute, or was asked. */
  busyAtMs: number;
}

export class EngineProcesses {
  readonly #options: EngineProcessesOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<() => void>();
  readonly #life = new AbortController();
  #timer: Timer | undefined;

  constructor(options: EngineProcessesOptions) {
    this.#options = options;
  }

  list(): readonly EngineProcess[] {
    return [...this.#entries.values()].map((entry) => ({
      name: nameOf(entry.ring),
      startMs: ENGINE_START_MS,
      state: () => stateOf(entry),
      describe: () => describeLife(entry.life, entry.isGone ? GONE : undefined),
      restart: () => this.#restart(entry),
    }));
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  started(ring: EngineRing, worker: RingWorker): void {
    const { processId } = worker;
    const present = this.#entries.get(ring.key);
    if (present === undefined) {
      const life = newLife(processId, this.#options.clock.monotonicMs());
      const rest = { isGone: false, asked: undefined, isProving: false };
      this.#entries.set(ring.key, { ring, life, worker, ...rest });
    } else {
      Object.assign(present, { worker, asked: undefined });
      this.#tell(present, { kind: "started", processId });
    }
    this.#arm();
  }

  joined({ key, leaderName }: EngineRing): void {
    const canProve = leaderName === undefined;
    this.#tell(this.#entries.get(key), { kind: "joined", canProve });
  }

  ended(key: string, how: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.worker = undefined;
    this.#tell(entry, { kind: "ended", how });
  }

  /** Its ring cannot be loaded, for now: something else than the process is in the way, or not. */
  gaveUp(key: string, reason: string): void {
    const entry = this.#entries.get(key);
    // One that never ended was never taken for granted: whoever asked for the model is told.
    if (entry !== undefined && entry.life.ends === 0) this.letGo(key);
    else this.#tell(entry, { kind: "gave-up", reason });
  }

  /** Nobody wants it any more. */
  letGo(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.isGone = true;
    entry.worker = undefined;
    this.#entries.delete(key);
    this.#changed();
  }

  close(): void {
    this.#life.abort(new MeshError("MESH_STOPPING"));
    this.#timer?.cancel();
    this.#entries.clear();
    this.#listeners.clear();
  }

  async #restart(entry: Entry): Promise<void> {
    const { ring, worker, life } = entry;
    if (entry.isGone) return;
    if (worker !== undefined && (life.kind === "starting" || life.kind === "proving")) {
      const message = "its ring is loading it: to end it now would only make that longer";
      throw new MeshError("MESH_RING_NOT_READY", { message });
    }
    if (worker !== undefined) {
      worker.kill();
      return;
    }
    if (ring.leaderName !== undefined) {
      throw new MeshError("MESH_RING_NOT_READY", {
        message: `only ${ring.leaderName}, which leads the ring, can have it loaded`,
      });
    }
    await this.#options.wake(ring.ringId, this.#life.signal);
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#life.signal.aborted) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      if (this.#entries.size === 0) return;
      this.#arm();
      for (const entry of this.#entries.values()) this.#look(entry);
    }, ENGINE_LOOK_MS);
  }

  #look(entry: Entry): void {
    const { worker, life } = entry;
    if (worker === undefined) return;
    if (life.kind === "proving") this.#prove(entry);
    if (entry.asked === undefined) this.#ask(entry, worker);
    else void this.#judge(entry, entry.asked, worker);
  }

  #ask(entry: Entry, worker: RingWorker): void {
    const atMs = this.#options.clock.monotonicMs();
    const asked: Asked = { atMs, cpuMs: undefined, busyAtMs: atMs };
    entry.asked = asked;
    const onAnswer = (tokens: number) => {
      if (entry.asked !== asked) return;
      entry.asked = undefined;
      this.#tell(entry, { kind: "answered" });
      if (tokens > 0) this.#tell(entry, { kind: "token" });
    };
    // That nothing is loaded yet is an answer too; of one that ended the ring tells.
    worker.stats().then(
      ({ tokensGenerated }) => onAnswer(tokensGenerated),
      () => onAnswer(0),
    );
  }

  /** One that computes cannot answer meanwhile: its CPU time tells it from one that hangs. */
  async #judge(entry: Entry, asked: Asked, worker: RingWorker): Promise<void> {
    const { clock, cpuMs } = this.#options;
    const id = worker.processId;
    const used = id === undefined ? undefined : await cpuMs(id).catch(() => undefined);
    if (entry.asked !== asked || entry.worker !== worker) return;
    const nowMs = clock.monotonicMs();
    if (used !== asked.cpuMs && asked.cpuMs !== undefined) asked.busyAtMs = nowMs;
    asked.cpuMs = used;
    const patienceMs = used === undefined ? ENGINE_BUSY_MS_MAX : ENGINE_SILENT_MS;
    const isSilent = nowMs - asked.busyAtMs >= patienceMs;
    const isLost = nowMs - asked.atMs >= ENGINE_BUSY_MS_MAX;
    if (isSilent || isLost) this.#tell(entry, { kind: "unanswered" });
  }

  #prove(entry: Entry): void {
    if (entry.isProving) return;
    entry.isProving = true;
    const { clock, prove, log } = this.#options;
    const { signal, cancel } = deadline(clock, ENGINE_PROOF_MS_MAX, this.#life.signal);
    prove(entry.ring.ringId, signal)
      .then(() => this.#tell(entry, { kind: "token" }))
      .catch((error: unknown) => log.debug("an engine gave no token", errorFields(error)))
      .finally(() => {
        cancel();
        entry.isProving = false;
      });
  }

  #tell(entry: Entry | undefined, event: EngineEvent): void {
    if (entry === undefined || entry.isGone) return;
    const before = entry.life;
    entry.life = lives(before, event, this.#options.clock.monotonicMs());
    if (entry.life === before) return;
    // The proof begins at once, not with the next look.
    if (entry.life.kind === "proving") this.#prove(entry);
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

const GONE = "it was let go: its ring does without it, or nobody needs the model";

function nameOf({ modelName, ringId }: EngineRing): string {
  return `engine of ${modelName} (ring ${ringId.slice(0, 6)})`;
}

function stateOf({ isGone, life }: Entry): ReturnType<EngineProcess["state"]> {
  if (isGone) return "stopped";
  if (isFailing(life)) return "failing";
  return life.kind === "running" || life.kind === "silent" ? life.kind : "starting";
}
