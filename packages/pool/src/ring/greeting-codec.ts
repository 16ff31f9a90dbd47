/**
 * The first frame on a connection and the last one of an epoch; little-endian.
 *
 * HELLO:  0  4 bytes "HMR1"   4  32 bytes digest of the plan   36  u32 rows of the largest step
 *        40  u32 sequences
 * FAULT:  0  u16 position of the member that is to blame, 0xffff when it is none
 *         2  u8 reason, see `FAULT_REASONS`
 */
import { createHash } from "node:crypto";
import { invalidFrame } from "./frame-codec.js";
import type { RingPlan } from "./ring-plan.js";

export const HELLO_BYTES = 44;
export const FAULT_BYTES = 3;
const MAGIC = Buffer.from("HMR1", "latin1");
const NOBODY = 0xffff;

export interface Hello {
  readonly planDigest: Uint8Array;
  /** What the member has room for; the leader keeps to the least of all. */
  readonly rowsMax: number;
  readonly sequencesMax: number;
}

const FAULT_REASONS = ["left", "lost", "slow", "invalid", "diverged", "engine"] as const;
export type FaultReason = (typeof FAULT_REASONS)[number];

export interface FaultNotice {
  readonly position: number | undefined;
  readonly reason: FaultReason;
}

/** What must be the same at all members, and nothing else: who holds what, in which order. */
export function digestOf(plan: RingPlan): Uint8Array {
  const { epoch, modelId, contextTokens, leader } = plan;
  const members = plan.members.map(({ nodeId, shard }) => {
    const { kvHeads, feedForward, vocabulary } = shard;
    return [nodeId, ...[kvHeads, feedForward, vocabulary].map(({ from, to }) => [from, to])];
  });
  const text = JSON.stringify([epoch, modelId, contextTokens, leader, members]);
  return createHash("sha256").update(text).digest();
}

export function encodeHello(hello: Hello): Uint8Array {
  const bytes = new Uint8Array(HELLO_BYTES);
  bytes.set(MAGIC, 0);
  bytes.set(hello.planDigest, 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(36, hello.rowsMax, true);
  view.setUint32(40, hello.sequencesMax, true);
  return bytes;
}

/** `MESH_RING_FRAME_INVALID`. */
export function decodeHello(payload: Uint8Array): Hello {
  if (payload.length !== HELLO_BYTES || !MAGIC.equals(payload.subarray(0, 4))) {
    throw invalidFrame("the first frame is no HELLO of this version");
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const rowsMax = view.getUint32(36, true);
  const sequencesMax = view.getUint32(40, true);
  if (rowsMax === 0 || sequencesMax === 0) throw invalidFrame("a HELLO has no room for anything");
  return { planDigest: payload.slice(4, 36), rowsMax, sequencesMax };
}

export function encodeFault(notice: FaultNotice): Uint8Array {
  const bytes = new Uint8Array(FAULT_BYTES);
  new DataView(bytes.buffer).setUint16(0, notice.position ?? NOBODY, true);
  bytes[2] = FAULT_REASONS.indexOf(notice.reason);
  return bytes;
}

/** `MESH_RING_FRAME_INVALID`. */
export function decodeFault(payload: Uint8Array, members: number): FaultNotice {
  if (payload.length !== FAULT_BYTES) throw invalidFrame("a fault has a wrong length");
  const position = new DataView(payload.buffer, payload.byteOffset).getUint16(0, true);
  const reason = FAULT_REASONS[payload[2] ?? -1];
  if (reason === undefined || (position !== NOBODY && position >= members)) {
    throw invalidFrame("a fault has an unknown reason");
  }
  return { position: position === NOBODY ? undefined : position, reason };
}
