/**
 * How fast a device reads weights, which is how fast it decodes: products of matrices that no cache
 * holds with one row, as they occur when one token follows another.
 */
import type { Clock } from "@hearthmesh/core";
import { BANDWIDTH_MEASURE_MS, BANDWIDTH_ROUNDS_MAX, BANDWIDTH_WEIGHT_BYTES } from "../limits.js";
import type { Pointer } from "./binding-table.js";
import { BufferChoice, PACKED_ROWS_UNIT } from "./buffer-choice.js";
import type { OpenDevice } from "./devices.js";
import { GraphCache } from "./graph-cache.js";
import { type GgmlLibrary, loadLibrary } from "./library.js";
import { need, packedWriter, TensorGroup } from "./native.js";
import { type GgmlSurroundings, onDevice, openTested } from "./open-ggml-engine.js";

export interface Bandwidth {
  readonly threads: number;
  readonly bytesPerSecond: number;
}

/** As in most models that people run. */
const TYPE = "Q4_0";
const COLUMNS = 2048;
const ROWS = 8192;
const ROW_BYTES = (COLUMNS / 32) * 18;
const MATRICES = Math.ceil(BANDWIDTH_WEIGHT_BYTES / (ROWS * ROW_BYTES));
/** Any bytes whose scales are ordinary numbers: memory that was never written is not read. */
const FILLER = 0x11;

/**
 * Bytes of weights per second for each number of threads, one after the other. Blocks for
 * `BANDWIDTH_MEASURE_MS` each and takes `BANDWIDTH_WEIGHT_BYTES` of memory for that time.
 */
export async function measureBandwidth(
  threadCounts: readonly number[],
  surroundings: GgmlSurroundings & { readonly clock: Clock },
): Promise<Bandwidth[]> {
  const library = await loadLibrary(surroundings.libraryFolder, surroundings.logger);
  return threadCounts.map((threads) =>
    onDevice(library, surroundings, BANDWIDTH_WEIGHT_BYTES, (name) => {
      const device = openTested(library, name, threads);
      try {
        return { threads, bytesPerSecond: measure(library, device, surroundings.clock) };
      } finally {
        device.close();
      }
    }),
  );
}

function measure(library: GgmlLibrary, device: OpenDevice, clock: Clock): number {
  const { base } = library;
  const bufferType = new BufferChoice(library, device).forProduct(TYPE, COLUMNS, ROWS);
  const weights = new TensorGroup(library, bufferType, MATRICES);
  const inputs = new TensorGroup(library, device.bufferType, 1);
  const graphs = new GraphCache(library, device);
  try {
    const x = inputs.matrix("F32", COLUMNS, 1);
    const matrices = Array.from({ length: MATRICES }, () => weights.matrix(TYPE, COLUMNS, ROWS));
    inputs.allocate("zeros");
    weights.allocate("weights");
    for (const matrix of matrices) fill(library, weights, matrix);
    const productsOf = (some: readonly Pointer[]) =>
      graphs.get(`products ${some.length}`, some.length * 2, (context) =>
        some.map((matrix) => need(base.ggml_mul_mat(context, matrix, x), "a product")),
      );
    const one = productsOf(matrices.slice(0, 1));
    graphs.compute(one);
    // A device that is slow with one of them is not asked for all.
    const first = timed(clock, 1, () => graphs.compute(one));
    if (first.elapsedMs * MATRICES > BANDWIDTH_MEASURE_MS) return rateOf(first, 1);
    const all = productsOf(matrices);
    return rateOf(
      timed(clock, BANDWIDTH_ROUNDS_MAX, () => graphs.compute(all)),
      MATRICES,
    );
  } finally {
    graphs.free();
    weights.free();
    inputs.free();
  }
}

interface Timing {
  readonly rounds: number;
  readonly elapsedMs: number;
}

function timed(clock: Clock, roundsMax: number, compute: () => void): Timing {
  const start = clock.monotonicMs();
  let rounds = 0;
  let elapsedMs = 0;
  while (elapsedMs < BANDWIDTH_MEASURE_MS && rounds < roundsMax) {
    compute();
    rounds += 1;
    elapsedMs = clock.monotonicMs() - start;
  }
  return { rounds, elapsedMs };
}

function rateOf({ rounds, elapsedMs }: Timing, matrices: number): number {
  return (rounds * matrices * ROWS * ROW_BYTES * 1000) / elapsedMs;
}

function fill(library: GgmlLibrary, group: TensorGroup, tensor: Pointer): void {
  const write = packedWriter(library, { group, tensor, type: TYPE, columns: COLUMNS });
  const rows = PACKED_ROWS_UNIT * 32;
  const bytes = new Uint8Array(rows * ROW_BYTES).fill(FILLER);
  for (let from = 0; from < ROWS; from += rows) write(bytes, rows);
}
