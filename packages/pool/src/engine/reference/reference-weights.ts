/** The weights of a shard as plain 32-bit floats. */
import { MeshError } from "@hearthmesh/core";
import { dequantise } from "../../gguf/dequantise.js";
import { REFERENCE_WEIGHTS_MAX } from "../limits.js";
import { heldSlices, type ShardTensors, type TensorSlice } from "../shard-tensors.js";
import type { SliceReader } from "../slice-reader.js";
import type { Matrix } from "./arithmetic.js";

/** Numbers of all held tensors; `MESH_MODEL_UNSUPPORTED` when they are too many for this engine. */
export function countWeights(tensors: ShardTensors): number {
  const count = heldSlices(tensors).reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  if (count <= REFERENCE_WEIGHTS_MAX) return count;
  throw new MeshError("MESH_MODEL_UNSUPPORTED", {
    message: `the reference engine takes ${REFERENCE_WEIGHTS_MAX} weights at most, not ${count}`,
    hint: "It is for tests and tiny models; install the optional packages for the fast engine.",
  });
}

export class ReferenceWeights {
  readonly #matrices = new Map<TensorSlice, Matrix>();

  constructor(tensors: ShardTensors, reader: SliceReader) {
    for (const slice of heldSlices(tensors)) this.#matrices.set(slice, matrixOf(slice, reader));
  }

  matrix(slice: TensorSlice): Matrix {
    const matrix = this.#matrices.get(slice);
    if (matrix !== undefined) return matrix;
    throw new MeshError("MESH_ENGINE_FAILED", { message: `${slice.name} was not loaded` });
  }

  vector(slice: TensorSlice): Float32Array {
    return this.matrix(slice).values;
  }
}

function matrixOf(slice: TensorSlice, reader: SliceReader): Matrix {
  const { rows, columns, type } = slice;
  const values = new Float32Array(rows * columns);
  reader.readRows(slice, 1, (bytes, from, count) => {
    dequantise(type, bytes, values.subarray(from * columns, (from + count) * columns));
  });
  return { rows, columns, values };
}
