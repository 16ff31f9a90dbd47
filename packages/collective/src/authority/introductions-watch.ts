/**
 * Asks every introduced node again, so that what lists say of it is true. One pass after the other,
 * `INTRODUCTION_WATCH_INTERVAL_MS` from start to start.
 *
 * States of a node: `unknown` (not asked yet) -> `online` (proved its key) | `offline` (no answer)
 * | `failing` (somebody answered who is not it). Each answer replaces the state before it.
 */
import {
  type Clock,
  errorFields,
  isMeshError,
  type Logger,
  type NodeId,
  type Startable,
  type Timer,
} from "@hearthmesh/core";
import type { IntroductionRecord } from "./introductions.js";
import type { NodeIdentityClaim } from "./introductions-proof.js";

export const INTRODUCTION_WATCH_INTERVAL_MS = 15_000;
/** Nodes that are asked at a time. */
const INTRODUCTION_PROBES_AT_A_TIME_MAX = 32;
const REASON_LENGTH_MAX = 200;

/** Asks the node at a URL who it is. `MESH_INTRODUCTION_FAILED`, or why it was not reached. */
export interface IntroductionProber {
  probe(url: string, options?: { signal?: AbortSignal }): Promise<NodeIdentityClaim>;
}

export interface IntroductionState {
  readonly state: "unknown" | "online" | "offline" | "failing";
  /** Why it is not online. */
  readonly reason?: string;
  /** When it proved its key last; undefined when it never did since this node started. */
  readonly lastSeenMs?: number;
  /** What it says of itself now. */
  readonly reported?: NodeIdentityClaim;
}

export interface IntroductionWatchOptions {
  introductions: { list(): readonly IntroductionRecord[] };
  prober: IntroductionProber;
  clock: Clock;
  log: Logger;
  intervalMs?: number;
}

const UNKNOWN: IntroductionState = { state: "unknown", reason: "it was not asked yet" };

export class IntroductionWatch implements Startable {
  readonly name = "introductions";
  readonly #options: IntroductionWatchOptions;
  readonly #states = new Map<NodeId, IntroductionState>();
  #stop = new AbortController();
  #timer: Timer | undefined;
  #pass: Promise<void> = Promise.resolve();

  constructor(options: IntroductionWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#stop = new AbortController();
    this.#next(0);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    await this.#pass;
  }

  stateOf(nodeId: NodeId): IntroductionState {
    return this.#states.get(nodeId) ?? UNKNOWN;
  }

  /** The node has just proved its key. */
  noteProven(claim: NodeIdentityClaim): void {
    const lastSeenMs = this.#options.clock.nowMs();
    this.#states.set(claim.nodeId, { state: "online", lastSeenMs, reported: claim });
  }

  /** One pass over all that are known now. */
  async checkAll(): Promise<void> {
    const records = this.#options.introductions.list();
    const known = new Set(records.map(({ nodeId }) => nodeId));
    for (const nodeId of this.#states.keys()) if (!known.has(nodeId)) this.#states.delete(nodeId);
    const waiting = [...records];
    const ask = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        if (this.#stop.signal.aborted) return;
        await this.#check(next);
      }
    };
    await Promise.all(Array.from({ length: INTRODUCTION_PROBES_AT_A_TIME_MAX }, ask));
  }

  #next(delayMs: number): void {
    const { clock, log, intervalMs = INTRODUCTION_WATCH_INTERVAL_MS } = this.#options;
    this.#timer = clock.setTimeout(() => {
      const startedMs = clock.monotonicMs();
      this.#pass = this.checkAll()
        .catch((error: unknown) => log.error("introduced nodes were not asked", errorFields(error)))
        .then(() => {
          if (this.#stop.signal.aborted) return;
          this.#next(Math.max(0, intervalMs - (clock.monotonicMs() - startedMs)));
        });
    }, delayMs);
  }

  async #check(record: IntroductionRecord): Promise<void> {
    const { prober } = this.#options;
    const { signal } = this.#stop;
    try {
      const claim = await prober.probe(record.url, { signal });
      if (claim.nodeId === record.nodeId) this.noteProven(claim);
      else this.#set(record, "failing", `another key answers at ${record.url}`);
    } catch (error) {
      if (signal.aborted) return;
      const reason = (error as Error).message.slice(0, REASON_LENGTH_MAX);
      const isThere = isMeshError(error, "MESH_INTRODUCTION_FAILED");
      this.#set(record, isThere ? "failing" : "offline", reason);
    }
  }

  #set(record: IntroductionRecord, state: "offline" | "failing", reason: string): void {
    const { nodeId, name } = record;
    const before = this.stateOf(nodeId);
    const { lastSeenMs } = before;
    this.#states.set(nodeId, {
      state,
      reason,
      ...(lastSeenMs === undefined ? {} : { lastSeenMs }),
    });
    if (before.state === state) return;
    this.#options.log.warn(`an introduced node is ${state}`, { nodeId, nodeName: name, reason });
  }
}
