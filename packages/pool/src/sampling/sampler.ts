/**
 * Draws the next token. The order is that of llama.cpp: top k, top p, min p, temperature, draw;
 * each step looks at what the one before left. The same options, seed and candidates give the same
 * tokens, however the vocabulary was cut.
 *
 * Sources: Holtzman et al.: The Curious Case of Neural Text Degeneration (2020), for top p; Nguyen
 * et al.: Turning Up the Heat: Min-p Sampling (2024), for min p.
 */
import { MeshError } from "@hearthmesh/core";
import type { SamplingOptions } from "../ring/generation.js";
import type { SliceCandidates } from "./candidates.js";
import { SAMPLING_CANDIDATES_MAX } from "./limits.js";
import { Xoshiro128 } from "./xoshiro128.js";

/** How many candidates every slice has to name for these options. */
export function candidatesNeeded(options: SamplingOptions): number {
  if (options.temperature <= 0) return 1;
  if (options.topK <= 0) return SAMPLING_CANDIDATES_MAX;
  return Math.min(options.topK, SAMPLING_CANDIDATES_MAX);
}

interface Candidate {
  readonly id: number;
  readonly logit: number;
}

export class Sampler {
  readonly #options: SamplingOptions;
  readonly #random: Xoshiro128;
  readonly #vocabularySize: number;

  /** `MESH_BAD_REQUEST` for options that make no sense. */
  constructor(options: SamplingOptions, vocabularySize: number) {
    checkOptions(options);
    this.#options = options;
    this.#random = new Xoshiro128(options.seed);
    this.#vocabularySize = vocabularySize;
  }

  /**
   * One token out of the candidates of all slices. Every call draws one number when the temperature
   * is above 0. `MESH_RING_FRAME_INVALID` for candidates that cannot be.
   */
  next(slices: readonly SliceCandidates[]): number {
    const merged = this.#merge(slices);
    const [first] = merged;
    if (first === undefined) throw invalid("no member named a token that may come next");
    if (this.#options.temperature <= 0) return first.id;
    const left = this.#minP(this.#topP(merged, totalLogSumExp(slices)));
    return this.#draw(left);
  }

  /** The likeliest of all slices, best first. */
  #merge(slices: readonly SliceCandidates[]): Candidate[] {
    const all: Candidate[] = [];
    for (const { ids, logits, logSumExp } of slices) {
      if (ids.length !== logits.length) throw invalid("as many logits as tokens are needed");
      if (Number.isNaN(logSumExp) || logSumExp === Number.POSITIVE_INFINITY) {
        throw invalid(`the sum over a slice is ${logSumExp}`);
      }
      for (const [at, id] of ids.entries()) {
        const logit = logits[at] ?? Number.NaN;
        if (!(logit < Number.POSITIVE_INFINITY)) throw invalid(`token ${id} has ${logit}`);
        if (id < 0 || id >= this.#vocabularySize) throw invalid(`there is no token ${id}`);
        // Minus infinity: a token that must not come.
        if (logit > Number.NEGATIVE_INFINITY) all.push({ id, logit });
      }
    }
    all.sort((a, b) => b.logit - a.logit || a.id - b.id);
    return all.slice(0, candidatesNeeded(this.#options));
  }

  /** The fewest candidates whose probabilities reach `topP` together. */
  #topP(candidates: Candidate[], total: number): Candidate[] {
    const { topK, topP } = this.#options;
    if (topP >= 1) return candidates;
    // After top k, probabilities are of what is left; else of the whole vocabulary.
    const sum = topK > 0 ? logSumExpOf(candidates) : total;
    let reached = 0;
    for (const [at, { logit }] of candidates.entries()) {
      reached += Math.exp(logit - sum);
      if (reached >= topP) return candidates.slice(0, at + 1);
    }
    return candidates;
  }

  /** Those at least `minP` times as likely as the likeliest. */
  #minP(candidates: Candidate[]): Candidate[] {
    const [first] = candidates;
    if (this.#options.minP <= 0 || first === undefined) return candidates;
    const least = first.logit + Math.log(this.#options.minP);
    return candidates.filter(({ logit }, at) => at === 0 || logit >= least);
  }

  #draw(candidates: readonly Candidate[]): number {
    const most = candidates[0]?.logit ?? 0;
    const weights = candidates.map(({ logit }) =>
      Math.exp((logit - most) / this.#options.temperature),
    );
    let rest = this.#random.float() * weights.reduce((sum, weight) => sum + weight, 0);
    for (const [at, weight] of weights.entries()) {
      rest -= weight;
      if (rest < 0) return candidates[at]?.id ?? 0;
    }
    // Rounding alone leads here.
    return candidates.at(-1)?.id ?? 0;
  }
}

function checkOptions(options: SamplingOptions): void {
  const bad = (message: string) => new MeshError("MESH_BAD_REQUEST", { message });
  const { temperature, topP, topK, minP, seed } = options;
  if (!(temperature >= 0 && temperature <= 100)) throw bad("temperature: 0 to 100");
  if (!(topP >= 0 && topP <= 1)) throw bad("top_p: 0 to 1");
  if (!(minP >= 0 && minP <= 1)) throw bad("min_p: 0 to 1");
  if (!Number.isSafeInteger(topK) || topK < 0) throw bad("top_k: a whole number from 0");
  if (!Number.isSafeInteger(seed)) throw bad("seed: a whole number");
}

function totalLogSumExp(slices: readonly SliceCandidates[]): number {
  return logSumExpOf(slices.map(({ logSumExp }) => ({ logit: logSumExp })));
}

function logSumExpOf(items: readonly { readonly logit: number }[]): number {
  const most = items.reduce((max, { logit }) => Math.max(max, logit), Number.NEGATIVE_INFINITY);
  if (most === Number.NEGATIVE_INFINITY) return most;
  return most + Math.log(items.reduce((sum, { logit }) => sum + Math.exp(logit - most), 0));
}

function invalid(message: string): MeshError {
  return new MeshError("MESH_RING_FRAME_INVALID", { message });
}
