/** Loads ggml's libraries through koffi and gives their functions types. */
import { errorFields, type Logger, MeshError } from "@hearthmesh/core";
import {
  BASE_FUNCTIONS,
  type Calls,
  type CType,
  DEVICE_FUNCTIONS,
  HARMLESS_FUNCTION,
  LOG_LEVELS,
  type Pointer,
  REGISTRY_FUNCTIONS,
} from "./binding-table.js";
import { findLibraries } from "./library-folders.js";

type Koffi = typeof import("koffi");
type KoffiLibrary = ReturnType<Koffi["load"]>;
type KoffiType = Parameters<Koffi["sizeof"]>[0];
type Table = Readonly<Record<string, { result: CType; parameters: readonly CType[] }>>;

export type DeviceCalls = Partial<Calls<typeof DEVICE_FUNCTIONS>>;

export interface GgmlLibrary {
  readonly folder: string;
  readonly base: Calls<typeof BASE_FUNCTIONS>;
  readonly registry: Calls<typeof REGISTRY_FUNCTIONS>;
  /** What the library of a device offers beyond the common functions. */
  deviceCalls(registration: Pointer): DeviceCalls;
  /** Pointers one after the other up to a null, `most` of them at most. */
  pointersAt(address: Pointer | null, most: number): Pointer[];
  /** Texts of an array of `{ name, value }` up to a null. */
  featuresAt(address: Pointer | null, most: number): string[];
  /**
   * While this runs, ggml's log goes to the logger; otherwise nowhere. Never while it computes: a
   * thread of ggml's own would wait for the JavaScript thread, which waits for it.
   */
  logging<T>(work: () => T): T;
}

/**
 * `MESH_ENGINE_MISSING` when there is no library for this machine, it cannot be loaded, or lacks
 * functions, which the message lists.
 */
export async function loadLibrary(
  namedFolder: string | undefined,
  logger: Logger,
): Promise<GgmlLibrary> {
  const koffi = await importKoffi();
  const files = findLibraries(namedFolder);
  const base = open(koffi, files.base, true);
  const registry = open(koffi, files.registry, false);
  const types = typesOf(koffi);
  const absent: string[] = [];
  const bind = <T extends Table>(library: KoffiLibrary, table: T) =>
    bindTable<T>(library, table, types, absent);
  const library: GgmlLibrary = {
    folder: files.folder,
    base: bind(base, BASE_FUNCTIONS),
    registry: bind(registry, REGISTRY_FUNCTIONS),
    deviceCalls: (registration) => deviceCallsOf(koffi, types, library, registration),
    pointersAt: (address, most) => pointersAt(koffi, address, most),
    featuresAt: (address, most) => featuresAt(koffi, address, most),
    logging: (work) => logging(koffi, base, library, logger, work),
  };
  if (absent.length > 0) {
    const message = `the libraries in ${files.folder} lack ${absent.join(", ")}`;
    throw new MeshError("MESH_ENGINE_MISSING", { message, details: { missing: absent } });
  }
  library.base.ggml_log_set(base.symbol(HARMLESS_FUNCTION) as Pointer, null);
  library.logging(() => loadDevices(library, files.gpuLibraries, logger));
  return library;
}

/** The registry belongs to the process: devices are loaded into it once. */
function loadDevices(
  { folder, registry }: GgmlLibrary,
  gpuLibraries: readonly string[],
  logger: Logger,
): void {
  if (registry.ggml_backend_dev_count() > 0) return;
  registry.ggml_backend_load_all_from_path(folder);
  for (const path of gpuLibraries) {
    if (registry.ggml_backend_load(path) !== null) continue;
    logger.warn("a GPU library is installed and cannot be loaded", { path });
  }
}

async function importKoffi(): Promise<Koffi> {
  try {
    return (await import("koffi")).default as unknown as Koffi;
  } catch (cause) {
    const message = "the package koffi cannot be loaded on this machine";
    throw new MeshError("MESH_ENGINE_MISSING", { message, cause });
  }
}

