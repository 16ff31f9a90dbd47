/** From a model's file to the reference engine. */
import { checkMemory, memoryOf } from "../engine-memory.js";
import { checkEngineOptions } from "../engine-options.js";
import { readModel } from "../read-model.js";
import type { EngineOptions, ShardEngine } from "../shard-engine.js";
import { shardTensorsOf } from "../shard-tensors.js";
import { SliceReader } from "../slice-reader.js";
import { ReferenceEngine } from "./reference-engine.js";
import { countWeights, ReferenceWeights } from "./reference-weights.js";

const F32_BYTES = 4;

/**
 * Errors: `MESH_MODEL_UNSUPPORTED` (also for a model that is not tiny), `MESH_MODEL_DAMAGED`,
 * `MESH_MODEL_MEMORY`, `MESH_BAD_REQUEST`.
 */
export async function openReferenceEngine(options: EngineOptions): Promise<ShardEngine> {
  checkEngineOptions(options);
  const { gguf, shape } = await readModel(options.modelPath);
  const tensors = shardTensorsOf(gguf, shape, options.shard);
  const weightBytes = countWeights(tensors) * F32_BYTES;
  // Its cache holds 32 bits where the other engine's holds 16.
  const { cacheBytes, ...memory } = memoryOf(shape, options.shard, weightBytes, options);
  const needed = { ...memory, cacheBytes: 2 * cacheBytes };
  checkMemory({ ...needed, totalBytes: memory.totalBytes + cacheBytes }, options.memoryBytesMax);
  const reader = new SliceReader(options.modelPath);
  try {
    const weights = new ReferenceWeights(tensors, reader);
    return new ReferenceEngine({ shape, tensors, reader, weights, weightBytes, options });
  } catch (error) {
    reader.close();
    throw error;
  }
}
