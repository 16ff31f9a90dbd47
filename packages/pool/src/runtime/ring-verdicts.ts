/** What a failure means for the ring that it happened in, as its leader judges it. Pure. */
import { MeshError, type NodeId } from "@hearthmesh/core";

/** What may go better with a new process; without room or a sound file, nothing here can lead. */
const AGAIN: readonly string[] = [
  ...["MESH_ENGINE_FAILED", "MESH_EPOCH_OLD", "MESH_RING_NOT_READY", "MESH_RING_FRAME_INVALID"],
  ...["MESH_UNREACHABLE", "MESH_TIMEOUT", "MESH_CANCELLED"],
];

export interface Judgement {
  /** Whom the next plan is about. */
  readonly nodeId: NodeId;
  readonly verdict: "out" | "again" | "final";
}

/**
 * A member did not prepare or join. Whoever answered may name another one, as the only one who did
 * not come (`details.blamed`): that one is out. Who blames the leader is out itself.
 */
export function judgeRefusal(
  from: NodeId,
  self: NodeId,
  members: readonly NodeId[],
  error: MeshError,
): Judgement {
  const { code, details } = error;
  const named: readonly unknown[] = Array.isArray(details?.blamed) ? details.blamed : [];
  const blamed = members.filter((nodeId) => named.includes(nodeId));
  const other = blamed.find((nodeId) => nodeId !== from && nodeId !== self);
  if (other !== undefined) return { nodeId: other, verdict: "out" };
  if (from !== self) {
    const leads = code === "MESH_RING_NOT_READY" && details?.leader !== undefined;
    return { nodeId: from, verdict: leads ? "final" : "out" };
  }
  return { nodeId: self, verdict: AGAIN.includes(code) ? "again" : "final" };
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
