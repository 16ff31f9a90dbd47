/** The channel of a DATA frame: three bits of kind, then two of priority. */
import { QWormholeError } from "./errors.js";
import type { Priority } from "./link.js";
import { PRIORITIES } from "./outbox.js";

const KIND_BITS = 3;
const KIND_MASK = (1 << KIND_BITS) - 1;

/** Throws `QW_OPTIONS_INVALID`. */
export function labelOf(kind: number, level: number): number {
  if (kind !== (kind & KIND_MASK)) {
    const message = `a kind is a number from 0 to ${KIND_MASK}, not ${kind}`;
    throw new QWormholeError("QW_OPTIONS_INVALID", { message });
  }
  return kind | (level << KIND_BITS);
}

export function kindOf(label: number): number {
  return label & KIND_MASK;
}

/** Throws `QW_FRAME_INVALID`. */
export function priorityOf(label: number): Priority {
  const priority = PRIORITIES[label >> KIND_BITS];
  if (priority !== undefined) return priority;
  const message = `a message is labelled ${label}, which is neither a kind nor a priority`;
  throw new QWormholeError("QW_FRAME_INVALID", { message });
}
