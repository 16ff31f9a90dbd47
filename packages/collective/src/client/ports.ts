/** What a file client needs from outside: the coordinator, links to nodes, time and chance. */
import type { Clock, Logger, NodeId, Random } from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import type { NodeInfo } from "../types.js";

/**
 * The coordinator's `file.*` methods (see `protocol.ts`), over a link or in the same process. A
 * refusal is thrown as the `MeshError` that the coordinator gave; a coordinator that cannot be
 * reached as `MESH_UNREACHABLE` or `MESH_TIMEOUT`.
 */
export interface CoordinatorPort {
  call(
    method: string,
    header: object,
    body?: Uint8Array,
    options?: { signal?: AbortSignal },
  ): Promise<{ header: object; body: Uint8Array }>;
}

/** Links to storage nodes. They are shared: whoever gets one must not close it. */
export interface NodeLinks {
  /** Rejects with `MESH_UNREACHABLE` when no address of the node answers as that node. */
  linkTo(node: NodeInfo, signal?: AbortSignal): Promise<Link>;
}

export interface FileClientOptions {
  coordinator: CoordinatorPort;
  links: NodeLinks;
  /** Key hash of whoever asks. When it is a storage node itself, its own copies are read first. */
  self: NodeId;
  /** How long calls that may be repeated are repeated while the coordinator is away. */
  repeatWithinMs?: number | undefined;
  clock: Clock;
  random: Random;
  log: Logger;
}
