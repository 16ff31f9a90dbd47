/**
 * What the leader tells the others to do, and what they answer; little-endian.
 *
 * STEP:
 *
 *     0  u8   action: 1 open a sequence, 2 close it, 3 truncate it, 4 compute
 *     1  u8   exchange: 0 one-shot, 1 scatter and gather
 *     2  u16  slot of the sequence, as the leader counts them
 *     4  u32  position: tokens of the sequence before these; or its new length
 *     8  u32  wanted: so many candidates of the last row, up to `CANDIDATES_MAX`; 0 for no logits
 *    12  u32  rows, and then as many tokens, i32 each
 *
 * RESULT, one for each step that computes:
 *
 *     0  u64  hash of the residual after the last layer, all rows
 *     8  f64  ln of the sum of e^logit over the sender's rows of the vocabulary
 *    16  u32  microseconds of computing
 *    20  u32  candidates, and then as many pairs of token u32 and logit f32, the best first
 */
import type { SliceCandidates } from "../sampling/candidates.js";
import type { Span } from "../shards/shard.js";
import { invalidFrame } from "./frame-codec.js";
import { CANDIDATES_MAX, CHUNK_ROWS_MAX } from "./limits.js";

export const WANT_NOTHING = 0;

export type RingStep =
  | { readonly action: "open" | "close"; readonly slot: number }
  | { readonly action: "truncate"; readonly slot: number; readonly position: number }
  | ComputeStep;

export interface ComputeStep {
  readonly action: "compute";
  readonly slot: number;
  /** Tokens of the sequence that came before. */
  readonly position: number;
  readonly exchange: ExchangeMode;
  /** `WANT_NOTHING`, or how many candidates for the last row. */
  readonly wanted: number;
  readonly tokens: Int32Array;
}

export type ExchangeMode = "one-shot" | "scatter-gather";

const ACTIONS = ["open", "close", "truncate", "compute"] as const;
const STEP_HEAD_BYTES = 16;
const RESULT_HEAD_BYTES = 24;
export const STEP_BYTES_MAX = STEP_HEAD_BYTES + 4 * CHUNK_ROWS_MAX;

export function encodeStep(step: RingStep): Uint8Array {
  const tokens = step.action === "compute" ? step.tokens : undefined;
  const bytes = new Uint8Array(STEP_HEAD_BYTES + 4 * (tokens?.length ?? 0));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, ACTIONS.indexOf(step.action) + 1);
  view.setUint16(2, step.slot, true);
  if (step.action === "truncate" || step.action === "compute") {
    view.setUint32(4, step.position, true);
  }
  if (step.action === "compute") {
    view.setUint8(1, step.exchange === "one-shot" ? 0 : 1);
    view.setUint32(8, step.wanted, true);
    view.setUint32(12, step.tokens.length, true);
    new Int32Array(bytes.buffer, STEP_HEAD_BYTES).set(step.tokens);
  }
  return bytes;
}

/** What a step may name, so that a wrong leader cannot crash a member. */
export interface StepBounds {
  readonly slots: number;
  readonly contextTokens: number;
  readonly rowsMax: number;
  readonly vocabularySize: number;
}

