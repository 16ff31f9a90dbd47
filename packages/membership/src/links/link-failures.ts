/** Why nodes could not be reached, for `status` and for those who ask again too soon. */
import { MeshError, type NodeId } from "@hearthmesh/core";
import { FAILURE_REMEMBERED_MS, FAILURES_KEPT_MAX } from "./limits.js";

/** What one way to a node said. */
export interface WayFailure {
  /** An address, or the names of the relays. */
  readonly way: string;
  readonly kind: "direct" | "relayed";
  readonly reason: string;
  readonly hint: string;
}

interface Failures {
  ways: readonly WayFailure[];
  /** Of the last attempt that found no way at all. */
  error: MeshError | undefined;
  atMs: number;
}

export class LinkFailures {
  /** The oldest first. */
  readonly #nodes = new Map<NodeId, Failures>();

  /** Of the last attempt; what was remembered of the kind is replaced. */
  note(nodeId: NodeId, kind: WayFailure["kind"], ways: readonly WayFailure[]): void {
    const failures = this.#touch(nodeId);
    failures.ways = [...failures.ways.filter((one) => one.kind !== kind), ...ways];
  }

  of(nodeId: NodeId): readonly WayFailure[] {
    return this.#nodes.get(nodeId)?.ways ?? [];
  }

  fail(nodeId: NodeId, nowMs: number): MeshError {
    const failures = this.#touch(nodeId);
    failures.error = errorOf(nodeId, failures.ways);
    failures.atMs = nowMs;
    return failures.error;
  }

  /** The error of an attempt that failed a moment ago. */
  recent(nodeId: NodeId, nowMs: number): MeshError | undefined {
    const failures = this.#nodes.get(nodeId);
    if (failures === undefined || nowMs - failures.atMs >= FAILURE_REMEMBERED_MS) return undefined;
    return failures.error;
  }

  /** A link is there: of this kind nothing is wrong, and the node may be asked for again. */
  clear(nodeId: NodeId, kind: WayFailure["kind"]): void {
    const failures = this.#nodes.get(nodeId);
    if (failures === undefined) return;
    failures.error = undefined;
    failures.ways = failures.ways.filter((one) => one.kind !== kind);
    if (failures.ways.length === 0) this.#nodes.delete(nodeId);
  }

  #touch(nodeId: NodeId): Failures {
    const failures = this.#nodes.get(nodeId) ?? { ways: [], error: undefined, atMs: 0 };
    this.#nodes.delete(nodeId);
    this.#nodes.set(nodeId, failures);
    const [oldest] = this.#nodes.keys();
    if (this.#nodes.size > FAILURES_KEPT_MAX && oldest !== undefined) this.#nodes.delete(oldest);
    return failures;
  }
}

function errorOf(nodeId: NodeId, ways: readonly WayFailure[]): MeshError {
  const said = ways.map(({ way, reason }) => `${way}: ${reason}`);
  const reasons =
    said.length > 0 ? said.join("; ") : "no address of it and no relay to it is known";
  return new MeshError("MESH_UNREACHABLE", {
    message: `the node ${nodeId} cannot be reached: ${reasons}`,
    hint: ways[0]?.hint ?? "Check that it runs and has joined; `mesh peers` shows who is known.",
    details: { nodeId, ways },
  });
}
