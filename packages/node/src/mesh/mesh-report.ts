/** What the node tells about its mesh: `/mesh/status`, `/mesh/peers`, `/mesh/routes`, services. */
import type { Clock, NodeId } from "@hearthmesh/core";
import type {
  MeshPeer,
  MeshPeersResponse,
  MeshRoutesResponse,
  MeshStatusResponse,
  ServiceView,
} from "@hearthmesh/gateway/contracts";
import {
  type Discovery,
  FOUND_METHODS,
  type MeshLinkTable,
  type PeerDiscovery,
  type PeerInfo,
  type RelayService,
  type RouteRuntime,
  type ServiceAccess,
  type ServiceHealth,
  type ServiceRegistry,
  type SwimRuntime,
} from "@hearthmesh/membership";
import type { Config } from "../config/config.js";
import type { NodeRecord } from "../home.js";
import type { Overlay } from "../overlay/overlay.js";
import { overlayOfPeer, overlayReport } from "../overlay/overlay-report.js";
import { VERSION } from "../version.js";

export interface MeshReportParts {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly capabilities: readonly string[];
  readonly swim: SwimRuntime;
  readonly links: MeshLinkTable;
  readonly routes: RouteRuntime;
  readonly relay: RelayService;
  readonly discovery: Discovery;
  readonly services: ServiceAccess;
  readonly registry: ServiceRegistry;
  readonly health: ServiceHealth;
  readonly overlay?: Overlay | undefined;
  readonly clock: Clock;
}

export class MeshReport {
  readonly #parts: MeshReportParts;
  /** Of the nodes that discovery knows: membership forgets the dead after a minute. */
  #names: ReadonlyMap<string, string> = new Map();

  constructor(parts: MeshReportParts) {
    this.#parts = parts;
  }

