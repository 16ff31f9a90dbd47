/** Where the models of a member lie in its collective. */
import { MeshError } from "@hearthmesh/core";

/** The content of each model: `/models/<name>.gguf`. */
const MODELS_DIRECTORY = "/models";
/** Records and hashes; a model is there when its record is. */
export const RECORDS_DIRECTORY = "/models/.library";

export const contentPath = (name: string) => `${MODELS_DIRECTORY}/${name}.gguf`;
export const recordPath = (name: string) => `${RECORDS_DIRECTORY}/${name}.json`;
export const hashesPath = (name: string) => `${RECORDS_DIRECTORY}/${name}.hashes`;

/** The name in the last part of such a path. */
export function nameOfRecord(fileName: string): string | undefined {
  return fileName.endsWith(".json") ? fileName.slice(0, -".json".length) : undefined;
}

/** Throws `MESH_FORBIDDEN` for everything that does not lie below `/models`. */
export function checkModelPath(path: unknown): void {
  const isWithin = (text: string) =>
    text === MODELS_DIRECTORY || text.startsWith(`${MODELS_DIRECTORY}/`);
  const hasTurns = (text: string) => text.split("/").some((part) => part === "..");
  if (typeof path === "string" && isWithin(path) && !hasTurns(path)) return;
  throw new MeshError("MESH_FORBIDDEN", {
    message: `nodes may read ${MODELS_DIRECTORY} this way and nothing else`,
  });
}
