/**
 * One link to each storage node, made when it is first needed and shared by everybody.
 *
 * States of a node: unknown -> dialling -> open -> unknown (the link closed), or dialling -> failed
 * -> unknown (after `retryAfterMs`). Invariants: at most one dial and one link for a node; a link
 * is only handed out when the handshake proved that the node has the id that was asked for.
 * Errors: `MESH_UNREACHABLE` with what each address said; `MESH_STOPPING` after `close`.
 */
import {
  type Clock,
  fromWireError,
  type Logger,
  limits,
  MeshError,
  type NodeId,
} from "@hearthmesh/core";
import { parseEndpoint } from "@hearthmesh/identity";
import type { Address, Link } from "@hearthmesh/qwormhole";
import type { NodeInfo } from "../types.js";
import type { NodeLinks } from "./ports.js";
import { newStop, reasonOf, withSignal, withTimeout } from "./waiting.js";

/** Dials one address; must refuse a peer whose node id is another than `expectedNodeId`. */
export type DialNode = (
  address: Address,
  options: { expectedNodeId: NodeId; signal: AbortSignal },
) => Promise<Link>;

export interface LinkPoolOptions {
  dial: DialNode;
  clock: Clock;
  log: Logger;
  /** For one address, handshake included. Default 2,000. */
  dialTimeoutMs?: number;
  /** How long a failure is answered again without dialling. Default 3,000. */
  retryAfterMs?: number;
}

interface Failure {
  error: MeshError;
  untilMs: number;
}

export class LinkPool implements NodeLinks {
  readonly #options: LinkPoolOptions;
  readonly #dialTimeoutMs: number;
  readonly #retryAfterMs: number;
  readonly #links = new Map<NodeId, Link>();
  readonly #dials = new Map<NodeId, Promise<Link>>();
  readonly #failures = new Map<NodeId, Failure>();
  readonly #stopping = newStop();

  constructor(options: LinkPoolOptions) {
    this.#options = options;
    this.#dialTimeoutMs = options.dialTimeoutMs ?? 2_000;
    this.#retryAfterMs = options.retryAfterMs ?? 3_000;
  }

  async linkTo(node: NodeInfo, signal?: AbortSignal): Promise<Link> {
    signal?.throwIfAborted();
    this.#stopping.signal.throwIfAborted();
    const open = this.#links.get(node.nodeId);
    if (open?.isOpen === true) return open;
    const failure = this.#failures.get(node.nodeId);
    if (failure !== undefined && this.#options.clock.monotonicMs() < failure.untilMs) {
      throw failure.error;
    }
    let dial = this.#dials.get(node.nodeId);
    if (dial === undefined) {
      this.#checkRoom();
      dial = this.#connect(node).finally(() => this.#dials.delete(node.nodeId));
      this.#dials.set(node.nodeId, dial);
    }
    return withSignal(dial, signal);
  }

  /** Closes every link; later calls fail with `MESH_STOPPING`. */
  async close(): Promise<void> {
    this.#stopping.abort(new MeshError("MESH_STOPPING", { message: "the links were closed" }));
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.allSettled(links.map((link) => link.close("done")));
    await Promise.allSettled(this.#dials.values());
  }

  async #connect(node: NodeInfo): Promise<Link> {
    const reasons: string[] = [];
    let distrust: MeshError | undefined;
    for (const address of node.addresses) {
      try {
        return this.#keep(node, await this.#dialAddress(node.nodeId, address));
      } catch (error) {
        this.#stopping.signal.throwIfAborted();
        const known = fromWireError(error);
        if (isRefusal(error) && known.status === 401) distrust ??= known;
        reasons.push(`${address}: ${reasonOf(known)}`);
      }
    }
    const why = reasons.length === 0 ? "it has told no address" : reasons.join("; ");
    const unreachable = new MeshError("MESH_UNREACHABLE", {
      message: `node ${node.name} cannot be reached (${why})`,
      details: { nodeId: node.nodeId, nodeName: node.name },
    });
    // A certificate that was refused tells a person more than "unreachable" does.
    const error = distrust ?? unreachable;
    const untilMs = this.#options.clock.monotonicMs() + this.#retryAfterMs;
    this.#failures.set(node.nodeId, { error, untilMs });
    this.#options.log.debug("node cannot be reached", { nodeName: node.name, reason: why });
    throw error;
  }

  #dialAddress(expectedNodeId: NodeId, text: string): Promise<Link> {
    const address = parseEndpoint(text);
    const { clock, dial } = this.#options;
    return withTimeout(clock, this.#dialTimeoutMs, this.#stopping.signal, async (signal) => {
      const link = await dial(address, { expectedNodeId, signal });
      if (signal.aborted) link.destroy(signal.reason);
      return link;
    });
  }

  #keep(node: NodeInfo, link: Link): Link {
    this.#links.set(node.nodeId, link);
    this.#failures.delete(node.nodeId);
    void link.closed.then(() => {
      if (this.#links.get(node.nodeId) === link) this.#links.delete(node.nodeId);
    });
    return link;
  }

  #checkRoom(): void {
    const { clock } = this.#options;
    for (const [nodeId, failure] of this.#failures) {
      if (failure.untilMs <= clock.monotonicMs()) this.#failures.delete(nodeId);
    }
    if (this.#links.size + this.#dials.size < limits.NODES_MAX) return;
    throw new MeshError("MESH_LIMIT", {
      message: `links to ${limits.NODES_MAX} nodes are open`,
      details: { limit: limits.NODES_MAX },
    });
  }
}

/** The node answered and did not accept us, as opposed to somebody else at its address. */
function isRefusal(error: unknown): boolean {
  return typeof (error as { remoteCode?: unknown }).remoteCode === "string";
}
