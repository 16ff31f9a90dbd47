/**
 * The sums of a transformer, written plainly. Numbers are 32-bit floats between steps, and 64-bit
 * within one. Source: the llama, qwen2 and qwen3 models as llama.cpp computes them.
 */
import type { RopeShape } from "../../model/model-shape.js";

/** `rows` rows of `columns` numbers, one row after the other. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** `out[r] = sum over c of matrix[r][c] * x[c]`, with a bias where there is one. */
export function multiply(
  { rows, columns, values }: Matrix,
  x: Float32Array,
  bias?: Float32Array,
): Float32Array {
  const out = new Float32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    let sum = bias?.[row] ?? 0;
    const from = row * columns;
    for (let column = 0; column < columns; column += 1) {
      sum += (values[from + column] ?? 0) * (x[column] ?? 0);
    }
    out[row] = sum;
  }
  return out;
}

/** Divided by the root of the mean square, times the weights. */
export function rmsNorm(x: Float32Array, weights: Float32Array, epsilon: number): Float32Array {
  let squares = 0;
  for (const value of x) squares += value * value;
  const scale = 1 / Math.sqrt(squares / x.length + epsilon);
  return x.map((value, index) => value * scale * (weights[index] ?? 0));
}

/** Turns the first `dimensions` numbers of a head, in pairs, by angles that grow by position. */
export function rotate(
  head: Float32Array,
  position: number,
  rope: RopeShape,
  factors: Float32Array | undefined,
): void {
  const pairs = rope.dimensions / 2;
  for (let pair = 0; pair < pairs; pair += 1) {
    const frequency = rope.base ** (-pair / pairs) / (factors?.[pair] ?? 1);
    const angle = (position / rope.scale) * frequency;
    const first = rope.style === "interleaved" ? 2 * pair : pair;
    const second = rope.style === "interleaved" ? 2 * pair + 1 : pair + pairs;
    const a = head[first] ?? 0;
    const b = head[second] ?? 0;
    head[first] = a * Math.cos(angle) - b * Math.sin(angle);
    head[second] = a * Math.sin(angle) + b * Math.cos(angle);
  }
}

/**
 * What one query sees: the values of `tokens` tokens, weighted by how well their keys fit. Keys and
 * values of a token begin at `token * stride + offset`.
 */
export function attend(
  query: Float32Array,
  cache: { readonly keys: Float32Array; readonly values: Float32Array },
  place: { readonly tokens: number; readonly stride: number; readonly offset: number },
): Float32Array {
  const { tokens, stride, offset } = place;
  const width = query.length;
  const fits = new Float64Array(tokens);
  let best = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < tokens; token += 1) {
    const at = token * stride + offset;
    let fit = 0;
    for (let i = 0; i < width; i += 1) fit += (query[i] ?? 0) * (cache.keys[at + i] ?? 0);
    fits[token] = fit / Math.sqrt(width);
    best = Math.max(best, fits[token] ?? 0);
  }
  let total = 0;
  const out = new Float64Array(width);
  for (let token = 0; token < tokens; token += 1) {
    const at = token * stride + offset;
    const weight = Math.exp((fits[token] ?? 0) - best);
    total += weight;
    for (let i = 0; i < width; i += 1) {
      out[i] = (out[i] ?? 0) + weight * (cache.values[at + i] ?? 0);
    }
  }
  return Float32Array.from(out, (value) => value / total);
}

/** `silu(gate) * up`, number by number. */
export function swiglu(gate: Float32Array, up: Float32Array): Float32Array {
  return gate.map((value, index) => (value / (1 + Math.exp(-value))) * (up[index] ?? 0));
}

/** Sum of the squared differences over the sum of the squares of what is expected. */
export function normalisedError(found: Float32Array, expected: Float32Array): number {
  let difference = 0;
  let size = 0;
  for (const [index, value] of expected.entries()) {
    difference += ((found[index] ?? Number.NaN) - value) ** 2;
    size += value * value;
  }
  return difference / size;
}