function open(koffi: Koffi, path: string, isGlobal: boolean): KoffiLibrary {
  try {
    return koffi.load(path, { global: isGlobal });
  } catch (cause) {
    const { reason = "" } = errorFields(cause);
    const message = `${path} cannot be loaded: ${reason}`;
    throw new MeshError("MESH_ENGINE_MISSING", { message, cause });
  }
}

function typesOf(koffi: Koffi): Readonly<Record<CType, KoffiType>> {
  return {
    pointer: "void *",
    memory: "void *",
    text: "str",
    int: "int",
    long: "int64_t",
    size: "size_t",
    byte: "uint8_t",
    float: "float",
    flag: "bool",
    none: "void",
    initParams: koffi.struct({ mem_size: "size_t", mem_buffer: "void *", no_alloc: "bool" }),
  };
}

function bindTable<T extends Table>(
  library: KoffiLibrary,
  table: T,
  types: Readonly<Record<CType, KoffiType>>,
  absent: string[],
): Calls<T> {
  const calls: Record<string, unknown> = {};
  for (const [name, { result, parameters }] of Object.entries(table)) {
    try {
      calls[name] = library.func(
        name,
        types[result],
        parameters.map((type) => types[type]),
      );
    } catch {
      absent.push(name);
    }
  }
  return calls as Calls<T>;
}

function deviceCallsOf(
  koffi: Koffi,
  types: Readonly<Record<CType, KoffiType>>,
  { base }: GgmlLibrary,
  registration: Pointer,
): DeviceCalls {
  const calls: Record<string, unknown> = {};
  for (const [name, { result, parameters }] of Object.entries(DEVICE_FUNCTIONS)) {
    const address = base.ggml_backend_reg_get_proc_address(registration, name);
    if (address === null) continue;
    const prototype = koffi.proto(
      types[result],
      parameters.map((type) => types[type]),
    );
    calls[name] = koffi.decode(address, prototype);
  }
  return calls as DeviceCalls;
}

function pointersAt(koffi: Koffi, address: Pointer | null, most: number): Pointer[] {
  const found: Pointer[] = [];
  while (address !== null && found.length < most) {
    const next = koffi.decode(address, found.length * 8, "void *") as Pointer | null;
    if (next === null) break;
    found.push(next);
  }
  return found;
}

function featuresAt(koffi: Koffi, address: Pointer | null, most: number): string[] {
  const found: string[] = [];
  while (address !== null && found.length < most) {
    const at = found.length * 16;
    const name = koffi.decode(address, at, "str") as string | null;
    if (name === null) break;
    const value = koffi.decode(address, at + 8, "str") as string | null;
    found.push(value === "1" || value === null ? name : `${name}=${value}`);
  }
  return found;
}

function logging<T>(
  koffi: Koffi,
  symbols: KoffiLibrary,
  { base }: GgmlLibrary,
  logger: Logger,
  work: () => T,
): T {
  const prototype = koffi.proto("void", ["int", "str", "void *"]);
  const callback = koffi.register((level: number, text: string | null) => {
    const reason = text?.trim() ?? "";
    if (reason !== "" && reason !== ".") logLine(logger, level, reason);
  }, koffi.pointer(prototype));
  base.ggml_log_set(callback, null);
  try {
    return work();
  } finally {
    base.ggml_log_set(symbols.symbol(HARMLESS_FUNCTION) as Pointer, null);
    koffi.unregister(callback);
  }
}

function logLine(logger: Logger, level: number, reason: string): void {
  const name = LOG_LEVELS[level];
  const fields = { part: "ggml", reason };
  if (name === "error") logger.error("the engine's library says", fields);
  else if (name === "warn") logger.warn("the engine's library says", fields);
  else logger.debug("the engine's library says", fields);
}
