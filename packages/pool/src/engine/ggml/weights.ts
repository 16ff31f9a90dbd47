/** The weights of a shard in native memory: planned, counted, allocated, read from the file. */

import type { ShardTensors, TensorSlice } from "../shard-tensors.js";
import type { SliceReader } from "../slice-reader.js";
import type { Pointer } from "./binding-table.js";
import { BufferChoice, PACKED_ROWS_UNIT } from "./buffer-choice.js";
import type { OpenDevice } from "./devices.js";
import type { GgmlLibrary } from "./library.js";
import { packedWriter, TensorGroup } from "./native.js";

export interface NativeAttention {
  readonly query: Pointer;
  readonly key: Pointer;
  readonly value: Pointer;
  readonly output: Pointer;
  readonly biases: Readonly<Record<"query" | "key" | "value", Pointer>> | undefined;
  readonly norms: Readonly<Record<"query" | "key", Pointer>> | undefined;
}

export interface NativeLayer {
  readonly attentionNorm: Pointer;
  readonly attention: NativeAttention | undefined;
  readonly feedForwardNorm: Pointer;
  readonly feedForward: Readonly<Record<"gate" | "up" | "down", Pointer>> | undefined;
}

export interface NativeOutput {
  readonly weights: Pointer;
  readonly rows: number;
}

export interface NativeWeights {
  readonly layers: readonly NativeLayer[];
  readonly outputNorm: Pointer;
  /** Rows of the vocabulary, in order; in two pieces when packed memory takes only most of them. */
  readonly output: readonly NativeOutput[];
  readonly ropeFactors: Pointer | null;
  readonly bytes: number;
  /** Names of the kinds of memory in use, such as `CPU_REPACK`. */
  readonly bufferTypes: readonly string[];
  free(): void;
}

interface Placed {
  readonly slice: TensorSlice;
  readonly tensor: Pointer;
  readonly group: TensorGroup;
}

/**
 * `admit` is asked with the exact number of bytes before they are allocated, and throws when they
 * are too many. Frees everything again when something fails.
 */
export function loadWeights(
  library: GgmlLibrary,
  device: OpenDevice,
  tensors: ShardTensors,
  reader: SliceReader,
  admit: (weightBytes: number) => void,
): NativeWeights {
  const store = new WeightStore(library, device, tensors);
  try {
    const described = store.describe(tensors);
    admit(store.bytesNeeded());
    return { ...described, ...store.load(reader), free: () => store.free() };
  } catch (error) {
    store.free();
    throw error;
  }
}

class WeightStore {
  readonly #library: GgmlLibrary;
  readonly #choice: BufferChoice;
  readonly #tensorsMax: number;
  readonly #groups = new Map<Pointer, TensorGroup>();
  readonly #placed: Placed[] = [];

  constructor(library: GgmlLibrary, device: OpenDevice, { layers }: ShardTensors) {
    this.#library = library;
    this.#choice = new BufferChoice(library, device);
    this.#tensorsMax = layers.length * TENSORS_PER_LAYER + TENSORS_BESIDE_LAYERS;
  }

  describe(tensors: ShardTensors): Omit<NativeWeights, "bytes" | "bufferTypes" | "free"> {
    const { outputNorm, output, ropeFactors } = tensors;
    return {
      layers: tensors.layers.map((layer) => ({
        attentionNorm: this.#vector(layer.attentionNorm),
        attention: layer.attention && {
          query: this.#product(layer.attention.query),
          key: this.#product(layer.attention.key),
          value: this.#product(layer.attention.value),
          output: this.#product(layer.attention.output),
          biases: layer.attention.biases && {
            query: this.#vector(layer.attention.biases.query),
            key: this.#vector(layer.attention.biases.key),
            value: this.#vector(layer.attention.biases.value),
          },
          norms: layer.attention.norms && {
            query: this.#vector(layer.attention.norms.query),
            key: this.#vector(layer.attention.norms.key),
          },
        },
        feedForwardNorm: this.#vector(layer.feedForwardNorm),
        feedForward: layer.feedForward && {
          gate: this.#product(layer.feedForward.gate),
          up: this.#product(layer.feedForward.up),
          down: this.#product(layer.feedForward.down),
        },
      })),
      outputNorm: this.#vector(outputNorm),
      output: output === undefined ? [] : this.#pieces(output),
      ropeFactors: ropeFactors === undefined ? null : this.#vector(ropeFactors),
    };
  }

