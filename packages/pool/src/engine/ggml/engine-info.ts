/** What the fast engine has on this machine, for who asks why something is slow or missing. */
import { type EngineDevice, listDevices } from "./devices.js";
import { loadLibrary } from "./library.js";
import type { GgmlSurroundings } from "./open-ggml-engine.js";

export interface EngineInfo {
  /** Where the libraries lie. */
  readonly folder: string;
  readonly devices: readonly EngineDevice[];
}

/** `MESH_ENGINE_MISSING` says what is not there. */
export async function engineInfo(
  surroundings: Pick<GgmlSurroundings, "logger" | "libraryFolder">,
): Promise<EngineInfo> {
  const library = await loadLibrary(surroundings.libraryFolder, surroundings.logger);
  return { folder: library.folder, devices: listDevices(library) };
}
