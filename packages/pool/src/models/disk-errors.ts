/** What a disk said, as errors of the registry. */
import { MeshError } from "@hearthmesh/core";

export function diskError(error: unknown, path: string): unknown {
  if (error instanceof MeshError) return error;
  const code = (error as { code?: unknown }).code;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new MeshError("MESH_DISK_FULL", {
      message: `no room for the model on the disk of ${path}`,
      hint: "Make room, or remove models with `mesh model rm`.",
      cause: error,
    });
  }
  if (typeof code !== "string" || !code.startsWith("E")) return error;
  const message = `the disk failed at ${path}: ${code}`;
  return new MeshError("MESH_DISK_FAILED", { message, cause: error });
}
