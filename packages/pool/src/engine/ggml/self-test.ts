/**
 * Whether a device computes right: one small attention and one small feed-forward part, with every
 * operation that the engine uses, against the same sums in plain TypeScript. Libraries of another
 * version, or a driver that computes nonsense, are found out before they answer anybody.
 */
import type { ModelShape } from "../../model/model-shape.js";
import {
  attend,
  type Matrix,
  multiply,
  normalisedError,
  rmsNorm,
  rotate,
  swiglu,
} from "../reference/arithmetic.js";
import type { Pointer } from "./binding-table.js";
import type { OpenDevice } from "./devices.js";
import { GraphCache } from "./graph-cache.js";
import { KeyValueCache } from "./key-value-cache.js";
import { LayerGraphs } from "./layer-graphs.js";
import type { GgmlLibrary } from "./library.js";
import { engineFailed, TensorGroup } from "./native.js";
import { RowInputs } from "./row-inputs.js";

/** What the cache's 16-bit floats cost; nonsense is larger by far. */
const NORMALISED_ERROR_MAX = 1e-4;
const ROWS = 3;
const POSITION = 2;
const CACHE_ROWS = 256;
const NODES_MAX = 64;

/** Two query heads share one KV head. */
const SHAPE: ModelShape = {
  architecture: "llama",
  name: "self-test",
  layers: 1,
  embeddingWidth: 64,
  heads: 4,
  kvHeads: 2,
  headWidth: 64,
  feedForwardWidth: 96,
  vocabularySize: 1,
  contextTokensMax: CACHE_ROWS,
  normEpsilon: 1e-5,
  rope: { style: "halves", dimensions: 64, base: 10_000, scale: 1, hasFactors: false },
  hasAttentionBias: false,
  hasQueryKeyNorm: false,
  hasTiedOutput: true,
  feedForwardUnit: 1,
  kvHeadUnit: 1,
  weightBytes: 0,
};
const { embeddingWidth: WIDTH, heads: HEADS, kvHeads: KV_HEADS, headWidth: HEAD } = SHAPE;

const MATRICES = {
  query: [HEADS * HEAD, WIDTH],
  key: [KV_HEADS * HEAD, WIDTH],
  value: [KV_HEADS * HEAD, WIDTH],
  output: [WIDTH, HEADS * HEAD],
  gate: [SHAPE.feedForwardWidth, WIDTH],
  up: [SHAPE.feedForwardWidth, WIDTH],
  down: [WIDTH, SHAPE.feedForwardWidth],
  norm: [1, WIDTH],
} as const satisfies Record<string, readonly [rows: number, columns: number]>;
type Name = keyof typeof MATRICES;
type Matrices = Readonly<Record<Name, Matrix>>;

/** `MESH_ENGINE_FAILED` says what differed and by how much. */
export function selfTest(library: GgmlLibrary, device: OpenDevice): void {
  const matrices = Object.fromEntries(
    Object.entries(MATRICES).map(([name, [rows, columns]], index) => [
      name,
      { rows, columns, values: numbers(rows * columns, index + 1, 2 / Math.sqrt(columns)) },
    ]),
  ) as unknown as Matrices;
  const batches = [numbers(POSITION * WIDTH, 90, 2), numbers(ROWS * WIDTH, 91, 2)] as const;
  const found = computeNative(library, device, matrices, batches);
  const expected = computePlain(matrices, batches);
  for (const part of ["attention", "feedForward"] as const) {
    const error = normalisedError(found[part], expected[part]);
    if (error <= NORMALISED_ERROR_MAX) continue;
    const what = part === "attention" ? "the attention" : "the feed-forward part";
    const message = `the device ${device.name} computes ${what} wrongly: normalised error ${error}`;
    throw engineFailed(message);
  }
}

interface Parts {
  readonly attention: Float32Array;
  readonly feedForward: Float32Array;
}
type Batches = readonly [first: Float32Array, second: Float32Array];

