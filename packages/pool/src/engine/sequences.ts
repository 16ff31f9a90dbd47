/** Which sequences of an engine are open and how long they are; what a call may ask of them. */
import { MeshError } from "@hearthmesh/core";
import type { EngineBatch, EngineOptions } from "./shard-engine.js";

export class Sequences {
  readonly #contextTokens: number;
  readonly #batchRowsMax: number;
  /** Tokens of each slot; undefined while it is closed. */
  readonly #lengths: (number | undefined)[];

  constructor(options: Pick<EngineOptions, "contextTokens" | "batchRowsMax" | "sequencesMax">) {
    this.#contextTokens = options.contextTokens;
    this.#batchRowsMax = options.batchRowsMax;
    this.#lengths = new Array<number | undefined>(options.sequencesMax).fill(undefined);
  }

  open(): number {
    const slot = this.#lengths.indexOf(undefined);
    if (slot < 0) {
      const message = `all ${this.#lengths.length} sequences of the engine are in use`;
      throw new MeshError("MESH_LIMIT", { message });
    }
    this.#lengths[slot] = 0;
    return slot;
  }

  close(sequence: number): void {
    this.length(sequence);
    this.#lengths[sequence] = undefined;
  }

  length(sequence: number): number {
    const length = this.#lengths[sequence];
    if (length === undefined) throw wrongCall(`the sequence ${sequence} is not open`);
    return length;
  }

  /** The length that it had before. */
  truncate(sequence: number, length: number): number {
    const before = this.length(sequence);
    if (!Number.isSafeInteger(length) || length < 0 || length > before) {
      throw wrongCall(`a sequence of ${before} tokens cannot be cut to ${length}`);
    }
    this.#lengths[sequence] = length;
    return before;
  }

  /** Refuses rows that leave a hole, are too many, or go beyond the context. */
  check({ sequence, position, rows }: EngineBatch): void {
    const length = this.length(sequence);
    checkRows(rows, this.#batchRowsMax);
    if (!Number.isSafeInteger(position) || position < 0 || position > length) {
      throw wrongCall(`rows at ${position} do not follow the ${length} tokens of the sequence`);
    }
    if (position + rows <= this.#contextTokens) return;
    throw new MeshError("MESH_CONTEXT_TOO_LONG", {
      message: `${position + rows} tokens do not fit into a cache of ${this.#contextTokens}`,
      details: { contextTokens: this.#contextTokens },
    });
  }

  /** After the rows of a batch were written. */
  advance({ sequence, position, rows }: EngineBatch): void {
    this.#lengths[sequence] = Math.max(this.length(sequence), position + rows);
  }
}

/** A call that no right caller makes: refused before anything native can see it. */
export function wrongCall(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message: `wrong call of an engine: ${message}` });
}

export function checkRows(rows: number, batchRowsMax: number): void {
  if (Number.isSafeInteger(rows) && rows > 0 && rows <= batchRowsMax) return;
  throw wrongCall(`${rows} rows; 1 to ${batchRowsMax} can be`);
}

export function checkIndex(index: number, count: number, what: string): void {
  if (Number.isSafeInteger(index) && index >= 0 && index < count) return;
  throw wrongCall(`${what} ${index}; there are ${count}`);
}

/** A buffer may be longer than what is read or written of it, never shorter. */
export function checkLength(values: Float32Array, needed: number, what: string): void {
  if (values.length >= needed) return;
  throw wrongCall(`${what} has room for ${values.length} numbers, ${needed} are needed`);
}
