/**
 * Serves `relay.open`: passes streams on to their next hop, and takes the links of those that end
 * here. What may pass is decided by `RelayMachine`; the bytes are those of a TLS connection between
 * the ends, of which this node has no key.
 */
import {
  asWireError,
  type Clock,
  errorFields,
  fromWireError,
  type Logger,
  MeshError,
  type NodeId,
  parseNodeId,
  sleep,
} from "@hearthmesh/core";
import type { Link, LinkStream } from "@hearthmesh/qwormhole";
import type { LinkDialer, LinkPath } from "../ports.js";
import { RELAY_NEXT_HOP_MS_MAX } from "./limits.js";
import type { PeerRelayCounts, RelayCounts } from "./relay-counters.js";
import { encodeRelayHeader, RELAY_METHOD } from "./relay-header.js";
import { type RelayDecision, RelayMachine, type RelayTicket } from "./relay-machine.js";
import type { RelayPolicy } from "./relay-policy.js";
import { breakOff, type PumpGate, pump } from "./relay-pump.js";

export interface RelayServiceOptions {
  readonly self: NodeId;
  readonly policy: RelayPolicy;
  readonly dialer: Pick<LinkDialer, "acceptOver">;
  /** A link to the next hop that no other relay carries; such as `MeshLinkTable.directTo`. */
  directTo(nodeId: NodeId, options: { signal: AbortSignal }): Promise<Link>;
  /** Takes the links that others open to this node; such as `MeshLinkTable.adopt`. */
  adopt(link: Link, path: LinkPath): void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface RelayStatus {
  readonly policy: RelayPolicy;
  readonly all: RelayCounts;
  readonly peers: readonly PeerRelayCounts[];
}

export class RelayService {
  /** The method of the streams that `onStream` takes. */
  readonly method = RELAY_METHOD;
  readonly #options: RelayServiceOptions;
  readonly #machine: RelayMachine;
  /** What ends the streams that are under way. */
  readonly #enders = new Set<(error: MeshError) => void>();
  #isClosed = false;

  constructor(options: RelayServiceOptions) {
    this.#options = options;
    const nowMs = options.clock.monotonicMs();
    this.#machine = new RelayMachine(options.self, options.policy, nowMs);
  }

  /** Applies to what is open as well. Throws `MESH_CONFIG_INVALID`. */
  setPolicy(policy: RelayPolicy): void {
    this.#machine.setPolicy(policy, this.#options.clock.monotonicMs());
  }

  status(): RelayStatus {
    const { policy, counters } = this.#machine;
    return { policy, all: counters.all(), peers: counters.peers() };
  }

  /** Breaks off what is passed on, and takes nothing more. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#enders) end(new MeshError("MESH_STOPPING"));
  }

  /** The handler of `relay.open`: resolves when the stream has ended, rejects with wire errors. */
  async onStream(stream: LinkStream): Promise<void> {
    if (this.#isClosed) throw asWireError(new MeshError("MESH_STOPPING"));
    const from = parseNodeId(stream.peer.nodeId);
    const nowMs = this.#options.clock.monotonicMs();
    const decision = this.#machine.open(from, stream.header, nowMs);
    if (decision.type === "refuse") {
      this.#options.log.debug("a relayed stream was refused", {
        nodeId: from,
        ...errorFields(decision.error),
      });
      throw asWireError(decision.error);
    }
    try {
      if (decision.type === "accept") await this.#accept(stream, decision);
      else await this.#forward(stream, decision);
    } finally {
      this.#machine.closed(decision.ticket);
    }
  }

  async #accept(stream: LinkStream, decision: RelayDecision & { type: "accept" }): Promise<void> {
    const { origin, via } = decision.header;
    const link = await this.#options.dialer.acceptOver(stream).catch((error: unknown) => {
      throw asWireError(fromWireError(error));
    });
    if (link.peer.nodeId !== origin) {
      this.#machine.failed(decision.ticket, "origin");
      const message = "the node at the other end is not the one that the stream's header names";
      const error = new MeshError("MESH_BAD_REQUEST", { message });
      link.destroy(error);
      throw asWireError(error);
    }
    this.#options.adopt(link, { kind: "relayed", via: [...via].reverse() });
    await link.closed;
  }

  async #forward(from: LinkStream, decision: RelayDecision & { type: "forward" }): Promise<void> {
    const { ticket, nextHop, header } = decision;
    let to: LinkStream;
    try {
      const link = await this.#linkTo(nextHop, from.signal);
      to = await link.openStream(RELAY_METHOD, encodeRelayHeader(header), { priority: "bulk" });
    } catch (error) {
      this.#machine.failed(ticket, "unreachable");
      throw asWireError(unreachable(nextHop, error));
    }
    const both = (error: unknown) => {
      breakOff(from, error);
      breakOff(to, error);
    };
    this.#enders.add(both);
    const stopWatching = this.#watch(ticket, both);
    const gates = [this.#gateOf(ticket, from), this.#gateOf(ticket, to)] as const;
    await Promise.all([pump(from, to, gates[0]).catch(both), pump(to, from, gates[1]).catch(both)]);
    stopWatching();
    this.#enders.delete(both);
  }

  async #linkTo(nextHop: NodeId, asked: AbortSignal): Promise<Link> {
    const over = new AbortController();
    const end = (error: MeshError) => over.abort(error);
    const onAbort = () => over.abort(asked.reason);
    const timer = this.#options.clock.setTimeout(
      () => end(new MeshError("MESH_TIMEOUT")),
      RELAY_NEXT_HOP_MS_MAX,
    );
    this.#enders.add(end);
    asked.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#options.directTo(nextHop, { signal: over.signal });
    } finally {
      timer.cancel();
      this.#enders.delete(end);
      asked.removeEventListener("abort", onAbort);
    }
  }

  /** Holds one direction to the rates. Who went last waits a little longer, so that all go. */
  #gateOf(ticket: RelayTicket, stream: LinkStream): PumpGate {
    const { clock } = this.#options;
    const wait = async (firstMs: number) => {
      let turnMs = 2;
      for (let waitMs = firstMs; waitMs > 0; ) {
        await sleep(clock, Math.floor(waitMs) + turnMs, stream.signal);
        turnMs = 1;
        waitMs = this.#machine.waitMs(ticket, clock.monotonicMs());
      }
    };
    return {
      ready: () => {
        const waitMs = this.#machine.waitMs(ticket, clock.monotonicMs());
        return waitMs > 0 ? wait(waitMs) : undefined;
      },
      pass: (bytes) => {
        const error = this.#machine.moved(ticket, bytes, clock.monotonicMs());
        if (error !== undefined) throw error;
      },
    };
  }

  /** Ends the stream at its time. Answers how to stop watching. */
  #watch(ticket: RelayTicket, end: (error: MeshError) => void): () => void {
    const { clock } = this.#options;
    let timer: { cancel(): void } | undefined;
    const look = () => {
      const nowMs = clock.monotonicMs();
      const error = this.#machine.expired(ticket, nowMs);
      if (error !== undefined) {
        end(error);
        return;
      }
      const dueMs = this.#machine.dueMs(ticket);
      timer = dueMs === undefined ? undefined : clock.setTimeout(look, Math.max(1, dueMs - nowMs));
    };
    look();
    return () => timer?.cancel();
  }
}

function unreachable(nextHop: NodeId, cause: unknown): MeshError {
  const { message } = fromWireError(cause);
  return new MeshError("MESH_UNREACHABLE", {
    message: `the relay has no link to the next hop ${nextHop}: ${message}`,
    cause,
  });
}
