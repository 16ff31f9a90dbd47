/** A request at the leader, from when it came to when its answer is done. */
import type { Answer } from "./answer.js";
import type { GenerationTimings } from "./generation.js";

export interface NewRequest {
  readonly id: number;
  readonly promptTokens: Int32Array;
  readonly maxTokens: number | undefined;
  readonly answer: Answer;
}

export class SessionRequest {
  readonly id: number;
  readonly answer: Answer;
  readonly promptTokens: number;
  /** The token log: prompt and answer. It is all that is needed to go on elsewhere. */
  readonly log: number[];
  readonly maxTokens: number;
  /** Its sequence; undefined while it waits for one. */
  slot: number | undefined;
  /** Tokens of the log that are in the caches of all members. */
  computed = 0;
  /** Events that nobody has taken yet. */
  untaken = 0;
  isCancelled = false;
  #firstTokenMs: number | undefined;
  #lostAtMs: number | undefined;
  readonly #cameAtMs: number;
  readonly #timings = {
    ...{ promptMs: 0, decodeMs: 0, computeMs: 0, exchangeMs: 0 },
    ...{ epochs: 1, replayedTokens: 0, pauseMs: 0 },
  };

  constructor(request: NewRequest, nowMs: number) {
    this.id = request.id;
    this.answer = request.answer;
    this.promptTokens = request.promptTokens.length;
    this.log = Array.from(request.promptTokens);
    this.maxTokens = request.maxTokens ?? Number.POSITIVE_INFINITY;
    this.#cameAtMs = nowMs;
  }

  get completionTokens(): number {
    return this.log.length - this.promptTokens;
  }

  get timings(): GenerationTimings {
    return { firstTokenMs: this.#firstTokenMs ?? 0, ...this.#timings };
  }

  /** Rows of it were computed in a step that took so long. */
  onComputed(rows: number, step: { durationMs: number; computeMs: number }): void {
    this.computed += rows;
    if (this.#lostAtMs !== undefined) return;
    if (this.#firstTokenMs === undefined) {
      this.#timings.promptMs += step.durationMs;
      return;
    }
    this.#timings.decodeMs += step.durationMs;
    this.#timings.computeMs += step.computeMs;
    this.#timings.exchangeMs += Math.max(0, step.durationMs - step.computeMs);
  }

  onToken(nowMs: number): void {
    this.#firstTokenMs ??= nowMs - this.#cameAtMs;
    if (this.#lostAtMs === undefined) return;
    this.#timings.pauseMs += nowMs - this.#lostAtMs;
    this.#lostAtMs = undefined;
  }

  /** The caches are gone; answers true when something has to be computed again. */
  onLost(nowMs: number): boolean {
    if (this.computed === 0) return false;
    this.#lostAtMs ??= nowMs;
    this.#timings.epochs++;
    this.#timings.replayedTokens += this.computed;
    this.computed = 0;
    return true;
  }
}
