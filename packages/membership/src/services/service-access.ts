/**
 * The way to every service of the mesh: which candidates there are for a request, and a connection
 * to one of them, on this node or through a link.
 */
import type { Duplex } from "node:stream";
import {
  type Clock,
  encodeMessage,
  fromWireError,
  type Logger,
  MeshError,
  type NodeId,
  type Random,
} from "@hearthmesh/core";
import { type LinkHandlers, type LinkStream, streamDuplex } from "@hearthmesh/qwormhole";
import type { AnnouncedServices, MeshLinks, ServiceAnnouncement } from "../ports.js";
import {
  REQUEST_ID_BYTES_MAX,
  SERVICE_CONNECT_MS_MAX,
  SERVICE_OPEN_MS_MAX,
  SERVICE_VIEW_MS,
} from "./limits.js";
import { LoadMeter } from "./load-meter.js";
import { RecentFailures } from "./recent-failures.js";
import type { ServiceHealth } from "./service-health.js";
import { connectService, type ServiceConnector } from "./service-network.js";
import type { ServiceRegistry } from "./service-registry.js";
import {
  authorityOf,
  SERVICE_OPEN,
  SERVICE_OPENED,
  ServiceStreams,
  timeLimit,
} from "./service-streams.js";
import { findCandidates, type ServiceCandidate } from "./service-target.js";

export interface ServiceAccessOptions {
  readonly self: NodeId;
  readonly registry: ServiceRegistry;
  readonly health: Pick<ServiceHealth, "healthOf" | "connectFailed">;
  /** What other nodes have announced. */
  announced(): readonly AnnouncedServices[];
  readonly links: Pick<MeshLinks, "linkTo">;
  costMsTo(nodeId: NodeId): number | undefined;
  /** Also of this node. */
  nameOf(nodeId: NodeId): string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Default: TCP of this machine. */
  readonly connect?: ServiceConnector;
}

export interface OpenServiceOptions {
  /** Gives up waiting for the connection; does not end one that is open. */
  readonly signal?: AbortSignal | undefined;
  /** Goes along, so that both nodes' logs name the same request. */
  readonly requestId?: string | undefined;
}

export interface ServiceConnection {
  readonly duplex: Duplex;
  /** `host:port` of the service on its node. */
  readonly authority: string;
}

export class ServiceAccess {
  readonly #options: ServiceAccessOptions;
  readonly #connect: ServiceConnector;
  readonly #load: LoadMeter;
  readonly #streams: ServiceStreams;
  readonly #failures: RecentFailures;
  /** All candidates, kept for a moment: thousands of requests may ask within it. */
  #view: readonly ServiceCandidate[] | undefined;
  #viewUntilMs = 0;

