/** Makes the parts of the mesh and ties them together; nothing is started here. */

import type { NodeId } from "@hearthmesh/core";
import {
  createVerifier,
  decodePem,
  type Principal,
  parseCertificate,
  publicKeyDerOf,
  signerOf,
  type TrustBundle,
} from "@hearthmesh/identity";
import {
  Discovery,
  type HubSource,
  MeshLinkTable,
  openServiceHealth,
  RELAY_POLICY_DEFAULT,
  RelayService,
  RouteRuntime,
  ServiceAccess,
  type ServiceHealth,
  ServiceRegistry,
  SWIM_LAN,
  SWIM_LOOPBACK,
  SWIM_WAN,
  type SwimConfig,
  SwimRuntime,
  systemServiceProber,
} from "@hearthmesh/membership";
import type { Link } from "@hearthmesh/qwormhole";
import { outsideAddresses } from "../addresses.js";
import type { Config } from "../config/config.js";
import type { CredentialHolder } from "../credential-holder.js";
import type { NodeFiles, NodeRecord } from "../home.js";
import type { LinkDoors } from "../link-doors.js";
import { operatorList } from "../operator-list.js";
import type { Overlay } from "../overlay/overlay.js";
import type { Tools } from "../tools.js";
import { VERSION } from "../version.js";
import type { GuestServices } from "./guest-services.js";
import { findHub, parseHubAddress } from "./hub-address.js";
import type { MeshSecretKeeper } from "./mesh-secret-keeper.js";
import { snapshotStore } from "./mesh-snapshot.js";
import { isProcessGone } from "./process-gone.js";

const PROFILES: Readonly<Record<Config["mesh"]["profile"], SwimConfig>> = {
  lan: SWIM_LAN,
  wan: SWIM_WAN,
  loopback: SWIM_LOOPBACK,
};

/**
 * A relay through which a way failed comes last for this long: it may not be to blame, and the
 * announcements of the others say within seconds what is wrong.
 */
const AVOID_FAILED_MS = 5_000;

export interface MeshPartsOptions extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly credentials: CredentialHolder;
  readonly publicKeyPem: string;
  readonly doors: LinkDoors;
  readonly files: Pick<NodeFiles, "services" | "membership">;
  /** The CAs of this member. */
  readonly bundle: TrustBundle;
  isRevoked(nodeId: NodeId): boolean;
  readonly secrets: MeshSecretKeeper;
  /** Introduced nodes of other meshes; undefined on a node without a coordinator. */
  guestServices?(): GuestServices | undefined;
  linkToGuest?(nodeId: NodeId, signal?: AbortSignal): Promise<Link> | undefined;
  guestName?(nodeId: NodeId): string | undefined;
  /** Links are made over it too. */
  readonly overlay?: Overlay | undefined;
}

export type MeshParts = ReturnType<typeof makeMeshParts>;

export function makeMeshParts(options: MeshPartsOptions) {
  const { config, record, doors, clock, random, log } = options;
  const self = record.nodeId;
  const capabilities =
    config.mesh.capabilities ?? (record.roles.includes("storage") ? ["storage"] : []);
  const links: MeshLinkTable = new MeshLinkTable({
    self,
    dialer: doors,
    peers: { peer: (nodeId) => swim.peer(nodeId) },
    routes: { pathsTo: (nodeId) => routes.pathsTo(nodeId) },
    relayCandidates: () => openRelays(links, swim),
    onPathFailed: ([first]) => {
      if (first !== undefined) routes.avoid(first, AVOID_FAILED_MS);
    },
    clock,
    random,
    log,
  });
  const swim = makeSwim(options, links, capabilities);
  const routes = makeRoutes(options, links, swim);
  const relay = new RelayService({
    self,
    policy: relayPolicy(config),
    dialer: doors,
    directTo: (nodeId, given) => links.directTo(nodeId, given),
    adopt: (link, path) => links.adopt(link, path, "accepted"),
    clock,
    log,
  });
  const discovery = makeDiscovery(options, links, swim);
  const registry = new ServiceRegistry({
    storage: operatorList(options.files.services, {
      noun: "services",
      command: "mesh service add",
    }),
    ownPorts: () => ownPorts(config),
    log,
  });
  const probe = systemServiceProber();
  const health = openServiceHealth({ registry, probe, clock, random, log });
  const services = makeServices(options, { links, swim, routes, registry, health });
  return { capabilities, links, swim, routes, relay, discovery, registry, health, services };
}

function makeSwim(
  options: MeshPartsOptions,
  links: MeshLinkTable,
  capabilities: readonly string[],
): SwimRuntime {
  const { config, record, credentials, publicKeyPem, files, isRevoked } = options;
  const { clock, random, log } = options;
  const { keyPem } = credentials.current;
  const { udp, host, port } = config.mesh.membership;
  const verifier = createVerifier(options.bundle);
  return new SwimRuntime({
    config: PROFILES[config.mesh.profile],
    self: {
      nodeId: record.nodeId,
      name: record.name,
      privateKeyPem: keyPem,
      publicKey: publicKeyDerOf(publicKeyPem),
      certificateDer: () => decodePem("CERTIFICATE", credentials.current.certificatePem),
      address: () => outsideAddresses({ host, port }, config.advertise)[0] ?? `127.0.0.1:${port}`,
      meta: () => ({
        linkAddresses: outsideAddresses(config.links, config.advertise),
        roles: record.roles,
        capabilities,
        site: config.site,
        version: VERSION,
        relays: config.mesh.relay.enabled,
        isHub: config.mesh.serveAsHub ?? record.roles.includes("coordinator"),
      }),
    },
    sign: signerOf(keyPem),
    udp: udp ? { host, port } : undefined,
    links,
    verifyCertificate: (der) => {
      const principal = verifier.verify([der], { nowMs: clock.nowMs() });
      requireMachine(principal);
      const { nodeId, name, notAfterMs } = principal;
      return { nodeId, name, notAfterMs, publicKey: parseCertificate(der).publicKeyDer };
    },
    isRevoked,
    isProcessGone: (peer, remoteAddress) => isProcessGone(peer, remoteAddress, clock),
    snapshots: snapshotStore(files.membership),
    clock,
    random,
    log,
  });
}

