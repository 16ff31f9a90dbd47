/**
 * A small mesh with real TLS links, for tests: each node has a listener, a table of links and a
 * relay. Who may dial whom, a test says; a node that none may dial is behind a NAT.
 */
import {
  type Clock,
  type NodeId,
  parseNodeId,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import {
  type Address,
  dialLink,
  type Link,
  type LinkHandlers,
  type LinkListener,
  type LinkStream,
  linkOverStream,
  listenLinks,
  nodeIdOfPublicKey,
  type Transport,
  tlsTransport,
} from "@hearthmesh/qwormhole";
import { type TestAuthority, testAuthority } from "@hearthmesh/qwormhole/testing";
import type { LinkDialer, LinkPath, PeerInfo, RoutePath } from "../../ports.js";
import { RELAY_METHOD } from "../../relay/relay-header.js";
import { RELAY_POLICY_DEFAULT, type RelayPolicy } from "../../relay/relay-policy.js";
import { RelayService } from "../../relay/relay-service.js";
import { MeshLinkTable } from "../mesh-links.js";

export interface RelayMeshOptions {
  /** Default: TLS over loopback. */
  transport?: Transport;
  clock?: Clock;
  policy?: Partial<RelayPolicy>;
}

export class RelayMesh {
  readonly options: RelayMeshOptions;
  readonly authority: TestAuthority = testAuthority();
  readonly nodes: MeshNode[] = [];

  constructor(options: RelayMeshOptions = {}) {
    this.options = options;
  }

  async node(name: string, handlers: LinkHandlers = {}): Promise<MeshNode> {
    const node = new MeshNode(this, name, handlers);
    await node.listen();
    this.nodes.push(node);
    return node;
  }

  close(): void {
    for (const node of this.nodes) node.stop();
  }
}

export class MeshNode {
  readonly mesh: RelayMesh;
  readonly name: string;
  readonly id: NodeId;
  readonly table: MeshLinkTable;
  readonly relay: RelayService;
  /** Whom this node knows by an address that answers. */
  readonly reachable = new Set<MeshNode>();
  readonly paths = new Map<NodeId, RoutePath[]>();
  hubs: NodeId[] = [];
  /** Dials that are held until a test lets them go on. */
  beforeDial: () => Promise<void> = async () => {};
  /** Takes the links that come through relays. */
  adoptRelayed = (link: Link, path: LinkPath): void => this.table.adopt(link, path, "accepted");
  /** Answers a relayed stream that ends here. */
  acceptOver = (stream: LinkStream): Promise<Link> =>
    linkOverStream(stream, "listener", {
      ...this.#linkOptions(),
      credentials: () => this.#issued.credentials,
    });
  /** What streams of other methods are given to; `relay.open` is the relay's. */
  readonly #handlers: LinkHandlers;
  readonly #transport: Transport;
  readonly #issued: ReturnType<TestAuthority["issue"]>;
  readonly dialer: LinkDialer;
  #listener: LinkListener | undefined;

  constructor(mesh: RelayMesh, name: string, handlers: LinkHandlers) {
    this.mesh = mesh;
    this.name = name;
    this.#handlers = handlers;
    this.#issued = mesh.authority.issue(name);
    this.id = parseNodeId(nodeIdOfPublicKey(this.#issued.identity.publicKey));
    const { credentials } = this.#issued;
    this.#transport = mesh.options.transport ?? tlsTransport({ credentials: () => credentials });
    this.dialer = this.#makeDialer();
    const clock = mesh.options.clock ?? systemClock();
    this.table = new MeshLinkTable({
      self: this.id,
      dialer: this.dialer,
      peers: { peer: (nodeId) => this.#peer(nodeId) },
      routes: { pathsTo: (target) => this.paths.get(target) ?? [] },
      relayCandidates: () => this.hubs,
      clock,
      random: systemRandom(),
      log: silentLogger,
    });
    this.relay = new RelayService({
      self: this.id,
      policy: { ...RELAY_POLICY_DEFAULT, ...mesh.options.policy },
      dialer: this.dialer,
      directTo: (nodeId, options) => this.table.directTo(nodeId, options),
      adopt: (link, path) => this.adoptRelayed(link, path),
      clock,
      log: silentLogger,
    });
  }

  get port(): number {
    return this.#listener?.address.port ?? 0;
  }

  /** Links that others dialled and that are open. */
  get accepted(): number {
    return this.#listener?.links.size ?? 0;
  }

  get address(): Address {
    return this.#listener?.address ?? { host: "127.0.0.1", port: 0 };
  }

  /** Both know how to dial this one. */
  knows(...others: MeshNode[]): this {
    for (const other of others) this.reachable.add(other);
    return this;
  }

  stop(): void {
    this.relay.close();
    for (const link of this.#listener?.links ?? []) link.destroy(new Error("the node stops"));
    for (const { link } of this.table.openLinks()) link.destroy(new Error("the node stops"));
    void this.#listener?.close();
    void this.table.close("the node stops", 0);
  }

  async listen(): Promise<void> {
    const address = { host: this.mesh.options.transport ? this.name : "127.0.0.1", port: 0 };
    this.#listener = await listenLinks(this.#transport, address, this.#linkOptions(), (link) =>
      this.table.adopt(link, { kind: "direct", via: [] }, "accepted"),
    );
  }

  #linkOptions() {
    const handlers = this.#handlers;
    return {
      identity: this.#issued.identity,
      handlers: {
        ...handlers,
        onStream: async (stream: LinkStream) => {
          if (stream.method === RELAY_METHOD) await this.relay.onStream(stream);
          else await handlers.onStream?.(stream);
        },
      },
    };
  }

  #makeDialer(): LinkDialer {
    const linkOptions = this.#linkOptions();
    const over = { ...linkOptions, credentials: () => this.#issued.credentials };
    return {
      dial: async (address, options): Promise<Link> => {
        await this.beforeDial();
        return dialLink(this.#transport, address, { ...linkOptions, ...options });
      },
      dialOver: (stream, options) => linkOverStream(stream, "dialer", { ...over, ...options }),
      acceptOver: (stream) => this.acceptOver(stream),
    };
  }

  #peer(nodeId: NodeId): PeerInfo | undefined {
    const node = this.mesh.nodes.find(({ id }) => id === nodeId);
    if (node === undefined) return undefined;
    const { host, port } = node.address;
    return {
      nodeId,
      name: node.name,
      state: "alive",
      linkAddresses: this.reachable.has(node) ? [`${host}:${port}`] : [],
      capabilities: [],
      roles: [],
      site: "",
      version: "",
      relays: true,
      isHub: true,
    };
  }
}

/** Waits until something has become so; tests have their own time limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
