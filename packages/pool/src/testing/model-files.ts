/** For tests of engines: models with random weights in files, and logits out of engines. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readModel } from "../engine/read-model.js";
import type { EngineOptions, ShardEngine } from "../engine/shard-engine.js";
import type { ShapeNumbers } from "../gguf/check-model-tensors.js";
import type { ModelShape, TensorType } from "../model/model-shape.js";
import { wholeShard } from "../shards/shards-of.js";
import { randomModelBytes, TINY_SHAPE } from "./random-model.js";

export interface ModelFile {
  readonly path: string;
  readonly shape: ModelShape;
}

export class ModelFiles {
  readonly #root = mkdtempSync(join(tmpdir(), "hearthmesh-engine-"));
  #count = 0;

  /** The tiny shape but for what is named; every model has other weights. */
  async write(
    shape: Partial<ShapeNumbers> = {},
    type: TensorType = "F32",
    vocabularyType: TensorType = type,
  ): Promise<ModelFile> {
    this.#count += 1;
    const path = join(this.#root, `${this.#count}.gguf`);
    const numbers = { ...TINY_SHAPE, ...shape };
    writeFileSync(
      path,
      randomModelBytes({ shape: numbers, type, vocabularyType, seed: this.#count }),
    );
    return { path, shape: (await readModel(path)).shape };
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Of an engine for the whole model, unless something else is said. */
export function engineOptions(file: ModelFile, more: Partial<EngineOptions> = {}): EngineOptions {
  return {
    modelPath: file.path,
    shard: wholeShard(file.shape),
    contextTokens: 64,
    sequencesMax: 2,
    batchRowsMax: 16,
    threads: 1,
    memoryBytesMax: 2 ** 30,
    ...more,
  };
}

/** Logits after the first `promptRows` tokens in one batch, and after each of the others. */
export function logitsOf(
  engine: ShardEngine,
  tokens: Int32Array,
  promptRows: number,
): Float32Array {
  const sequence = engine.openSequence();
  const { vocabularySize } = engine.shape;
  const all = new Float32Array(vocabularySize * (tokens.length - promptRows + 1));
  engine.forward(tokens.subarray(0, promptRows), { sequence, position: 0, rows: promptRows }, all);
  for (let position = promptRows; position < tokens.length; position += 1) {
    const at = (position - promptRows + 1) * vocabularySize;
    const token = tokens.subarray(position, position + 1);
    engine.forward(token, { sequence, position, rows: 1 }, all.subarray(at));
  }
  engine.closeSequence(sequence);
  return all;
}

/** What the shards of a ring give together: every partial sum is added up over all of them. */
export class RingOfEngines {
  readonly #engines: readonly ShardEngine[];
  readonly #sequences: readonly number[];

  constructor(engines: readonly ShardEngine[]) {
    this.#engines = engines;
    this.#sequences = engines.map((engine) => engine.openSequence());
  }

  /** Logits of the last row. */
  forward(tokens: Int32Array, position: number): Float32Array {
    const first = this.#first;
    const { embeddingWidth: width, layers } = first.shape;
    const rows = tokens.length;
    const x = new Float32Array(rows * width);
    const partial = new Float32Array(x.length);
    first.embed(tokens, x);
    const addUp = (compute: (engine: ShardEngine, sequence: number) => void) => {
      const sum = new Float32Array(x.length);
      for (const [index, engine] of this.#engines.entries()) {
        compute(engine, this.#sequences[index] ?? -1);
        addTo(sum, partial);
      }
      addTo(x, sum);
    };
    for (let layer = 0; layer < layers; layer += 1) {
      addUp((engine, sequence) =>
        engine.attention(layer, x, { sequence, position, rows }, partial),
      );
      addUp((engine) => engine.feedForward(layer, x, rows, partial));
    }
    const last = x.subarray((rows - 1) * width);
    return Float32Array.from(
      this.#engines.flatMap((engine) => {
        const logits = new Float32Array(engine.shard.vocabulary.to - engine.shard.vocabulary.from);
        engine.head(last, logits);
        return [...logits];
      }),
    );
  }

  get #first(): ShardEngine {
    const [first] = this.#engines;
    if (first === undefined) throw new RangeError("a ring has at least one engine");
    return first;
  }
}

export function likeliest(logits: Float32Array): number {
  let best = 0;
  for (const [index, value] of logits.entries()) if (value > (logits[best] ?? 0)) best = index;
  return best;
}

function addTo(sum: Float32Array, partial: Float32Array): void {
  for (const [index, value] of partial.entries()) sum[index] = (sum[index] ?? 0) + value;
}
