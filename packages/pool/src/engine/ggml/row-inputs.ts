/**
 * What goes into graphs: activations, positions, where rows go in the cache, and which rows of the
 * cache they may see. Allocated once for the largest batch; graphs look at the front of it.
 */
import type { Pointer } from "./binding-table.js";
import type { OpenDevice } from "./devices.js";
import type { GgmlLibrary } from "./library.js";
import { need, TensorGroup } from "./native.js";

const F16_BYTES = 2;
const F32_BYTES = 4;
/** Minus infinity as binary16: such a row of the cache is not seen. */
const HIDDEN = 0xfc00;

export interface RowInputSizes {
  readonly embeddingWidth: number;
  readonly batchRowsMax: number;
  readonly cacheRows: number;
}

/** The inputs as they look in one graph. */
export interface RowViews {
  readonly positions: Pointer;
  readonly indexes: Pointer;
  readonly mask: Pointer;
}

export class RowInputs {
  readonly #library: GgmlLibrary;
  readonly #sizes: RowInputSizes;
  readonly #group: TensorGroup;
  readonly #activations: Pointer;
  readonly #positions: Pointer;
  readonly #indexes: Pointer;
  readonly #mask: Pointer;
  readonly #positionValues: Int32Array;
  readonly #indexValues: BigInt64Array;
  #maskValues = new Uint16Array(0);
  /** What is in native memory now. */
  #written = "";

  constructor(library: GgmlLibrary, device: OpenDevice, sizes: RowInputSizes) {
    const { embeddingWidth, batchRowsMax, cacheRows } = sizes;
    this.#library = library;
    this.#sizes = sizes;
    this.#group = new TensorGroup(library, device.bufferType, 4);
    this.#activations = this.#group.vector("F32", embeddingWidth * batchRowsMax);
    this.#positions = this.#group.vector("I32", batchRowsMax);
    this.#indexes = this.#group.vector("I64", batchRowsMax);
    this.#mask = this.#group.vector("F16", cacheRows * batchRowsMax);
    this.#positionValues = new Int32Array(batchRowsMax);
    this.#indexValues = new BigInt64Array(batchRowsMax);
  }

  allocate(): void {
    this.#group.allocate("zeros");
  }

  get bytes(): number {
    return this.#library.base.ggml_backend_buffer_get_size(this.#group.buffer);
  }

  /** Rows of activations as a matrix of a graph. */
  activationsIn(context: Pointer, rows: number): Pointer {
    const { base } = this.#library;
    const { embeddingWidth } = this.#sizes;
    const rowBytes = embeddingWidth * F32_BYTES;
    return need(
      base.ggml_view_2d(context, this.#activations, embeddingWidth, rows, rowBytes, 0),
      "activations",
    );
  }

  viewsIn(context: Pointer, rows: number, seenRows: number): RowViews {
    const { base } = this.#library;
    return {
      positions: need(base.ggml_view_1d(context, this.#positions, rows, 0), "positions"),
      indexes: need(base.ggml_view_1d(context, this.#indexes, rows, 0), "indexes"),
      mask: need(
        base.ggml_view_2d(context, this.#mask, seenRows, rows, seenRows * F16_BYTES, 0),
        "a mask",
      ),
    };
  }

  writeActivations(x: Float32Array, rows: number): void {
    const bytes = rows * this.#sizes.embeddingWidth * F32_BYTES;
    this.#library.base.ggml_backend_tensor_set(this.#activations, x, 0, bytes);
  }

  /** A row sees the tokens before it and itself. The same for all layers: written once. */
  writeRows(position: number, rows: number, seenRows: number): void {
    const key = `${position} ${rows} ${seenRows}`;
    if (key === this.#written) return;
    const { base } = this.#library;
    const maskLength = rows * seenRows;
    if (this.#maskValues.length < maskLength) this.#maskValues = new Uint16Array(maskLength);
    for (let row = 0; row < rows; row += 1) {
      this.#positionValues[row] = position + row;
      this.#indexValues[row] = BigInt(position + row);
      const start = row * seenRows;
      const seen = start + position + row + 1;
      this.#maskValues.fill(0, start, seen).fill(HIDDEN, seen, start + seenRows);
    }
    base.ggml_backend_tensor_set(this.#positions, this.#positionValues, 0, rows * 4);
    base.ggml_backend_tensor_set(this.#indexes, this.#indexValues, 0, rows * 8);
    base.ggml_backend_tensor_set(this.#mask, this.#maskValues, 0, maskLength * F16_BYTES);
    this.#written = key;
  }

  free(): void {
    this.#group.free();
  }
}
