/**
 * What the parts of this package need from each other and from the daemon, without importing it.
 */
import type { NodeId } from "@hearthmesh/core";
import type { Address, Link, LinkStream } from "@hearthmesh/qwormhole";

/** Makes verified links; whoever answers is of this mesh, or the promise rejects. */
export interface LinkDialer {
  dial(address: Address, options: { expectedNodeId?: string; signal?: AbortSignal }): Promise<Link>;
  /** A link within a stream that relays pass on: TLS of its own, from end to end. */
  dialOver(
    stream: LinkStream,
    options: { expectedNodeId: NodeId; signal?: AbortSignal },
  ): Promise<Link>;
  /** The accepting end of `dialOver`. */
  acceptOver(stream: LinkStream): Promise<Link>;
}

/** How a link gets to its peer: straight, or through these relays, the nearest first. */
export interface LinkPath {
  readonly kind: "direct" | "relayed";
  readonly via: readonly NodeId[];
}

export interface OpenLink extends LinkPath {
  readonly link: Link;
}

/** Links to nodes by their id: an open one, else a direct one, else one through relays. */
export interface MeshLinks {
  /** Never dials; the direct one when there are several. */
  openLink(nodeId: NodeId): Link | undefined;
  /** `MESH_UNREACHABLE` with what each way said. */
  linkTo(nodeId: NodeId, options?: { signal?: AbortSignal }): Promise<Link>;
  /** All that are open, at most one direct and one relayed for each node. */
  openLinks(): readonly OpenLink[];
  /** Told of each link that opens (`isOpen`) and closes. Answers how to stop listening. */
  onLink(listener: (open: OpenLink, isOpen: boolean) => void): () => void;
}

export type PeerState = "alive" | "suspect" | "dead" | "left";

/** What a node says of itself to all others. */
export interface NodeProfile {
  /** Where its links are, `host:port`, best first. */
  readonly linkAddresses: readonly string[];
  readonly capabilities: readonly string[];
  readonly roles: readonly string[];
  readonly site: string;
  readonly version: string;
  /** Passes streams on for others. */
  readonly relays: boolean;
  /** Others dial out to it and stay connected. */
  readonly isHub: boolean;
}

/** Another node of the mesh, as its own signed record describes it. */
export interface PeerInfo extends NodeProfile {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly state: PeerState;
}

/** Who is in the mesh, without this node. */
export interface PeerDirectory {
  peer(nodeId: NodeId): PeerInfo | undefined;
  peers(): readonly PeerInfo[];
}

/** One way to a node. */
export interface RoutePath {
  /** Node ids after this node; the last one is the target. */
  readonly path: readonly NodeId[];
  /** Round trip in milliseconds, as the links on the way measured it. */
  readonly costMs: number;
}

export interface Route extends RoutePath {
  readonly target: NodeId;
  readonly nextHop: NodeId;
  /** Ways with another next hop, best first. */
  readonly alternatives: readonly RoutePath[];
}

export interface RouteDirectory {
  routes(): readonly Route[];
  /** Best first; each hop but the last one passes streams on. Empty when none is known. */
  pathsTo(target: NodeId): readonly RoutePath[];
  costMsTo(target: NodeId): number | undefined;
}

/** Something that runs on a node, as the node announces it to the mesh. */
export interface ServiceAnnouncement {
  readonly name: string;
  readonly capabilities: readonly string[];
  readonly protocol: "http" | "tcp";
  readonly health: "ok" | "failing" | "unknown";
  /** Requests and connections that are under way. */
  readonly load: number;
}

export interface AnnouncedServices {
  readonly nodeId: NodeId;
  readonly services: readonly ServiceAnnouncement[];
}
