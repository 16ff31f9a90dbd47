/**
 * The mesh on a node: membership, discovery, links by node, routes, relay and services, started in
 * an order in which each finds what it needs, and told of what the others learn.
 */
import {
  errorFields,
  MeshError,
  type NodeId,
  type Startable,
  startAll,
  stopAll,
} from "@hearthmesh/core";
import type {
  MeshPeersResponse,
  MeshRoutesResponse,
  MeshStatusResponse,
  ServiceAddRequest,
  ServiceView,
} from "@hearthmesh/gateway/contracts";
import { type MeshService, ServiceProxy } from "@hearthmesh/gateway/plain";
import type { OpenLink, PeerChange } from "@hearthmesh/membership";
import type { Link, LinkHandlers } from "@hearthmesh/qwormhole";
import { outsideAddresses } from "../addresses.js";
import type { LinkOrigin } from "../link-doors.js";
import { isMachine, type MethodPart, principalOf } from "../method-router.js";
import { overOverlay } from "../overlay/over-overlay.js";
import type { Overlay } from "../overlay/overlay.js";
import { type MeshParts, type MeshPartsOptions, makeMeshParts } from "./mesh-parts.js";
import { MeshReport } from "./mesh-report.js";
import { TIME_METHOD, timeHandlers } from "./mesh-time.js";
import { MeshWatch } from "./mesh-watch.js";

export class MeshPart implements Startable, MeshService {
  readonly name = "mesh";
  readonly parts: MeshParts;
  readonly proxy: ServiceProxy;
  readonly #options: MeshPartsOptions;
  readonly #report: MeshReport;
  readonly #unsubscribe: (() => void)[] = [];
  readonly #watch: MeshWatch;
  /** None without an overlay. */
  readonly #overOverlay: readonly Startable[];

  constructor(options: MeshPartsOptions) {
    this.#options = options;
    this.parts = makeMeshParts(options);
    const { config, record, clock, random, log } = options;
    const { swim, discovery } = this.parts;
    this.#watch = new MeshWatch({
      swim,
      addresses: () => outsideAddresses(config.links, config.advertise),
      onChanged: () => {
        swim.updateSelf();
        discovery.networkChanged();
      },
      clock,
      log,
    });
    this.#overOverlay = overOverlay(options, this.parts);
    const pseudonym = `${record.name}-${record.nodeId.slice(0, 8)}`;
    this.proxy = new ServiceProxy({ access: this.parts.services, pseudonym, clock, random, log });
    this.#report = new MeshReport({ ...options, ...this.parts });
  }

  /** What is served on links, and to whom. */
  methods(): MethodPart[] {
    const { swim, routes, relay, services } = this.parts;
    const { secrets, guestServices } = this.#options;
    const own: Readonly<Record<string, LinkHandlers>> = {
      "mesh.secret": secrets.handlers,
      [TIME_METHOD]: timeHandlers(this.#options.clock),
    };
    return [
      {
        prefixes: ["mesh."],
        callers: "machines",
        handlers: {
          onRequest: (request) => {
            const { onRequest } = own[request.method] ?? swim.handlers;
            if (onRequest === undefined) throw new MeshError("MESH_INTERNAL");
            return onRequest(request);
          },
        },
      },
      { prefixes: ["route."], callers: "machines", handlers: routes.handlers },
      {
        prefixes: ["relay."],
        callers: "machines",
        handlers: { onStream: (stream) => relay.onStream(stream) },
      },
      {
        prefixes: ["service."],
        callers: "machines-and-guests",
        handlers: {
          ...services.handlers,
          onRequest: (request) => {
            const onRequest = guestServices?.()?.handlers.onRequest;
            if (onRequest === undefined) throw new MeshError("MESH_FORBIDDEN");
            return onRequest(request);
          },
        },
      },
    ];
  }

  async start(): Promise<void> {
    const { swim, links, routes, discovery, registry, health, services } = this.parts;
    // A coordinator speaks to the one that leads before its mesh runs.
    const early = links.openLinks();
    this.#unsubscribe.push(
      links.onLink((open, isOpen) => this.#onLink(open, isOpen)),
      swim.onChange((change) => this.#onPeer(change)),
    );
    const announce = () => routes.setServices(services.localServices());
    this.#unsubscribe.push(registry.onChange(announce), health.onChange(announce));
    await registry.load();
    await swim.start();
    await routes.start();
    await health.start();
    for (const open of early) this.#onLink(open, true);
    await discovery.start();
    for (const { nodeId, linkAddresses } of swim.snapshotPeers()) {
      discovery.addCandidate("snapshot", { nodeId, linkAddresses });
    }
    await this.#watch.start();
    await startAll(this.#overOverlay);
  }

  async stop(): Promise<void> {
    const { swim, links, routes, relay, discovery, health } = this.parts;
    await stopAll(this.#overOverlay);
    await this.#watch.stop();
    await discovery.stop();
    await swim.stop();
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.proxy.close();
    relay.close();
    await health.stop();
    await routes.stop();
    await links.close();
  }

  /** Every link of the daemon comes here; those of people and of other meshes are left alone. */
  adopt(link: Link, origin: LinkOrigin): void {
    if (!isMachine(principalOf(link.peer))) return;
    if (origin !== "accepted" && origin !== "dialled") return;
    this.parts.links.adopt(link, { kind: "direct", via: [] }, origin);
  }

  /** The node was removed or revoked: it is gone at once, and stays so. */
  forget(nodeId: NodeId): void {
    this.parts.discovery.forget(nodeId);
    this.parts.swim.forget(nodeId);
    this.#options.secrets.rotate().catch((error: unknown) => {
      this.#options.log.warn("the secret of the mesh was not rotated", errorFields(error));
    });
  }

  /** Undefined without one. */
  get overlay(): Overlay | undefined {
    return this.#options.overlay;
  }

  /** The operator removed the node, or its key was revoked. */
  isRevoked(nodeId: NodeId): boolean {
    return this.#options.isRevoked(nodeId);
  }

  status(): MeshStatusResponse {
    return this.#report.status();
  }

  peers(): MeshPeersResponse {
    return this.#report.peers();
  }

  routes(): MeshRoutesResponse {
    return this.#report.routes();
  }

  services(): ServiceView[] {
    return this.#report.services();
  }

  async addService(request: ServiceAddRequest): Promise<ServiceView> {
    const { registry, services } = this.parts;
    const { name } = await registry.add(request);
    const added = services.all().find((one) => one.local && one.service === name);
    if (added === undefined) throw new MeshError("MESH_INTERNAL");
    return this.#report.serviceView(added);
  }

  async removeService(name: string): Promise<{ name: string }> {
    const removed = await this.parts.registry.remove(name);
    return { name: removed.name };
  }

  #onLink({ link, kind }: OpenLink, isOpen: boolean): void {
    if (!isOpen) return;
    const { swim } = this.parts;
    const { log, secrets } = this.#options;
    const nodeId = link.peer.nodeId as NodeId;
    log.debug("a link of the mesh is open", { nodeId, reason: kind });
    swim.join(link).catch((error: unknown) => {
      log.debug("views were not exchanged", { nodeId, ...errorFields(error) });
    });
    void secrets.learnFrom(link);
  }

  #onPeer({ peer, after }: PeerChange): void {
    const { discovery, routes } = this.parts;
    const { nodeId, linkAddresses } = peer;
    routes.keyKnown(nodeId);
    routes.memberChanged(nodeId, after);
    discovery.peerState(nodeId, after);
    if (after === "alive") discovery.addCandidate("gossip", { nodeId, linkAddresses });
  }
}
