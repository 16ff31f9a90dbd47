/** Runs a `RouteMachine` over the direct links of a node, and answers which ways lead where. */
import {
  asWireError,
  type Clock,
  errorFields,
  type Logger,
  MeshError,
  type NodeId,
  type Random,
  type Startable,
  type Timer,
} from "@hearthmesh/core";
import {
  type IncomingRequest,
  type Link,
  type LinkHandlers,
  TokenBucket,
} from "@hearthmesh/qwormhole";
import type {
  AnnouncedServices,
  MeshLinks,
  OpenLink,
  PeerState,
  Route,
  RouteDirectory,
  RoutePath,
  ServiceAnnouncement,
} from "../ports.js";
import { checkServices, type RouteAnnouncement } from "./announcement.js";
import {
  AVOID_MS_MAX,
  CHANGE_COALESCE_MS,
  MEASURE_MS,
  REFUSALS_BURST,
  REFUSALS_PER_SEC,
  ROUTE_NODES_MAX,
} from "./limits.js";
import type { OwnIdentity } from "./own-announcement.js";
import type { RouteEffect, RouteEvent } from "./route-events.js";
import { routeGraph } from "./route-graph.js";
import { type RouteCounters, RouteMachine } from "./route-machine.js";
import { RouteTable } from "./route-table.js";
import { decodeAnnounce, decodeDigest, ROUTE_ANNOUNCE, ROUTE_DIGEST } from "./route-wire.js";
import { SendLane } from "./send-lane.js";

