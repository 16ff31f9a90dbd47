/** The devices that ggml found, and opening one of them. */
import { MeshError } from "@hearthmesh/core";
import { BUFFER_TYPES_MAX, DEVICES_MAX, FEATURES_MAX } from "../limits.js";
import { DEVICE_TYPES, type Pointer, THREADPOOL_PARAMS } from "./binding-table.js";
import type { DeviceCalls, GgmlLibrary } from "./library.js";

export interface EngineDevice {
  /** Such as `CPU` or `Vulkan0`. */
  readonly name: string;
  readonly description: string;
  readonly kind: (typeof DEVICE_TYPES)[number];
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Where weights may lie, best first. */
  readonly bufferTypes: readonly string[];
  /** Such as `AVX512_VNNI`; a GPU says none. */
  readonly features: readonly string[];
}

/** Of 0 (sleep at once) to 100: each level is 131,072 looks at whether there is work. */
const POLL_LEVEL = 1;

/** A device that computes: one backend, its threads, and where its memory comes from. */
export interface OpenDevice {
  readonly name: string;
  readonly kind: EngineDevice["kind"];
  readonly device: Pointer;
  readonly backend: Pointer;
  /** Memory for everything. */
  readonly bufferType: Pointer;
  /** Memory in which only weights of products may lie, best first. */
  readonly weightBufferTypes: readonly Pointer[];
  close(): void;
}

export function listDevices(library: GgmlLibrary): EngineDevice[] {
  return devicePointers(library).map((device) => describe(library, device));
}

/** By its name, in any case. `MESH_ENGINE_FAILED` when it is not there or cannot be opened. */
export function openDevice(library: GgmlLibrary, wanted: string, threads: number): OpenDevice {
  const { base } = library;
  const found = devicePointers(library).map((device) => ({
    device,
    name: base.ggml_backend_dev_name(device),
    kind: kindOf(library, device),
  }));
  const chosen = found.find(({ name }) => name.toLowerCase() === wanted.toLowerCase());
  if (chosen === undefined) {
    const names = found.map(({ name }) => name).join(", ");
    const message = `there is no device ${wanted} for models; there are: ${names || "none"}`;
    throw new MeshError("MESH_ENGINE_FAILED", { message });
  }
  const { device, name } = chosen;
  const backend = library.logging(() => base.ggml_backend_dev_init(device, null));
  const bufferType = base.ggml_backend_dev_buffer_type(device);
  if (backend === null || bufferType === null) {
    throw new MeshError("MESH_ENGINE_FAILED", { message: `the device ${name} cannot be opened` });
  }
  const calls = callsOf(library, device);
  const freeThreads = startThreads(library, calls, backend, threads);
  return {
    ...chosen,
    backend,
    bufferType,
    weightBufferTypes: extraBufferTypes(library, calls, device),
    close() {
      base.ggml_backend_free(backend);
      freeThreads();
    },
  };
}

/**
 * The CPU's threads live as long as the engine. Between two graphs they turn in a loop for about
 * two milliseconds, which is longer than an exchange with the other members takes, and then sleep:
 * the processors belong to other programs too.
 */
function startThreads(
  { base }: GgmlLibrary,
  calls: DeviceCalls,
  backend: Pointer,
  threads: number,
): () => void {
  calls.ggml_backend_set_n_threads?.(backend, threads);
  if (threads < 2 || calls.ggml_threadpool_new === undefined) return () => {};
  const params = new Uint8Array(THREADPOOL_PARAMS.bytes);
  base.ggml_threadpool_params_init(params, threads);
  new DataView(params.buffer).setUint32(THREADPOOL_PARAMS.pollOffset, POLL_LEVEL, true);
  const pool = calls.ggml_threadpool_new(params);
  if (pool === null) return () => {};
  calls.ggml_backend_cpu_set_threadpool?.(backend, pool);
  return () => calls.ggml_threadpool_free?.(pool);
}

function describe(library: GgmlLibrary, device: Pointer): EngineDevice {
  const { base } = library;
  const free = new BigInt64Array(1);
  const total = new BigInt64Array(1);
  base.ggml_backend_dev_memory(device, free, total);
  const calls = callsOf(library, device);
  const own = base.ggml_backend_dev_buffer_type(device);
  const bufferTypes = [...extraBufferTypes(library, calls, device), ...(own === null ? [] : [own])];
  const registration = base.ggml_backend_dev_backend_reg(device);
  return {
    name: base.ggml_backend_dev_name(device),
    description: base.ggml_backend_dev_description(device),
    kind: kindOf(library, device),
    freeBytes: Number(free[0]),
    totalBytes: Number(total[0]),
    bufferTypes: bufferTypes.map((type) => base.ggml_backend_buft_name(type)),
    features: library.featuresAt(
      calls.ggml_backend_get_features?.(registration) ?? null,
      FEATURES_MAX,
    ),
  };
}

function devicePointers({ registry }: GgmlLibrary): Pointer[] {
  const count = Math.min(registry.ggml_backend_dev_count(), DEVICES_MAX);
  const devices: Pointer[] = [];
  for (let index = 0; index < count; index += 1) {
    const device = registry.ggml_backend_dev_get(index);
    if (device !== null) devices.push(device);
  }
  return devices;
}

function kindOf({ base }: GgmlLibrary, device: Pointer): EngineDevice["kind"] {
  return DEVICE_TYPES[base.ggml_backend_dev_type(device)] ?? "accelerator";
}

function callsOf(library: GgmlLibrary, device: Pointer): DeviceCalls {
  const registration = library.base.ggml_backend_dev_backend_reg(device);
  return registration === null ? {} : library.deviceCalls(registration);
}

function extraBufferTypes(library: GgmlLibrary, calls: DeviceCalls, device: Pointer): Pointer[] {
  const list = calls.ggml_backend_dev_get_extra_bufts?.(device) ?? null;
  return library.pointersAt(list, BUFFER_TYPES_MAX);
}