function computePlain(matrices: Matrices, batches: Batches): Parts {
  const { query, key, value, output, gate, up, down, norm } = matrices;
  const stride = KV_HEADS * HEAD;
  const cache = {
    keys: new Float32Array(stride * (POSITION + ROWS)),
    values: new Float32Array(stride * (POSITION + ROWS)),
  };
  const attention: number[] = [];
  const feedForward: number[] = [];
  const turned = (heads: Float32Array, position: number) => {
    for (let at = 0; at < heads.length; at += HEAD) {
      rotate(heads.subarray(at, at + HEAD), position, SHAPE.rope, undefined);
    }
    return heads;
  };
  for (let position = 0; position < POSITION + ROWS; position += 1) {
    const isSecond = position >= POSITION;
    const row = isSecond ? position - POSITION : position;
    const x = batches[isSecond ? 1 : 0].subarray(row * WIDTH, (row + 1) * WIDTH);
    const normed = rmsNorm(x, norm.values, SHAPE.normEpsilon);
    cache.keys.set(turned(multiply(key, normed), position), position * stride);
    cache.values.set(multiply(value, normed), position * stride);
    if (!isSecond) continue;
    const queries = turned(multiply(query, normed), position);
    const seen: number[] = [];
    for (let head = 0; head < HEADS; head += 1) {
      const offset = Math.floor((head * KV_HEADS) / HEADS) * HEAD;
      const place = { tokens: position + 1, stride, offset };
      seen.push(...attend(queries.subarray(head * HEAD, (head + 1) * HEAD), cache, place));
    }
    attention.push(...multiply(output, Float32Array.from(seen)));
    const gated = swiglu(multiply(gate, normed), multiply(up, normed));
    feedForward.push(...multiply(down, gated));
  }
  return {
    attention: Float32Array.from(attention),
    feedForward: Float32Array.from(feedForward),
  };
}

function computeNative(
  library: GgmlLibrary,
  device: OpenDevice,
  matrices: Matrices,
  batches: Batches,
): Parts {
  const group = new TensorGroup(library, device.bufferType, Object.keys(MATRICES).length);
  const sizes = { embeddingWidth: WIDTH, batchRowsMax: ROWS, cacheRows: CACHE_ROWS };
  const inputs = new RowInputs(library, device, sizes);
  const graphs = new GraphCache(library, device);
  const cacheSizes = { layers: 1, kvWidth: KV_HEADS * HEAD, cacheRows: CACHE_ROWS };
  const cache = new KeyValueCache(library, device, cacheSizes);
  try {
    const native = describe(library, group, matrices);
    inputs.allocate();
    const layers = new LayerGraphs(library, SHAPE, { heads: HEADS, kvHeads: KV_HEADS }, null);
    const [layerCache] = cache.layers;
    if (layerCache === undefined) throw engineFailed("there is no cache");
    const run = (position: number, x: Float32Array, part: "attention" | "feedForward") => {
      const rows = x.length / WIDTH;
      const built = graphs.get(`${part} ${rows}`, NODES_MAX, (context, graph) => {
        const activations = inputs.activationsIn(context, rows);
        if (part === "feedForward") {
          return [layers.feedForward(context, activations, native.norm, native)];
        }
        const views = inputs.viewsIn(context, rows, CACHE_ROWS);
        const place = { ...views, rows, seenRows: CACHE_ROWS };
        const weights = { ...native, biases: undefined, norms: undefined };
        const { norm } = native;
        return [layers.attention(context, graph, activations, norm, weights, layerCache, place)];
      });
      inputs.writeRows(position, rows, CACHE_ROWS);
      inputs.writeActivations(x, rows);
      graphs.compute(built);
      const [output] = built.outputs;
      if (output === undefined) throw engineFailed("a graph has no output");
      const result = new Float32Array(x.length);
      library.base.ggml_backend_tensor_get(output, result, 0, result.byteLength);
      return result;
    };
    const [first, second] = batches;
    run(0, first, "attention");
    return {
      attention: run(POSITION, second, "attention"),
      feedForward: run(POSITION, second, "feedForward"),
    };
  } finally {
    graphs.free();
    cache.free();
    inputs.free();
    group.free();
  }
}

function describe(
  { base }: GgmlLibrary,
  group: TensorGroup,
  matrices: Matrices,
): Readonly<Record<Name, Pointer>> {
  const tensors = Object.fromEntries(
    Object.entries(matrices).map(([name, { rows, columns }]) => [
      name,
      rows === 1 ? group.vector("F32", columns) : group.matrix("F32", columns, rows),
    ]),
  ) as Record<Name, Pointer>;
  group.allocate("weights");
  for (const [name, tensor] of Object.entries(tensors)) {
    const { values } = matrices[name as Name];
    base.ggml_backend_tensor_set(tensor, values, 0, values.byteLength);
  }
  return tensors;
}

/** The same numbers every time, between plus and minus half of `size`. */
function numbers(length: number, seed: number, size: number): Float32Array {
  let state = seed * 0x9e3779b1;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return ((state >>> 8) / 2 ** 24 - 0.5) * size;
  });
}