  status(): MeshStatusResponse {
    const { config, record, capabilities, swim, routes, relay, discovery, services } = this.#parts;
    const peers = swim.peers();
    const active = peers.filter(isPresent).length;
    const { methods } = discovery.report();
    const { datagramsIn, datagramsOut, linkDatagramsIn, linkDatagramsOut, refused } = swim.counters;
    const { all, policy } = relay.status();
    return {
      time: new Date(this.#parts.clock.nowMs()).toISOString(),
      state: active > 0 ? "connected" : "alone",
      node: {
        id: record.nodeId,
        name: record.name,
        memberId: record.memberId,
        roles: [...record.roles],
        capabilities: [...capabilities],
        version: VERSION,
      },
      active_peers: active,
      known_peers: peers.length,
      membership: {
        address:
          swim.udpPort === undefined ? null : `${config.mesh.membership.host}:${swim.udpPort}`,
        profile: config.mesh.profile,
        incarnation: swim.incarnation,
        healthScore: swim.healthScore,
        datagramsIn: datagramsIn + linkDatagramsIn,
        datagramsOut: datagramsOut + linkDatagramsOut,
        refused: { ...refused },
      },
      discovery: FOUND_METHODS.map((method) => {
        const { state, reason, lastMs } = methods[method];
        return {
          method,
          state: state === "on" ? "working" : state,
          ...(reason === undefined ? {} : { reason }),
          last: lastMs === undefined ? null : new Date(lastMs).toISOString(),
        };
      }),
      relay: {
        enabled: policy.enabled,
        streams: all.openStreams,
        bytes: all.bytes,
        refused: { ...all.refused },
      },
      overlay: overlayReport(this.#parts.overlay, peers),
      routes: routes.routes().length,
      services: services.all().length,
    };
  }

  peers(): MeshPeersResponse {
    const found = this.#parts.discovery.report().peers;
    const byId = new Map(found.flatMap((one) => (one.nodeId ? [[one.nodeId, one] as const] : [])));
    const all = this.#parts.swim.peers().map((peer) => this.#peer(peer, byId.get(peer.nodeId)));
    all.sort((a, b) => (a.name < b.name ? -1 : 1));
    const peers = all.filter(isPresent);
    const known = new Set<string>(all.map(({ nodeId }) => nodeId));
    const strangers = found.filter(({ nodeId }) => nodeId === undefined || !known.has(nodeId));
    this.#names = new Map(
      [...byId.keys()].flatMap((nodeId) => {
        const name = this.#parts.swim.peer(nodeId)?.name ?? this.#names.get(nodeId);
        return name === undefined ? [] : [[nodeId, name] as const];
      }),
    );
    const unreached = strangers
      .filter(({ link }) => link === "none")
      .map((one) => unreachedPeer(one, this.#names.get(one.nodeId ?? "")));
    const missing = [...all.filter((peer) => !isPresent(peer)), ...unreached];
    return { count: peers.length, peers, missing };
  }

  routes(): MeshRoutesResponse {
    const names = (path: readonly NodeId[]) => path.map((nodeId) => this.#nameOf(nodeId));
    const routes = this.#parts.routes.routes().map((route) => ({
      destination: route.target,
      name: this.#nameOf(route.target),
      next_hop: this.#nameOf(route.nextHop),
      path: names(route.path),
      cost: route.costMs,
      alternatives: route.alternatives.map(({ path, costMs }) => ({
        path: names(path),
        cost: costMs,
      })),
    }));
    return { routes: routes.sort((a, b) => (a.name < b.name ? -1 : 1)) };
  }

  services(): ServiceView[] {
    const views = this.#parts.services.all().map((one) => this.serviceView(one));
    return views.sort((a, b) => order(a.name, b.name) || order(a.node, b.node));
  }

  serviceView(one: ReturnType<ServiceAccess["all"]>[number]): ServiceView {
    const { registry, health } = this.#parts;
    const own = one.local ? registry.get(one.service) : undefined;
    const reason = one.local ? health.healthOf(one.service).reason : undefined;
    return {
      name: one.service,
      node: one.nodeName,
      nodeId: one.nodeId,
      capabilities: [...one.capabilities],
      protocol: one.protocol,
      health: one.health,
      ...(reason === undefined ? {} : { reason }),
      load: one.load,
      costMs: one.costMs ?? null,
      local: one.local,
      ...(own === undefined ? {} : { address: `${own.host}:${own.port}` }),
    };
  }

  #peer(peer: PeerInfo, found: PeerDiscovery | undefined): MeshPeer {
    const { links, routes } = this.#parts;
    const open = links.openLinks().filter(({ link }) => link.peer.nodeId === peer.nodeId);
    const used = open.find(({ kind }) => kind === "direct") ?? open[0];
    const foundBy = (found?.foundBy ?? []).map(({ method, atMs }) => ({
      method,
      at: new Date(atMs).toISOString(),
    }));
    const reason =
      used?.kind === "direct" ? undefined : this.#whyNotDirect(peer.nodeId, found, used?.kind);
    return {
      nodeId: peer.nodeId,
      name: peer.name,
      state: peer.state,
      roles: [...peer.roles],
      capabilities: [...peer.capabilities],
      site: peer.site,
      version: peer.version,
      addresses: [...peer.linkAddresses],
      link: used?.kind ?? "none",
      via: (used?.via ?? []).map((nodeId) => this.#nameOf(nodeId)),
      roundTripMs: used?.link.roundTripMs ?? routes.costMsTo(peer.nodeId) ?? null,
      foundBy,
      ...overlayOfPeer(this.#parts.overlay, peer, used),
      ...(reason === undefined ? {} : { reason }),
    };
  }

  #whyNotDirect(
    nodeId: NodeId,
    found: PeerDiscovery | undefined,
    kind: "relayed" | undefined,
  ): string | undefined {
    const ways = this.#parts.links.lastErrors(nodeId).filter(({ kind }) => kind === "direct");
    const [first] = ways;
    if (first === undefined) {
      const notYet = "it came through a relay; a direct link to it is tried soon";
      return found?.lastError ?? (kind === "relayed" ? notYet : undefined);
    }
    return `${ways.map(({ way, reason }) => `${way}: ${reason}`).join("; ")}. ${first.hint}`;
  }

  #nameOf(nodeId: NodeId): string {
    const { record, swim } = this.#parts;
    return nodeId === record.nodeId ? record.name : (swim.peer(nodeId)?.name ?? nodeId);
  }
}

function isPresent({ state }: { state: PeerInfo["state"] }): boolean {
  return state === "alive" || state === "suspect";
}

function order(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Found, and nobody answers: all that is known is where, why not, and who was there once. */
function unreachedPeer(found: PeerDiscovery, lastName: string | undefined): MeshPeer {
  const { nodeId, addresses, lastError, hasLeft } = found;
  return {
    nodeId: nodeId ?? "",
    name: lastName ?? nodeId?.slice(0, 12) ?? addresses[0] ?? "unknown",
    state: hasLeft === true ? "left" : "dead",
    roles: [],
    capabilities: [],
    site: "",
    version: "",
    addresses: [...addresses],
    link: "none",
    via: [],
    roundTripMs: null,
    foundBy: found.foundBy.map(({ method, atMs }) => ({
      method,
      at: new Date(atMs).toISOString(),
    })),
    ...(lastError === undefined ? {} : { reason: lastError }),
  };
}