  constructor(options: ServiceAccessOptions) {
    const { registry, health, clock, log } = options;
    this.#options = options;
    this.#connect = options.connect ?? connectService;
    this.#load = new LoadMeter(clock);
    this.#failures = new RecentFailures(clock);
    registry.onChange(() => this.#forgetView());
    this.#streams = new ServiceStreams({
      registry,
      health,
      load: this.#load,
      connect: this.#connect,
      clock,
      log,
    });
  }

  /** For the link methods `service.*`. */
  get handlers(): LinkHandlers {
    return this.#streams.handlers;
  }

  /** What this node has to announce. */
  localServices(): ServiceAnnouncement[] {
    return this.#options.registry.list().map(({ name, capabilities, protocol }) => ({
      name,
      capabilities,
      protocol,
      health: this.#options.health.healthOf(name).health,
      load: this.#load.loadOf(name),
    }));
  }

  /** Every service of the mesh, in no order. */
  all(): ServiceCandidate[] {
    const { self, announced, costMsTo } = this.#options;
    const own = this.localServices().map((one) => this.#candidate(self, one, 0));
    const others = announced()
      .filter(({ nodeId }) => nodeId !== self)
      .flatMap(({ nodeId, services }) => {
        const costMs = costMsTo(nodeId);
        return services.map((one) => this.#candidate(nodeId, one, costMs));
      });
    return [...own, ...others];
  }

  /** In the order in which they should be tried; `MESH_SERVICE_UNKNOWN` when there is none. */
  resolve(target: string): ServiceCandidate[] {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#view === undefined || nowMs >= this.#viewUntilMs) {
      this.#view = this.all();
      this.#viewUntilMs = nowMs + SERVICE_VIEW_MS;
    }
    return findCandidates(target, this.#view, this.#options.random);
  }

  /** As `openConnection`, for who needs the bytes alone. */
  async open(candidate: ServiceCandidate, options: OpenServiceOptions = {}): Promise<Duplex> {
    return (await this.openConnection(candidate, options)).duplex;
  }

  /**
   * A connection to the service, byte by byte, in which each direction ends on its own. Rejects
   * with `MESH_SERVICE_UNAVAILABLE` before any byte has gone to the service, and with
   * `MESH_CANCELLED` when `signal` is aborted.
   */
  async openConnection(
    candidate: ServiceCandidate,
    options: OpenServiceOptions = {},
  ): Promise<ServiceConnection> {
    const { clock } = this.#options;
    const limitMs = candidate.local ? SERVICE_CONNECT_MS_MAX : SERVICE_OPEN_MS_MAX;
    const limit = timeLimit(clock, limitMs, options.signal);
    try {
      const opening = candidate.local
        ? this.#openHere(candidate, limit.signal)
        : this.#openThere(candidate, limit.signal, options.requestId ?? "");
      const connection = await opening;
      if (this.#failures.forget(candidate)) this.#forgetView();
      return connection;
    } catch (error) {
      if (options.signal?.aborted) throw new MeshError("MESH_CANCELLED", { cause: error });
      this.#note(candidate, error);
      throw unavailable(candidate, error);
    } finally {
      limit.end();
    }
  }

  #candidate(
    nodeId: NodeId,
    { name, capabilities, protocol, health, load }: ServiceAnnouncement,
    costMs: number | undefined,
  ): ServiceCandidate {
    const local = nodeId === this.#options.self;
    const failed = !local && this.#failures.has({ nodeId, service: name });
    return {
      nodeId,
      nodeName: this.#options.nameOf(nodeId) ?? nodeId,
      service: name,
      protocol,
      capabilities,
      health: failed ? "failing" : health,
      load,
      costMs,
      local,
    };
  }

  #forgetView(): void {
    this.#view = undefined;
  }

  #note(candidate: ServiceCandidate, error: unknown): void {
    this.#forgetView();
    if (!candidate.local) {
      this.#failures.add(candidate);
      return;
    }
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.health.connectFailed(candidate.service, reason);
  }

  async #openHere({ service: name }: ServiceCandidate, signal: AbortSignal) {
    const service = this.#options.registry.get(name);
    if (service === undefined) {
      const message = `${name} is no longer a service of this node`;
      throw new MeshError("MESH_SERVICE_UNKNOWN", { message });
    }
    const socket = await this.#connect(service, signal);
    this.#load.add(name, socket);
    return { duplex: socket, authority: authorityOf(service) };
  }

  async #openThere(
    { nodeId, service }: ServiceCandidate,
    signal: AbortSignal,
    requestId: string,
  ): Promise<ServiceConnection> {
    const link = await abortable(this.#options.links.linkTo(nodeId, { signal }), signal);
    const pieces = encodeMessage({ service, requestId: requestId.slice(0, REQUEST_ID_BYTES_MAX) });
    // The signal of the opening must not reach into the life of the connection.
    const stream = await link.openStream(SERVICE_OPEN, Buffer.concat(pieces), { priority: "bulk" });
    const onAbort = () => stream.reset("MESH_CANCELLED", "nobody waits for it any more");
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await openedConnection(stream);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** It goes into a header: nothing that could end one. */
const AUTHORITY = /^[a-z0-9._:[\]-]+$/i;

/** Waits for the other node's word that it has connected; see `service-streams.ts`. */
async function openedConnection(stream: LinkStream): Promise<ServiceConnection> {
  const pieces = stream.readable[Symbol.asyncIterator]();
  let word = Buffer.alloc(0);
  let wantedBytes = 2;
  while (word.length < wantedBytes) {
    const { done, value } = await pieces.next();
    if (done !== true) word = Buffer.concat([word, value]);
    if (done === true || word[0] !== SERVICE_OPENED) {
      stream.reset("MESH_PROTOCOL", "the stream does not begin as it should");
      throw new MeshError("MESH_PROTOCOL", { message: "the other node did not open the service" });
    }
    wantedBytes = 2 + (word[1] ?? 0);
  }
  const authority = word.toString("latin1", 2, wantedBytes);
  if (!AUTHORITY.test(authority)) {
    stream.reset("MESH_PROTOCOL", "the name of the service is not valid");
    throw new MeshError("MESH_PROTOCOL", { message: "the other node names no valid address" });
  }
  const duplex = streamDuplex(stream);
  // A service that speaks first may have sent bytes with the word.
  if (word.length > wantedBytes) duplex.unshift(word.subarray(wantedBytes));
  return { duplex, authority };
}

/** Links may take their time to notice that nobody waits. */
function abortable<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function unavailable({ nodeName, service }: ServiceCandidate, thrown: unknown): MeshError {
  const error = fromWireError(thrown);
  if (error.code === "MESH_SERVICE_UNAVAILABLE") return error;
  return new MeshError("MESH_SERVICE_UNAVAILABLE", {
    message: `${service} on ${nodeName}: ${error.message}`,
    hint: error.hint,
    details: { node: nodeName, service, reason: error.code },
    cause: error,
  });
}
