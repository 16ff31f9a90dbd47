/**
 * Keys and values of every layer of one sequence, in 16-bit floats: for each layer a matrix of
 * `kvHeads x headWidth` numbers per token. Rows that no token has are zero, never what was there
 * before: a mask hides them, and zeros are what hiding them can never turn into a NaN.
 */
import type { Pointer } from "./binding-table.js";
import type { OpenDevice } from "./devices.js";
import type { GgmlLibrary } from "./library.js";
import { TensorGroup } from "./native.js";

const F16_BYTES = 2;

export interface CacheSizes {
  readonly layers: number;
  /** Numbers of the keys of one token in one layer, of this shard. */
  readonly kvWidth: number;
  readonly cacheRows: number;
}

export interface LayerCache {
  readonly keys: Pointer;
  readonly values: Pointer;
}

export class KeyValueCache {
  readonly #library: GgmlLibrary;
  readonly #sizes: CacheSizes;
  readonly #group: TensorGroup;
  readonly layers: readonly LayerCache[];

  /** All zeros. */
  constructor(library: GgmlLibrary, device: OpenDevice, sizes: CacheSizes) {
    const { layers, kvWidth, cacheRows } = sizes;
    this.#library = library;
    this.#sizes = sizes;
    this.#group = new TensorGroup(library, device.bufferType, layers * 2);
    this.layers = Array.from({ length: kvWidth === 0 ? 0 : layers }, () => ({
      keys: this.#group.matrix("F16", kvWidth, cacheRows),
      values: this.#group.matrix("F16", kvWidth, cacheRows),
    }));
    try {
      this.#group.allocate("zeros");
    } catch (error) {
      this.#group.free();
      throw error;
    }
  }

  get bytes(): number {
    if (this.layers.length === 0) return 0;
    return this.#library.base.ggml_backend_buffer_get_size(this.#group.buffer);
  }

  /** Forgets the tokens `from` to `to`. */
  clear(from: number, to: number): void {
    if (from >= to) return;
    const { base } = this.#library;
    const rowBytes = this.#sizes.kvWidth * F16_BYTES;
    for (const { keys, values } of this.layers) {
      for (const tensor of [keys, values]) {
        base.ggml_backend_tensor_memset(tensor, 0, from * rowBytes, (to - from) * rowBytes);
      }
    }
  }

  free(): void {
    this.#group.free();
  }
}