  bytesNeeded(): number {
    return [...this.#groups.values()].reduce((sum, group) => sum + group.bytesNeeded(), 0);
  }

  load(reader: SliceReader): Pick<NativeWeights, "bytes" | "bufferTypes"> {
    const { base } = this.#library;
    const groups = [...this.#groups.values()];
    for (const group of groups) group.allocate("weights");
    for (const placed of this.#placed) {
      if (placed.group.bufferType === this.#choice.plain) this.#fillPlain(reader, placed);
      else this.#fillPacked(reader, placed);
    }
    return {
      bytes: groups.reduce((sum, { buffer }) => sum + base.ggml_backend_buffer_get_size(buffer), 0),
      bufferTypes: groups.map(({ bufferType }) => base.ggml_backend_buft_name(bufferType)),
    };
  }

  free(): void {
    for (const group of this.#groups.values()) group.free();
    this.#groups.clear();
  }

  #vector(slice: TensorSlice): Pointer {
    const group = this.#groupOf(this.#choice.plain);
    const tensor = group.vector(slice.type, slice.columns);
    this.#placed.push({ slice, tensor, group });
    return tensor;
  }

  #product(slice: TensorSlice): Pointer {
    const { type, columns, rows } = slice;
    const group = this.#groupOf(this.#choice.forProduct(type, columns, rows));
    const tensor = group.matrix(type, columns, rows);
    this.#placed.push({ slice, tensor, group });
    return tensor;
  }

  /** Most rows in packed memory and the rest in plain memory, when it does not take all. */
  #pieces(slice: TensorSlice): NativeOutput[] {
    const rest = slice.rows % PACKED_ROWS_UNIT;
    const most = slice.rows - rest;
    const isSplit =
      rest > 0 &&
      most > 0 &&
      this.#choice.forProduct(slice.type, slice.columns, slice.rows) === this.#choice.plain &&
      this.#choice.forProduct(slice.type, slice.columns, most) !== this.#choice.plain;
    if (!isSplit) return [{ weights: this.#product(slice), rows: slice.rows }];
    const fileOffset = slice.fileOffset + most * slice.fileRowBytes;
    return [
      { weights: this.#product({ ...slice, rows: most }), rows: most },
      { weights: this.#product({ ...slice, rows: rest, fileOffset }), rows: rest },
    ];
  }

  #groupOf(bufferType: Pointer): TensorGroup {
    let group = this.#groups.get(bufferType);
    if (group === undefined) {
      group = new TensorGroup(this.#library, bufferType, this.#tensorsMax);
      this.#groups.set(bufferType, group);
    }
    return group;
  }

  #fillPlain(reader: SliceReader, { slice, tensor }: Placed): void {
    const { base } = this.#library;
    reader.readRows(slice, 1, (bytes, from) => {
      base.ggml_backend_tensor_set(tensor, bytes, from * slice.rowBytes, bytes.length);
    });
  }

  #fillPacked(reader: SliceReader, { slice, tensor, group }: Placed): void {
    const { type, columns } = slice;
    const write = packedWriter(this.#library, { group, tensor, type, columns });
    reader.readRows(slice, PACKED_ROWS_UNIT, (bytes, _from, rows) => write(bytes, rows));
  }
}

/** Norms, four products with biases and norms, three products. */
const TENSORS_PER_LAYER = 16;
const TENSORS_BESIDE_LAYERS = 8;