function requireMachine({ kind, name }: Principal): void {
  if (kind === "node" || kind === "coordinator") return;
  throw new Error(`${name} is no node of this member`);
}

function makeRoutes(
  { config, record, credentials, publicKeyPem, clock, random, log }: MeshPartsOptions,
  links: MeshLinkTable,
  swim: SwimRuntime,
): RouteRuntime {
  const own = publicKeyDerOf(publicKeyPem);
  return new RouteRuntime({
    self: { nodeId: record.nodeId, sign: signerOf(credentials.current.keyPem) },
    relays: config.mesh.relay.enabled,
    links,
    publicKeyOf: (nodeId) => (nodeId === record.nodeId ? own : swim.publicKeyOf(nodeId)),
    isHub: (nodeId) => swim.peer(nodeId)?.isHub ?? false,
    clock,
    random,
    log,
  });
}

function makeDiscovery(
  options: MeshPartsOptions,
  links: MeshLinkTable,
  swim: SwimRuntime,
): Discovery {
  const { config, record, credentials, publicKeyPem, doors, secrets } = options;
  const { clock, random, log } = options;
  const { coordinator } = record;
  return new Discovery({
    self: {
      nodeId: record.nodeId,
      publicKey: publicKeyDerOf(publicKeyPem),
      boot: Math.floor(clock.nowMs()),
      udpPort: config.mesh.membership.udp ? config.mesh.membership.port : 0,
      linkPort: config.links.port,
      sign: signerOf(credentials.current.keyPem),
    },
    secret: () => secrets.secret,
    beacon: { enabled: config.mesh.beacon.enabled, port: config.mesh.beacon.port },
    staticPeers: config.mesh.peers,
    ...(coordinator === undefined ? {} : { invite: coordinator }),
    hubs: config.mesh.hubs.map((text) => hubSource(text, options)),
    dialer: doors,
    links,
    onLink: (link) => swim.join(link),
    clock,
    random,
    log,
  });
}

function hubSource(text: string, { credentials, clock }: MeshPartsOptions): HubSource {
  const hub = parseHubAddress(text);
  return {
    label: hub.text,
    find: (signal) => {
      const { caCertificatePem } = credentials.current;
      return findHub(hub, { caCertificatePem, clock, signal });
    },
  };
}

function makeServices(
  options: MeshPartsOptions,
  parts: {
    links: MeshLinkTable;
    swim: SwimRuntime;
    routes: RouteRuntime;
    registry: ServiceRegistry;
    health: ServiceHealth;
  },
): ServiceAccess {
  const { record, guestServices, linkToGuest, guestName, clock, random, log } = options;
  const { links, swim, routes, registry, health } = parts;
  const isHere = (nodeId: NodeId) => {
    const state = swim.peer(nodeId)?.state;
    return state === "alive" || state === "suspect";
  };
  return new ServiceAccess({
    self: record.nodeId,
    registry,
    health,
    announced: () => [
      ...routes.announcedServices().filter(({ nodeId }) => isHere(nodeId)),
      ...(guestServices?.()?.announced() ?? []),
    ],
    links: {
      linkTo: (nodeId, { signal } = {}) =>
        linkToGuest?.(nodeId, signal) ?? links.linkTo(nodeId, signal ? { signal } : {}),
    },
    costMsTo: (nodeId) => routes.costMsTo(nodeId) ?? guestServices?.()?.costMsTo(nodeId),
    nameOf: (nodeId) =>
      nodeId === record.nodeId ? record.name : (swim.peer(nodeId)?.name ?? guestName?.(nodeId)),
    clock,
    random,
    log,
  });
}

function openRelays(links: MeshLinkTable, swim: SwimRuntime): NodeId[] {
  return links
    .openLinks()
    .filter(({ kind }) => kind === "direct")
    .map(({ link }) => link.peer.nodeId as NodeId)
    .filter((nodeId) => swim.peer(nodeId)?.relays === true);
}

function relayPolicy({ mesh }: Config) {
  const { enabled, streamsPerPeerMax, bytesPerSecond, streamBytesMax, streamTimeMsMax } =
    mesh.relay;
  return {
    ...RELAY_POLICY_DEFAULT,
    enabled,
    streamsPerPeerMax,
    bytesPerSecPerPeerMax: bytesPerSecond,
    streamBytesMax,
    streamMsMax: streamTimeMsMax,
  };
}

function ownPorts({ http, api, links, enrolment, metrics }: Config): number[] {
  return [http, api, links, enrolment, metrics].map(({ port }) => port);
}
