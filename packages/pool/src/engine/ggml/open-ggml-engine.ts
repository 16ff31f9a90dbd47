/** From a model's file to an engine on ggml. */
import { errorFields, isMeshError, type Logger } from "@hearthmesh/core";
import { checkMemory, memoryOf } from "../engine-memory.js";
import { checkEngineOptions } from "../engine-options.js";
import { readModel } from "../read-model.js";
import type { EngineOptions, ShardEngine } from "../shard-engine.js";
import { shardTensorsOf, weightBytesOf } from "../shard-tensors.js";
import { SliceReader } from "../slice-reader.js";
import { listDevices, type OpenDevice, openDevice } from "./devices.js";
import { GgmlEngine } from "./ggml-engine.js";
import { type GgmlLibrary, loadLibrary } from "./library.js";
import { selfTest } from "./self-test.js";
import { loadWeights } from "./weights.js";

export interface GgmlSurroundings {
  /** Gets what ggml says while it loads; standard output gets nothing. */
  readonly logger: Logger;
  /** Folder of ggml's libraries (`MESH_GGML_DIR`); undefined: the installed package. */
  readonly libraryFolder?: string | undefined;
  /** `auto` (a GPU that works and has the room, else the CPU), or a device's name. */
  readonly device?: string;
}

/**
 * Loads a shard. Computes whether it fits before it allocates anything, and tests the device with
 * sums whose results are known. Errors: `MESH_ENGINE_MISSING`, `MESH_ENGINE_FAILED`,
 * `MESH_MODEL_MEMORY`, `MESH_MODEL_DAMAGED`, `MESH_MODEL_UNSUPPORTED`, `MESH_BAD_REQUEST`.
 */
export async function openGgmlEngine(
  options: EngineOptions,
  surroundings: GgmlSurroundings,
): Promise<ShardEngine> {
  checkEngineOptions(options);
  const { gguf, shape } = await readModel(options.modelPath);
  const tensors = shardTensorsOf(gguf, shape, options.shard);
  const admit = (weightBytes: number) =>
    checkMemory(memoryOf(shape, options.shard, weightBytes, options), options.memoryBytesMax);
  const weightBytes = weightBytesOf(tensors);
  admit(weightBytes);
  const library = await loadLibrary(surroundings.libraryFolder, surroundings.logger);
  const { totalBytes } = memoryOf(shape, options.shard, weightBytes, options);
  return onDevice(library, surroundings, totalBytes, (name) => {
    const closers: (() => void)[] = [];
    try {
      const device = openTested(library, name, options.threads);
      closers.push(() => device.close());
      const reader = new SliceReader(options.modelPath);
      closers.push(() => reader.close());
      const weights = loadWeights(library, device, tensors, reader, admit);
      closers.push(() => weights.free());
      const engine = new GgmlEngine({ library, device, shape, tensors, reader, weights, options });
      closers.splice(0, closers.length, () => engine.close());
      engine.reserve();
      return engine;
    } catch (error) {
      for (const close of closers.reverse()) close();
      throw error;
    }
  });
}

/**
 * Runs `work` with the name of a device. With `auto`, every GPU that has the room is tried; one
 * that cannot do it is left alone for the next one, and the CPU comes last.
 */
export function onDevice<T>(
  library: GgmlLibrary,
  { logger, device = "auto" }: GgmlSurroundings,
  neededBytes: number,
  work: (name: string) => T,
): T {
  if (device !== "auto") return work(device);
  for (const { kind, name, freeBytes } of listDevices(library)) {
    if (kind !== "gpu" || freeBytes < neededBytes) continue;
    try {
      return work(name);
    } catch (error) {
      if (!isMeshError(error, "MESH_ENGINE_FAILED")) throw error;
      logger.warn(`the device ${name} is not used`, errorFields(error));
    }
  }
  return work("cpu");
}

/** Opens a device that computes right; `MESH_ENGINE_FAILED` otherwise. */
export function openTested(library: GgmlLibrary, name: string, threads: number): OpenDevice {
  const device = openDevice(library, name, threads);
  try {
    selfTest(library, device);
    return device;
  } catch (error) {
    device.close();
    throw error;
  }
}