export interface RouteRuntimeOptions {
  readonly self: OwnIdentity;
  /** Whether this node passes streams on. */
  readonly relays: boolean;
  readonly links: MeshLinks;
  /** Public key (SPKI, DER) of a node of this mesh, this one included. */
  publicKeyOf(nodeId: NodeId): Uint8Array | undefined;
  /** Whether the neighbour is a hub; only shown. Default: none is. */
  isHub?(nodeId: NodeId): boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface RouteRuntimeCounters extends RouteCounters {
  /** Requests to neighbours that did not get there. */
  sendsFailed: number;
  /** Requests of neighbours that were not of the form, or too many. */
  requestsRefused: number;
}

export class RouteRuntime implements Startable, RouteDirectory {
  readonly name = "routes";
  /** Serves `route.announce` and `route.digest`. */
  readonly handlers: LinkHandlers = { onRequest: (request) => this.#onRequest(request) };
  readonly #options: RouteRuntimeOptions;
  readonly #machine: RouteMachine;
  readonly #lanes = new Map<NodeId, SendLane>();
  /** What each neighbour may send that is refused. */
  readonly #refusals = new Map<NodeId, TokenBucket>();
  readonly #avoidedUntilMs = new Map<NodeId, number>();
  /** As membership says, the oldest first. */
  readonly #gone = new Set<NodeId>();
  readonly #listeners = new Set<() => void>();
  readonly #counters = { sendsFailed: 0, requestsRefused: 0 };
  #table: RouteTable | undefined;
  #stopListening: (() => void) | undefined;
  #wakeTimer: Timer | undefined;
  #measureTimer: Timer | undefined;
  #changeTimer: Timer | undefined;

  constructor(options: RouteRuntimeOptions) {
    this.#options = options;
    const { self, relays, clock, random } = options;
    const publicKeyOf = (nodeId: NodeId) => options.publicKeyOf(nodeId);
    const epoch = clock.nowMs();
    const machineOptions = { self, relays, epoch, publicKeyOf, random: () => random.float() };
    this.#machine = new RouteMachine(machineOptions, clock.monotonicMs());
  }

  async start(): Promise<void> {
    if (this.#stopListening !== undefined) return;
    const { links } = this.#options;
    this.#stopListening = links.onLink((open, isOpen) => this.#onLink(open, isOpen));
    for (const open of links.openLinks()) this.#onLink(open, true);
    this.#step({ type: "wake" });
    this.#measureLater();
  }

  async stop(): Promise<void> {
    this.#stopListening?.();
    this.#stopListening = undefined;
    for (const timer of [this.#wakeTimer, this.#measureTimer, this.#changeTimer]) timer?.cancel();
    this.#changeTimer = undefined;
    const neighbours = [...this.#lanes.keys()];
    this.#lanes.clear();
    for (const nodeId of neighbours) this.#step({ type: "link-down", nodeId });
  }

  /** What runs on this node. Throws `MESH_LIMIT` and `MESH_BAD_REQUEST` as `checkServices` does. */
  setServices(services: readonly ServiceAnnouncement[]): void {
    checkServices(services);
    this.#step({ type: "services", services: services.map((service) => ({ ...service })) });
  }

  /** What membership believes of another node: a dead one relays nothing from now on. */
  memberChanged(nodeId: NodeId, state: PeerState): void {
    this.#gone.delete(nodeId);
    if (state === "dead" || state === "left") this.#gone.add(nodeId);
    const [oldest] = this.#gone;
    if (this.#gone.size > ROUTE_NODES_MAX && oldest !== undefined) this.#gone.delete(oldest);
    this.#step({ type: "member", nodeId, state });
  }

  /** `publicKeyOf` answers for this node from now on. */
  keyKnown(nodeId: NodeId): void {
    this.#step({ type: "key-known", nodeId });
  }

  /** Of every node that announces any and is not gone, this one included. */
  announcedServices(): AnnouncedServices[] {
    return this.#machine.services();
  }

  /** What is known: this node's own announcement as it is now, then those of the others. */
  announcements(): RouteAnnouncement[] {
    return this.#machine.announcements();
  }

  /** Called soon after routes or services changed. Answers how to stop listening. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** To all but those that are gone, whose links may take a while longer to break. */
  routes(): readonly Route[] {
    return this.#routeTable()
      .routes()
      .filter(({ target }) => !this.#gone.has(target));
  }

  pathsTo(target: NodeId): readonly RoutePath[] {
    return this.#routeTable().pathsTo(target);
  }

  costMsTo(target: NodeId): number | undefined {
    return this.pathsTo(target)[0]?.costMs;
  }

  /**
   * The next hop just failed: for this time (at most 5 minutes) other ways come first, and it is a
   * relay only when there is no other.
   */
  avoid(nodeId: NodeId, ms: number): void {
    if (!(ms > 0)) return;
    const [oldest] = this.#avoidedUntilMs.keys();
    const isFull = this.#avoidedUntilMs.size >= ROUTE_NODES_MAX;
    if (isFull && oldest !== undefined) this.#avoidedUntilMs.delete(oldest);
    const nowMs = this.#options.clock.monotonicMs();
    this.#avoidedUntilMs.set(nodeId, nowMs + Math.min(ms, AVOID_MS_MAX));
    this.#table = undefined;
    this.#tellLater();
  }

  get counters(): RouteRuntimeCounters {
    return { ...this.#machine.counters, ...this.#counters };
  }

  /** Nodes and bytes of announcements in memory, and those that wait for a key. */
  get sizes(): { nodes: number; bytes: number; waiting: number } {
    return this.#machine.sizes;
  }

  #routeTable(): RouteTable {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [nodeId, untilMs] of this.#avoidedUntilMs) {
      if (nowMs < untilMs) continue;
      this.#avoidedUntilMs.delete(nodeId);
      this.#table = undefined;
    }
    if (this.#table === undefined) {
      const graph = routeGraph(this.#machine.announcements());
      this.#table = new RouteTable(graph, new Set(this.#avoidedUntilMs.keys()));
    }
    return this.#table;
  }

  #onLink({ link, kind }: OpenLink, isOpen: boolean): void {
    if (kind !== "direct") return;
    const nodeId = link.peer.nodeId as NodeId;
    if (isOpen) {
      this.#useLink(nodeId, link);
      return;
    }
    if (this.#lanes.get(nodeId)?.link !== link) return;
    const other = this.#options.links
      .openLinks()
      .find(
        (open) =>
          open.kind === "direct" &&
          open.link !== link &&
          open.link.isOpen &&
          open.link.peer.nodeId === nodeId,
      );
    if (other !== undefined) {
      this.#useLink(nodeId, other.link);
      return;
    }
    this.#lanes.delete(nodeId);
    this.#refusals.delete(nodeId);
    this.#step({ type: "link-down", nodeId });
  }

  #useLink(nodeId: NodeId, link: Link): void {
    if (this.#lanes.get(nodeId)?.link === link) return;
    const lane: SendLane = new SendLane(link, (error) => this.#onSendFailed(nodeId, lane, error));
    this.#lanes.set(nodeId, lane);
    const kind = this.#options.isHub?.(nodeId) === true ? "hub" : "direct";
    this.#step({ type: "link-up", nodeId, kind, roundTripMs: link.roundTripMs });
  }

  #onSendFailed(nodeId: NodeId, lane: SendLane, error: unknown): void {
    if (this.#lanes.get(nodeId) !== lane) return;
    this.#counters.sendsFailed++;
    this.#options.log.debug("routes were not sent", { nodeId, ...errorFields(error) });
    this.#step({ type: "send-failed", nodeId });
  }

  #onRequest({ peer, method, body }: IncomingRequest): Uint8Array {
    const from = peer.nodeId as NodeId;
    try {
      if (this.#stopListening === undefined) throw new MeshError("MESH_STOPPING");
      this.#checkRefusals(from);
      if (method === ROUTE_ANNOUNCE) this.#takeAnnouncements(from, body);
      else if (method === ROUTE_DIGEST) this.#step({ type: "digest", from, ...decodeDigest(body) });
      else throw new MeshError("MESH_NOT_FOUND", { message: "there is no such route method" });
      return new Uint8Array(0);
    } catch (error) {
      this.#counters.requestsRefused++;
      this.#options.log.debug("a route message was refused", {
        nodeId: from,
        method,
        ...errorFields(error),
      });
      throw asWireError(error);
    }
  }

  #takeAnnouncements(from: NodeId, body: Uint8Array): void {
    const announcements = decodeAnnounce(body);
    const before = this.#machine.counters;
    this.#step({ type: "announcements", from, announcements });
    const after = this.#machine.counters;
    const refused = after.forged + after.malformed - before.forged - before.malformed;
    if (refused > 0) {
      this.#refusals.get(from)?.take(refused, this.#options.clock.monotonicMs());
      this.#options.log.debug("announcements were refused", { nodeId: from, count: refused });
    }
  }

  #checkRefusals(from: NodeId): void {
    const nowMs = this.#options.clock.monotonicMs();
    const bucket =
      this.#refusals.get(from) ??
      new TokenBucket({ perSec: REFUSALS_PER_SEC, burst: REFUSALS_BURST }, nowMs);
    const [oldest] = this.#refusals.keys();
    const isFull = this.#refusals.size >= ROUTE_NODES_MAX && !this.#refusals.has(from);
    if (isFull && oldest !== undefined) this.#refusals.delete(oldest);
    this.#refusals.set(from, bucket);
    if (bucket.waitMs(nowMs) === 0) return;
    const message = "too many of the announcements from this node were not valid";
    throw new MeshError("MESH_LIMIT", { message, hint: "Wait a minute." });
  }

  #step(event: RouteEvent): void {
    const { clock, log } = this.#options;
    try {
      for (const effect of this.#machine.step(event, clock.monotonicMs())) this.#perform(effect);
    } catch (error) {
      log.error("the routes of this node cannot be announced", errorFields(error));
    }
    this.#wakeLater();
  }

  #perform(effect: RouteEffect): void {
    if (effect.type === "changed") {
      this.#table = undefined;
      this.#tellLater();
      return;
    }
    const lane = this.#lanes.get(effect.to);
    if (effect.type === "send") lane?.announce(effect.announcements);
    else lane?.digest(effect);
  }

  #wakeLater(): void {
    this.#wakeTimer?.cancel();
    if (this.#stopListening === undefined) return;
    const delayMs = Math.max(1, this.#machine.wakeMs - this.#options.clock.monotonicMs());
    this.#wakeTimer = this.#options.clock.setTimeout(() => this.#step({ type: "wake" }), delayMs);
  }

  #measureLater(): void {
    this.#measureTimer = this.#options.clock.setTimeout(() => {
      for (const [nodeId, { link }] of this.#lanes) {
        const ms = link.roundTripMs;
        if (ms !== undefined) this.#step({ type: "round-trip", nodeId, ms });
      }
      this.#measureLater();
    }, MEASURE_MS);
  }

  #tellLater(): void {
    if (this.#changeTimer !== undefined || this.#stopListening === undefined) return;
    this.#changeTimer = this.#options.clock.setTimeout(() => {
      this.#changeTimer = undefined;
      for (const listener of this.#listeners) {
        try {
          listener();
        } catch (error) {
          this.#options.log.warn("a listener of the routes failed", errorFields(error));
        }
      }
    }, CHANGE_COALESCE_MS);
  }
}
