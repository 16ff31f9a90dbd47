/** Reads slices of tensors from a local file, in pieces of bounded size. Synchronous. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { MeshError } from "@hearthmesh/core";
import { READ_BYTES_MAX } from "./limits.js";
import type { TensorSlice } from "./shard-tensors.js";

/** Rows `from` to `from + rows` of a slice; `bytes` is valid during the call only. */
export type RowsConsumer = (bytes: Uint8Array, from: number, rows: number) => void;

export class SliceReader {
  readonly sizeBytes: number;
  readonly #file: number;
  /** What the file gave, and the columns that are wanted of it. */
  #read = new Uint8Array(0);
  #cut = new Uint8Array(0);
  #isClosed = false;

  constructor(path: string) {
    this.#file = openSync(path, "r");
    this.sizeBytes = fstatSync(this.#file).size;
  }

  /**
   * All rows in order, as many at a time as `READ_BYTES_MAX` allows, in multiples of `rowsUnit`
   * but for the last ones.
   */
  readRows(slice: TensorSlice, rowsUnit: number, consume: RowsConsumer): void {
    const fit = Math.floor(READ_BYTES_MAX / slice.fileRowBytes / rowsUnit) * rowsUnit;
    const step = Math.max(rowsUnit, fit);
    for (let from = 0; from < slice.rows; from += step) {
      const rows = Math.min(step, slice.rows - from);
      consume(this.#rowsAt(slice, from, rows), from, rows);
    }
  }

  /** One row of a slice; the view is valid until the next call. */
  row(slice: TensorSlice, row: number): Uint8Array {
    return this.#rowsAt(slice, row, 1);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#file);
  }

  #rowsAt(slice: TensorSlice, from: number, rows: number): Uint8Array {
    const { fileRowBytes, fileColumnBytes, rowBytes } = slice;
    const length = rows * fileRowBytes;
    if (this.#read.length < length) this.#read = new Uint8Array(length);
    const whole = this.#read.subarray(0, length);
    this.#fill(whole, slice.fileOffset + from * fileRowBytes, slice.name);
    if (rowBytes === fileRowBytes) return whole;
    const cutLength = rows * rowBytes;
    if (this.#cut.length < cutLength) this.#cut = new Uint8Array(cutLength);
    for (let row = 0; row < rows; row += 1) {
      const at = row * fileRowBytes + fileColumnBytes;
      this.#cut.set(whole.subarray(at, at + rowBytes), row * rowBytes);
    }
    return this.#cut.subarray(0, cutLength);
  }

  #fill(target: Uint8Array, offset: number, name: string): void {
    let done = 0;
    while (done < target.length) {
      const count = readSync(this.#file, target, done, target.length - done, offset + done);
      if (count === 0) {
        const missing = target.length - done;
        const message = `the model's file ended within ${name}: ${missing} bytes early`;
        throw new MeshError("MESH_MODEL_DAMAGED", { message });
      }
      done += count;
    }
  }
}
