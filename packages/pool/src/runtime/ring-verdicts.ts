/** What a failure means for the ring that it happened in, as its leader judges it. Pure. */
import { MeshError } from "@hearthmesh/core";

/** What may go better with a new process; without room or a sound file, nothing here can lead. */
const AGAIN: readonly string[] = [
  ...["MESH_ENGINE_FAILED", "MESH_EPOCH_OLD", "MESH_RING_NOT_READY", "MESH_RING_FRAME_INVALID"],
  ...["MESH_UNREACHABLE", "MESH_TIMEOUT", "MESH_CANCELLED"],
];

export function verdictOnSelf({ code }: MeshError): "final" | "again" {
  return AGAIN.includes(code) ? "again" : "final";
}

export function unplannable(
  text: readonly string[],
  missingBytes: number | undefined,
  isFailover: boolean,
): MeshError {
  const code = isFailover
    ? "MESH_RING_BROKEN"
    : missingBytes === undefined
      ? "MESH_RING_NOT_READY"
      : "MESH_MODEL_MEMORY";
  return new MeshError(code, {
    message: text.slice(0, 3).join(" "),
    ...(missingBytes === undefined ? {} : { details: { missingBytes } }),
  });
}
