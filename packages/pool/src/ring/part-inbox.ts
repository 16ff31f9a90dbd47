/** Parts that came from peers and were not used yet, at most a few exchanges ahead of their use. */
import { EXCHANGES_AHEAD_MAX } from "./limits.js";
import { type Payload, payloadOf } from "./wire-format.js";

const NOTHING = payloadOf(new ArrayBuffer(0));

interface Slot {
  number: number;
  kind: number;
  values: number;
  isFull: boolean;
  memory: Payload;
}

export interface Part {
  readonly kind: number;
  readonly values: number;
}

/** Its memory is used again, and grows only to the largest part that was accepted. */
export class PartInbox {
  readonly #slots: Slot[][];
  readonly #valueBytes: number;

  constructor(members: number, position: number, valueBytes: number) {
    this.#valueBytes = valueBytes;
    this.#slots = Array.from({ length: members }, (_, from) =>
      from === position
        ? []
        : Array.from({ length: EXCHANGES_AHEAD_MAX }, () => ({
            number: 0,
            kind: 0,
            values: 0,
            isFull: false,
            memory: NOTHING,
          })),
    );
  }

  /** False when this one is there already. The caller bounds `number` and the length. */
  put(from: number, kind: number, number: number, payload: Uint8Array): boolean {
    const slot = this.#slots[from]?.[number % EXCHANGES_AHEAD_MAX];
    if (slot === undefined || slot.isFull) return false;
    slot.values = payload.length / this.#valueBytes;
    if (slot.memory.bytes.length < payload.length) {
      slot.memory = payloadOf(new ArrayBuffer(payload.length));
    }
    slot.memory.bytes.set(payload);
    slot.number = number;
    slot.kind = kind;
    slot.isFull = true;
    return true;
  }

  get(from: number, number: number): Part | undefined {
    const slot = this.#slots[from]?.[number % EXCHANGES_AHEAD_MAX];
    return slot?.isFull === true && slot.number === number ? slot : undefined;
  }

  /**
   * Good until the next `put` of this peer, and longer than what came; empty when there is none.
   */
  take(from: number, number: number): Payload {
    const slot = this.#slots[from]?.[number % EXCHANGES_AHEAD_MAX];
    if (slot?.isFull !== true || slot.number !== number) return NOTHING;
    slot.isFull = false;
    return slot.memory;
  }
}
