/**
 * What the leader tells the others to do, and what they answer; little-endian.
 *
 * STEP:
 *
 *     0  u8   action: 1 open a sequence, 2 close it, 3 truncate it, 4 compute
 *     1  u8   exchange: 0 one-shot, 1 scatter and gather
 *     2  u16  slot of the sequence, as the leader counts them
 *     4  u32  position: tokens of the sequence before these; or its new length
 *     8  u32  wanted: 0 no logits, 1 to `CANDIDATES_MAX` that many candidates, 2^32-1 all logits
 *    12  u32  rows, and then as many tokens, i32 each
 *
 * RESULT, one for each step that computes:
 *
 *     0  u64  hash of the residual after the last layer, all rows
 *     8  u32  microseconds of computing
 *    12  u32  candidates, and then as many pairs of token u32 and logit f32, the best first; or all
 *             logits of the sender's rows of the vocabulary, f32 each, when those were wanted
 */
import { invalidFrame } from "./frame-codec.js";
import { CANDIDATES_MAX, CHUNK_ROWS_MAX } from "./limits.js";

export const WANT_NOTHING = 0;
export const WANT_ALL = 0xffff_ffff;

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
  /** `WANT_NOTHING`, a number of candidates, or `WANT_ALL`; for the last row. */
  readonly wanted: number;
  readonly tokens: Int32Array;
}

export type ExchangeMode = "one-shot" | "scatter-gather";

const ACTIONS = ["open", "close", "truncate", "compute"] as const;
const STEP_HEAD_BYTES = 16;
const RESULT_HEAD_BYTES = 16;
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
  if (wanted > CANDIDATES_MAX && wanted !== WANT_ALL) throw invalidFrame("a step wants too much");
  const exchange = view.getUint8(1) === 0 ? "one-shot" : "scatter-gather";
  return { action, slot, position, exchange, wanted, tokens };
}

/** Of one member, after a step that computed. */
export interface StepResult {
  readonly hash: readonly [number, number];
  readonly computeMs: number;
  /** Best first; empty when all logits were wanted, or none. */
  readonly candidates: readonly Candidate[];
  /** Of the member's rows of the vocabulary, when all were wanted. */
  readonly logits: Float32Array | undefined;
}

export interface Candidate {
  readonly token: number;
  readonly logit: number;
}

/** Bytes of the largest result of a member with so many rows of the vocabulary. */
export function resultBytesMax(vocabularyRows: number): number {
  return RESULT_HEAD_BYTES + Math.max(8 * CANDIDATES_MAX, 4 * vocabularyRows);
}

export function encodeResult(result: StepResult): Uint8Array {
  const { candidates, logits } = result;
  const body = logits === undefined ? 8 * candidates.length : 4 * logits.length;
  const bytes = new Uint8Array(RESULT_HEAD_BYTES + body);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, result.hash[0], true);
  view.setUint32(4, result.hash[1], true);
  view.setUint32(8, Math.min(0xffff_ffff, Math.round(result.computeMs * 1000)), true);
  view.setUint32(12, candidates.length, true);
  if (logits !== undefined) new Float32Array(bytes.buffer, RESULT_HEAD_BYTES).set(logits);
  for (const [index, { token, logit }] of candidates.entries()) {
    view.setUint32(RESULT_HEAD_BYTES + 8 * index, token, true);
    view.setFloat32(RESULT_HEAD_BYTES + 8 * index + 4, logit, true);
  }
  return bytes;
}

/**
 * `wanted` as the step said; `rows` are the sender's of the vocabulary.
 * `MESH_RING_FRAME_INVALID` when it is not what was asked for, or not finite.
 */
export function decodeResult(
  payload: Uint8Array,
  wanted: number,
  rows: { readonly from: number; readonly to: number },
): StepResult {
  if (payload.length < RESULT_HEAD_BYTES) throw invalidFrame("a result is too short");
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const count = rows.to - rows.from;
  const listed = wanted === WANT_ALL ? 0 : Math.min(wanted, count);
  const body = wanted === WANT_ALL ? 4 * count : 8 * listed;
  if (payload.length !== RESULT_HEAD_BYTES + body || view.getUint32(12, true) !== listed) {
    throw invalidFrame("a result has a wrong length");
  }
  const candidates: Candidate[] = [];
  for (let index = 0; index < listed; index++) {
    const token = view.getUint32(RESULT_HEAD_BYTES + 8 * index, true);
    const logit = view.getFloat32(RESULT_HEAD_BYTES + 8 * index + 4, true);
    if (token < rows.from || token >= rows.to) throw invalidFrame("a result names a wrong token");
    candidates.push({ token, logit: finite(logit) });
  }
  return {
    hash: [view.getUint32(0, true), view.getUint32(4, true)],
    computeMs: view.getUint32(8, true) / 1000,
    candidates,
    logits: wanted === WANT_ALL ? readLogits(view, count) : undefined,
  };
}

function readLogits(view: DataView, count: number): Float32Array {
  const logits = new Float32Array(count);
  for (let row = 0; row < count; row++) {
    logits[row] = finite(view.getFloat32(RESULT_HEAD_BYTES + 4 * row, true));
  }
  return logits;
}

function finite(logit: number): number {
  if (!Number.isFinite(logit)) throw invalidFrame("a result holds a logit that is no number");
  return logit;
}