/** `MESH_RING_FRAME_INVALID` for anything out of bounds. */
export function decodeStep(payload: Uint8Array, bounds: StepBounds): RingStep {
  if (payload.length < STEP_HEAD_BYTES) throw invalidFrame("a step is too short");
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const action = ACTIONS[view.getUint8(0) - 1];
  const slot = view.getUint16(2, true);
  const position = view.getUint32(4, true);
  const rows = view.getUint32(12, true);
  if (action === undefined) throw invalidFrame("a step has an unknown action");
  if (slot >= bounds.slots) throw invalidFrame(`a step names the sequence ${slot}`);
  if (payload.length !== STEP_HEAD_BYTES + 4 * rows)
    throw invalidFrame("a step has a wrong length");
  if (action !== "compute") {
    if (rows > 0) throw invalidFrame("a step has tokens for nothing");
    if (position > bounds.contextTokens) throw invalidFrame("a step is beyond the context");
    return action === "truncate" ? { action, slot, position } : { action, slot };
  }
  if (rows < 1 || rows > bounds.rowsMax) throw invalidFrame(`a step has ${rows} rows`);
  if (position + rows > bounds.contextTokens) throw invalidFrame("a step is beyond the context");
  const tokens = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const token = view.getInt32(STEP_HEAD_BYTES + 4 * row, true);
    if (token < 0 || token >= bounds.vocabularySize)
      throw invalidFrame(`there is no token ${token}`);
    tokens[row] = token;
  }
  const wanted = view.getUint32(8, true);
  if (wanted > CANDIDATES_MAX) throw invalidFrame("a step wants too much");
  const exchange = view.getUint8(1) === 0 ? "one-shot" : "scatter-gather";
  return { action, slot, position, exchange, wanted, tokens };
}

/** Of one member, after a step that computed. */
export interface StepResult {
  /** Of the residual; by it members notice that they no longer have the same one. */
  readonly hash: readonly [number, number];
  readonly computeMs: number;
  /** Of the member's rows of the vocabulary; empty when none were wanted. */
  readonly candidates: SliceCandidates;
}

export const NO_CANDIDATES: SliceCandidates = {
  ids: new Int32Array(0),
  logits: new Float32Array(0),
  logSumExp: Number.NEGATIVE_INFINITY,
};

/** Bytes of the largest result of a member with so many rows of the vocabulary. */
export function resultBytesMax(vocabularyRows: number): number {
  return RESULT_HEAD_BYTES + 8 * Math.min(CANDIDATES_MAX, vocabularyRows);
}

export function encodeResult({ hash, computeMs, candidates }: StepResult): Uint8Array {
  const { ids, logits, logSumExp } = candidates;
  const bytes = new Uint8Array(RESULT_HEAD_BYTES + 8 * ids.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, hash[0], true);
  view.setUint32(4, hash[1], true);
  view.setFloat64(8, logSumExp, true);
  view.setUint32(16, Math.min(0xffff_ffff, Math.round(computeMs * 1000)), true);
  view.setUint32(20, ids.length, true);
  for (const [index, id] of ids.entries()) {
    view.setUint32(RESULT_HEAD_BYTES + 8 * index, id, true);
    view.setFloat32(RESULT_HEAD_BYTES + 8 * index + 4, logits[index] as number, true);
  }
  return bytes;
}

/**
 * `wanted` as the step said; `rows` are the sender's of the vocabulary.
 * `MESH_RING_FRAME_INVALID` when it is not what was asked for.
 */
export function decodeResult(payload: Uint8Array, wanted: number, rows: Span): StepResult {
  const count = Math.min(wanted, rows.to - rows.from);
  if (payload.length !== RESULT_HEAD_BYTES + 8 * count) {
    throw invalidFrame("a result has a wrong length");
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  if (view.getUint32(20, true) !== count) throw invalidFrame("a result has a wrong count");
  const ids = new Int32Array(count);
  const logits = new Float32Array(count);
  for (let index = 0; index < count; index++) {
    const id = view.getUint32(RESULT_HEAD_BYTES + 8 * index, true);
    if (id < rows.from || id >= rows.to) throw invalidFrame("a result names a wrong token");
    ids[index] = id;
    logits[index] = possible(view.getFloat32(RESULT_HEAD_BYTES + 8 * index + 4, true));
  }
  return {
    hash: [view.getUint32(0, true), view.getUint32(4, true)],
    computeMs: view.getUint32(16, true) / 1000,
    candidates: { ids, logits, logSumExp: possible(view.getFloat64(8, true)) },
  };
}

/** Minus infinity forbids a token, or belongs to no rows at all. */
function possible(logit: number): number {
  if (logit < Number.POSITIVE_INFINITY) return logit;
  throw invalidFrame("a result holds a logit that is no number");
}
