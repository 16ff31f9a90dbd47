/**
 * SWIM on a real network: feeds a `SwimMachine` with sealed datagrams, link requests and the time,
 * and performs what it answers. UDP comes first; a peer that does not answer there is reached over
 * links (`peer-paths.ts`). What this node knows of others is `PeerDirectory`.
 *
 * Error contract: nothing that others send makes a method reject or a loop end; it is counted. A
 * handler of a link throws `WireError`. `start` rejects when the UDP port cannot be bound.
 */
import {
  asWireError,
  errorFields,
  isMeshError,
  MeshError,
  type NodeId,
  parseNodeId,
  type Startable,
  sleep,
} from "@hearthmesh/core";
import type { Answer, IncomingRequest, Link, LinkHandlers } from "@hearthmesh/qwormhole";
import type { PeerDirectory, PeerInfo } from "../ports.js";
import type { SwimCounters } from "./counters.js";
import { LEAVE_MS } from "./limits.js";
import { CERTIFICATES_METHOD, DATAGRAM_METHOD, EXCHANGE_METHOD } from "./mesh-messages.js";
import type { SnapshotPeer } from "./snapshot.js";
import { SwimEngine } from "./swim-engine.js";
import type { MemberReport, PeerChange, SwimRuntimeOptions } from "./swim-runtime-options.js";

export class SwimRuntime implements Startable, PeerDirectory {
  readonly name = "membership";
  /** For `mesh.exchange`, `mesh.certificates` and `mesh.datagram`. */
  readonly handlers: LinkHandlers = { onRequest: (request) => this.#answer(request) };
  readonly #options: SwimRuntimeOptions;
  readonly #engine: SwimEngine;
  #state: "new" | "running" | "stopped" = "new";

  constructor(options: SwimRuntimeOptions) {
    this.#options = options;
    this.#engine = new SwimEngine(options);
  }

  async start(): Promise<void> {
    await this.#engine.start();
    this.#state = "running";
  }

  /** Says goodbye unless told otherwise, and saves the snapshot. */
  async stop({ leave = true }: { leave?: boolean } = {}): Promise<void> {
    if (this.#state === "running") {
      this.#state = "stopped";
      if (leave && this.#engine.leave()) await sleep(this.#options.clock, LEAVE_MS);
    }
    await this.#engine.stop();
  }

  /** The port of the UDP socket, or undefined without one. */
  get udpPort(): number | undefined {
    return this.#engine.udpPort;
  }

  /** How many steps this node mistrusts itself: 0 is well (Lifeguard). */
  get healthScore(): number {
    return this.#engine.machine?.healthScore ?? 0;
  }

  /** Of this node's own record. */
  get incarnation(): number {
    return this.#engine.machine?.self.incarnation ?? 0;
  }

  get counters(): SwimCounters {
    return this.#engine.counting.now;
  }

  peer(nodeId: NodeId): PeerInfo | undefined {
    return this.#engine.directory.peer(nodeId);
  }

  peers(): readonly PeerInfo[] {
    return this.#engine.directory.peers();
  }

  /** SPKI, DER; undefined while the certificate of the node is not known. */
  publicKeyOf(nodeId: NodeId): Uint8Array | undefined {
    return this.#engine.publicKeyOf(nodeId);
  }

  members(): readonly MemberReport[] {
    return this.#engine.directory.members(this.#options.clock.monotonicMs());
  }

  /** Where peers of this and earlier lives were, the most recent ones first. */
  snapshotPeers(): readonly SnapshotPeer[] {
    return this.#engine.memory.all;
  }

  /** Answers how to stop listening. */
  onChange(listener: (change: PeerChange) => void): () => void {
    this.#engine.listeners.add(listener);
    return () => this.#engine.listeners.delete(listener);
  }

  /**
   * Exchanges views with whoever is at the other end; afterwards both know what either knew.
   * Rejects with a `MeshError` when the link fails on the way.
   */
  async join(link: Link): Promise<void> {
    if (this.#state !== "running") throw stopping();
    await this.#engine.exchangeOver(link);
  }

  /** The address or the meta of this node is another: the others hear it. */
  updateSelf(): void {
    this.#engine.updateSelf();
  }

  /** A connection to the node broke: it is probed now. */
  connectionLost(nodeId: NodeId): void {
    this.#engine.step({ type: "connection-lost", nodeId });
  }

  /** The node was removed or revoked: gone at once, and nothing brings it back but `readmit`. */
  forget(nodeId: NodeId): void {
    this.#engine.forget(nodeId);
  }

  /** The operator took a removed node in again. */
  readmit(nodeId: NodeId): void {
    this.#engine.step({ type: "readmit", nodeId });
  }

  /** Forgets all whose keys `isRevoked` names; to be called when the list has changed. */
  dropRevoked(): void {
    for (const { nodeId } of this.#engine.directory.peers()) {
      if (this.#options.isRevoked(nodeId)) this.forget(nodeId);
    }
  }

  #answer({ method, body, peer }: IncomingRequest): Answer {
    try {
      if (this.#state !== "running") throw stopping();
      const nodeId = parseNodeId(peer.nodeId);
      switch (method) {
        case EXCHANGE_METHOD:
          return this.#engine.answerExchange(body, nodeId);
        case CERTIFICATES_METHOD:
          return this.#engine.answerCertificates(body, nodeId);
        case DATAGRAM_METHOD:
          this.#engine.takeLinkDatagram(body, nodeId);
          return new Uint8Array(0);
        default:
          throw new MeshError("MESH_PROTOCOL", {
            message: "membership has no such method",
          });
      }
    } catch (error) {
      const { log } = this.#options;
      const fields = { method, nodeId: peer.nodeId, ...errorFields(error) };
      if (isMeshError(error)) log.debug("a request of membership was refused", fields);
      else log.error("a request of membership failed", fields);
      throw asWireError(error);
    }
  }
}

function stopping(): MeshError {
  return new MeshError("MESH_STOPPING", { message: "the membership of this node is not running" });
}
