/**
 * One member's part of a step that computes: embed, then for each layer attention and feed-forward,
 * each followed by an exchange, and at the end the member's rows of the output. It runs as far as
 * it can in one call and goes on in the call that brings the last missing frame: no promise and no
 * timer stands between two exchanges.
 */
import type { Clock } from "@hearthmesh/core";
import type { ShardEngine } from "../engine/shard-engine.js";
import { isEmpty } from "../shards/shards-of.js";
import { candidatesOf } from "./candidates-of.js";
import type { Exchange } from "./exchange.js";
import type { FrameHeader } from "./frame-codec.js";
import { POLL_MS_MAX } from "./limits.js";
import { PollChoice } from "./poll-choice.js";
import { hashActivations } from "./residual-hash.js";
import type { RingMeter } from "./ring-meter.js";
import {
  type ComputeStep,
  type ExchangeMode,
  NO_CANDIDATES,
  type StepResult,
  WANT_NOTHING,
} from "./step-codec.js";

export interface StepRunnerOptions {
  readonly engine: ShardEngine;
  readonly rowsMax: number;
  /** Undefined for a member alone, which computes everything in one go. */
  readonly exchange: Exchange | undefined;
  readonly meter: RingMeter;
  readonly clock: Clock;
  /** Calls after what came from outside meanwhile was looked at, without sleeping. */
  readonly yieldThen: (callback: () => void) => void;
  onDone(result: StepResult): void;
  onExchange(durationMs: number, rows: number, mode: ExchangeMode): void;
}

interface Running {
  readonly step: ComputeStep;
  /** Of the engine. */
  readonly sequence: number;
  readonly x: Float32Array;
  /** Of all rows, for the part that is computed. */
  readonly partial: Float32Array;
  layer: number;
  isFeedForward: boolean;
  computeMs: number;
  /** When the own part of the exchange was sent. */
  sentAtMs: number;
  partMs: number;
}

export class StepRunner {
  readonly #options: StepRunnerOptions;
  readonly #x: Float32Array;
  readonly #partial: Float32Array;
  readonly #logits: Float32Array;
  #running: Running | undefined;
  readonly #choice = new PollChoice();
  #isPolling = false;

  constructor(options: StepRunnerOptions) {
    const { engine, rowsMax } = options;
    const { shape, shard } = engine;
    const values = options.exchange === undefined ? 0 : rowsMax * shape.embeddingWidth;
    this.#options = options;
    this.#x = new Float32Array(values);
    this.#partial = new Float32Array(values);
    this.#logits = new Float32Array(shard.vocabulary.to - shard.vocabulary.from);
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Of the exchange that is waited for. */
  get waiting(): { sentAtMs: number; partMs: number; rows: number } | undefined {
    const running = this.#running;
    if (running === undefined) return undefined;
    return { ...running, rows: running.step.tokens.length };
  }

  /** `sequence` is the engine's. Only when none is running. */
  start(step: ComputeStep, sequence: number): void {
    const { engine, exchange } = this.#options;
    if (exchange === undefined) {
      this.#alone(step, sequence);
      return;
    }
    const values = step.tokens.length * engine.shape.embeddingWidth;
    const x = this.#x.subarray(0, values);
    engine.embed(step.tokens, x);
    const partial = this.#partial.subarray(0, values);
    const running: Running = {
      ...{ step, sequence, x, partial, layer: 0, isFeedForward: false },
      ...{ computeMs: 0, sentAtMs: 0, partMs: 0 },
    };
    this.#running = running;
    this.#compute(running, exchange);
    this.#goOn(running, exchange);
  }

  /** A frame of an exchange came. */
  deliver(from: number, header: FrameHeader, payload: Uint8Array): void {
    const { exchange } = this.#options;
    if (exchange === undefined) return;
    exchange.accept(from, header.kind, header.number, payload);
    if (this.#running !== undefined) this.#goOn(this.#running, exchange);
  }

  #goOn(running: Running, exchange: Exchange): void {
    while (exchange.advance()) {
      exchange.take(running.x);
      const { clock, meter } = this.#options;
      const { tokens, exchange: mode } = running.step;
      const durationMs = clock.monotonicMs() - running.sentAtMs;
      meter.onExchange(durationMs, tokens.length);
      if (tokens.length === 1) this.#choice.onExchange(running.partMs + durationMs);
      this.#options.onExchange(durationMs, tokens.length, mode);
      if (running.isFeedForward) running.layer++;
      running.isFeedForward = !running.isFeedForward;
      if (running.layer === this.#options.engine.shape.layers) {
        this.#finish(running);
        return;
      }
      this.#compute(running, exchange);
    }
  }

  #compute(running: Running, exchange: Exchange): void {
    const { engine, clock, meter } = this.#options;
    const { step, sequence, x, partial, layer } = running;
    const { position, exchange: mode, tokens } = step;
    const rows = tokens.length;
    const beganAtMs = clock.monotonicMs();
    if (running.isFeedForward) {
      if (!isEmpty(engine.shard.feedForward)) engine.feedForward(layer, x, rows, partial);
    } else if (!isEmpty(engine.shard.kvHeads)) {
      engine.attention(layer, x, { sequence, position, rows }, partial);
    }
    running.partMs = clock.monotonicMs() - beganAtMs;
    running.computeMs += running.partMs;
    meter.onCompute(running.partMs);
    exchange.begin(partial, rows, mode);
    running.sentAtMs = clock.monotonicMs();
    if (rows === 1 && this.#choice.mayPoll && !this.#isPolling) this.#poll();
  }

  /**
   * Looks for the others' parts without sleeping, for a short time: waking up may take longer than
   * they need to come.
   */
  #poll(): void {
    this.#isPolling = true;
    this.#options.yieldThen(() => {
      this.#isPolling = false;
      const running = this.#running;
      if (running === undefined) return;
      if (this.#options.clock.monotonicMs() - running.sentAtMs < POLL_MS_MAX) this.#poll();
    });
  }

  #finish(running: Running): void {
    const { engine, clock, meter } = this.#options;
    const { step, x } = running;
    const beganAtMs = clock.monotonicMs();
    const hash = hashActivations(x);
    if (step.wanted !== WANT_NOTHING && !isEmpty(engine.shard.vocabulary)) {
      engine.head(x.subarray(x.length - engine.shape.embeddingWidth), this.#logits);
    }
    const headMs = clock.monotonicMs() - beganAtMs;
    meter.onCompute(headMs);
    this.#running = undefined;
    this.#tell(step, hash, running.computeMs + headMs);
  }

  #alone(step: ComputeStep, sequence: number): void {
    const { engine, clock, meter } = this.#options;
    const { position, tokens } = step;
    const beganAtMs = clock.monotonicMs();
    engine.forward(tokens, { sequence, position, rows: tokens.length }, this.#logits);
    const computeMs = clock.monotonicMs() - beganAtMs;
    meter.onCompute(computeMs);
    this.#tell(step, [0, 0], computeMs);
  }

  #tell(step: ComputeStep, hash: readonly [number, number], computeMs: number): void {
    const { wanted } = step;
    const { from } = this.#options.engine.shard.vocabulary;
    const candidates =
      wanted === WANT_NOTHING ? NO_CANDIDATES : candidatesOf(this.#logits, from, wanted);
    this.#options.onDone({ hash, computeMs, candidates });
  }
}
