/**
 * The coordinator role: authority, file service, and the doors for people and programs. The storage
 * role may run beside it in the same process and speaks to it over a link in memory.
 */
import {
  type Backup,
  type CoordinatorSeat,
  EnrolmentLimiter,
  FederatedFiles,
  KeyValueService,
} from "@hearthmesh/collective";
import {
  errorFields,
  limits,
  MeshError,
  parseMemberId,
  parseTrustDomain,
  type Startable,
  startAll,
  stopAll,
} from "@hearthmesh/core";
import {
  ApiDoor,
  type DoorCredentials,
  EnrolmentDoor,
  type GatewayServices,
  HttpMetrics,
  LoopbackDoor,
  MetricsDoor,
  OpenAiService,
  serviceUpgrade,
} from "@hearthmesh/gateway";
import type { CoordinatorView } from "@hearthmesh/gateway/contracts";
import { type Endpoint, type Principal, parseEndpoint } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import { reachableAddresses } from "./addresses.js";
import type { NodeModels } from "./ai/model-sources.js";
import { coordinatorCanary } from "./canary/coordinator-canary.js";
import type { Config } from "./config/config.js";
import type { CredentialHolder } from "./credential-holder.js";
import { storeFiles } from "./etcd/store-files.js";
import { storeService } from "./etcd/store-service.js";
import { followPeers, tellPeers } from "./federation/follow-peers.js";
import type { GatewayPeers } from "./federation/gateway-peers.js";
import { homeFiles } from "./federation/home-files.js";
import { withListingsAway } from "./federation/listing-away.js";
import { peerMetrics } from "./federation/peer-metrics.js";
import { Peering } from "./federation/peering.js";
import type { HealingPart } from "./healing/healing-part.js";
import { openNodeEvents } from "./healing/node-events.js";
import type { NodeCredentials, NodeRecord } from "./home.js";
import type { LinkDoors } from "./link-doors.js";
import type { MemberGround } from "./member-authority.js";
import type { CoordinatorMesh } from "./mesh/coordinator-mesh.js";
import { meshMetrics } from "./mesh/mesh-metrics.js";
import { NodeInviteFile } from "./node-invite-file.js";
import { NodeReport } from "./node-report.js";
import type { PeerLinks } from "./peer-links.js";
import type { NodePools } from "./pool/open-pools.js";
import { backupService } from "./recovery/backup-part.js";
import { sendRevocations } from "./revocation-mirror.js";
import type { Tools } from "./tools.js";
import { viewersOf } from "./viewer-list.js";

export interface CoordinatorPartOptions extends Tools {
  config: Config;
  record: NodeRecord;
  ground: MemberGround;
  seat: CoordinatorSeat;
  backup: Backup;
  credentials: CredentialHolder;
  links: LinkDoors;
  peers: PeerLinks;
  filesOfPeers: GatewayPeers;
  /** Undefined while the mesh is off. */
  mesh: CoordinatorMesh | undefined;
  pools: NodePools["doors"] | undefined;
  models: NodeModels["sources"];
  /** Undefined while it is off. */
  healing: HealingPart | undefined;
  startedAtMs: number;
}

export class CoordinatorPart implements Startable {
  readonly name = "coordinator";
  readonly #options: CoordinatorPartOptions;
  readonly #parts: readonly Startable[];
  readonly #keyValue: KeyValueService;
  readonly #events: ReturnType<typeof openNodeEvents>;
  readonly peering: Peering;
  /** The canary on the real path, as the doors tell it. */
  readonly ready: GatewayServices["ready"];
  #stopFollowing: () => void = () => undefined;

  constructor(options: CoordinatorPartOptions) {
    this.#options = options;
    const { config, seat, credentials, clock, log } = options;
    const { authority: policy, store } = options.ground;
    this.#keyValue = new KeyValueService({ store, policy, clock, log });
    const { leadership } = options.ground;
    const leads = () => leadership.state.role === "leader";
    this.peering = new Peering({ ...options, peers: policy.peers, leads });
    const healer = options.healing?.service;
    const swim = options.mesh?.mesh.parts.swim;
    this.#events = openNodeEvents({ nodeName: options.record.name, healer, swim, ...options });
    const events = this.#events.feed;
    const services = { ...gatewayServices(options, this.#keyValue, this.peering), events };
    const upgrade = serviceUpgrade(services);
    const metrics = new HttpMetrics(() => services.metrics());
    const tls = { services, metrics, credentials: doorCredentials(credentials.current) };
    const api = new ApiDoor({ ...config.api, ...tls, upgrade });
    const isOpen = config.mesh.enabled === "true";
    const isViewer = viewersOf(config);
    const viewing = isViewer === undefined ? {} : { isViewer };
    const http = new LoopbackDoor({ ...config.http, ...tls, ...viewing, isOpen, upgrade });
    const enrolment = new EnrolmentDoor({ ...config.enrolment, ...tls });
    credentials.onChange((present) => {
      api.reload(doorCredentials(present));
      enrolment.reload(doorCredentials(present));
      http.reload(doorCredentials(present));
    });
    const { health, ready } = services;
    this.ready = ready;
    const metricsText = async () => metrics.render();
    this.#parts = [
      seat,
      new MetricsDoor({ ...config.metrics, clock, log, metrics: metricsText, health, ready }),
      enrolment,
      api,
      http,
      ...nodeInviteFile(options, services),
      this.peering,
    ];
  }

  async start(): Promise<void> {
    const { ground, links, log } = this.#options;
    const { authority } = ground;
    const unfollowPeers = followPeers({ peers: authority.peers, doors: links, log });
    const unfollowRevoked = authority.onRevoked(({ nodeId }) => {
      links.cut(nodeId, new MeshError("MESH_CERT_REVOKED"));
      for (const link of links.links()) this.#tellRevocations(link);
      this.#options.mesh?.mesh.forget(nodeId);
      this.peering.tellSoon();
      log.info("revoked", { nodeId });
    });
    this.#stopFollowing = () => {
      unfollowPeers();
      unfollowRevoked();
    };
    await this.#announce();
    await startAll(this.#parts);
  }

  async stop(): Promise<void> {
    this.#stopFollowing();
    // Watches and waiting requests end first: the doors wait for what is under way.
    this.#keyValue.close();
    this.#events.close();
    await stopAll(this.#parts);
  }

  /** Every link of this member: the coordinator speaks to nodes over those that are open. */
  accept(link: Link): void {
    const { seat, ground, log } = this.#options;
    seat.attach(link);
    this.#tellRevocations(link);
    tellPeers(link, ground.authority.peers.trustList(), log);
  }

  /** Where this coordinator is, for nodes and clients that may need it one day. */
  async #announce(): Promise<void> {
    const { config, record, ground } = this.#options;
    const { nodeId, name } = record;
    const reachable = (door: Config["api"]) =>
      reachableAddresses(door, config.advertise).slice(0, limits.NODE_ADDRESSES_MAX);
    await ground.authority.coordinators.announce({
      nodeId,
      name,
      apiAddresses: reachable(config.api),
      linkAddresses: reachable(config.links),
      enrolmentAddresses: reachable(config.enrolment),
      storeAddresses: ground.memberStore.addresses(),
    });
  }

  /** Nodes refuse revoked peers themselves, so they get each list at once. */
  #tellRevocations(link: Link): void {
    const { ground, record, log } = this.#options;
    const { kind, name } = link.peer.identity as Principal;
    if (kind !== "node" || link.peer.nodeId === record.nodeId) return;
    sendRevocations(link, ground.authority.revocationList()).catch((error: unknown) =>
      log.debug("a node did not take the revocations", { nodeName: name, ...errorFields(error) }),
    );
  }
}

function nodeInviteFile(
  { config, ground, clock, log }: CoordinatorPartOptions,
  { enrolmentEndpoints: endpoints }: GatewayServices,
): Startable[] {
  const { nodeInviteFile: path } = config;
  if (path === undefined) return [];
  return [new NodeInviteFile({ path, authority: ground.authority, endpoints, clock, log })];
}

function doorCredentials(credentials: NodeCredentials): DoorCredentials {
  const { keyPem, certificatePem, caCertificatePem } = credentials;
  return { privateKeyPem: keyPem, certificatePem, caCertificatePem };
}

/** Its own addresses first; those of the other coordinators stand in when it is gone. */
function enrolmentEndpoints({ authority }: MemberGround, own: readonly string[]): Endpoint[] {
  const others = authority.coordinators.list().flatMap((one) => one.enrolmentAddresses);
  const all = [...new Set([...own, ...others])].slice(0, limits.INVITE_ENDPOINTS_MAX);
  return all.map(parseEndpoint);
}

function leaderView({ leadership }: MemberGround) {
  const { leader } = leadership.state;
  if (leader === undefined) return undefined;
  return { nodeId: leader.nodeId, name: leader.data.name, epoch: leader.epoch };
}

function coordinatorViews({ authority, leadership }: MemberGround): CoordinatorView[] {
  const { leader } = leadership.state;
  return authority.coordinators.list().map((contact) => ({
    nodeId: contact.nodeId,
    name: contact.name,
    isLeader: contact.nodeId === leader?.nodeId,
    apiAddresses: [...contact.apiAddresses],
    linkAddresses: [...contact.linkAddresses],
    enrolmentAddresses: [...contact.enrolmentAddresses],
  }));
}

function gatewayServices(
  options: CoordinatorPartOptions,
  keyValue: KeyValueService,
  peering: Peering,
): GatewayServices {
  const { config, record, ground, seat, peers, filesOfPeers, clock, random, log } = options;
  const { authority, store, leadership, memberStore } = ground;
  const { inference, endpoints, models, rings } = options.models;
  const canary = coordinatorCanary({ ...options, store, links: peers, inference: () => inference });
  const report = new NodeReport({
    ...options,
    authority,
    leadership,
    view: () => seat.view(),
    canary,
  });
  const openAi = new OpenAiService({ ...options.models, clock, random });
  const addressesOf = (door: Config["api"]) => () => reachableAddresses(door, config.advertise);
  return {
    clock,
    random,
    log,
    traces: options.traces,
    member: {
      id: parseMemberId(record.memberId),
      trustDomain: parseTrustDomain(record.trustDomain),
    },
    operator: authority.localOperator(),
    coordinatorContact: {
      nodeId: record.nodeId,
      apiAddresses: addressesOf(config.api),
      linkAddresses: addressesOf(config.links),
    },
    enrolmentEndpoints: () => enrolmentEndpoints(ground, addressesOf(config.enrolment)()),
    authority,
    peering,
    enrolmentLimiter: new EnrolmentLimiter(),
    coordinator: withListingsAway(seat, (principal) => filesOfPeers.away(principal)),
    coordinators: async () => coordinatorViews(ground),
    files: (principal) => {
      const own = { nodeId: record.nodeId, coordinator: seat, links: peers };
      const home = homeFiles({ ...own, clock, random, log }, () => principal);
      return new FederatedFiles(home, filesOfPeers.away(principal));
    },
    status: () => report.status(),
    health: () => report.health(),
    ready: () => report.ready(),
    metrics: async () => [
      ...(await report.metrics()),
      ...meshMetrics(options.mesh?.mesh, record.name),
      ...peerMetrics({ member: record.memberId, peers: authority.peers, peering, clock }),
      ...openAi.metrics(record.name),
      ...(options.healing?.metrics.values() ?? []),
      ...(await options.models.metrics()),
    ],
    keyValue,
    backup: backupService({
      ...{ config, authority, store, backup: options.backup },
      requireLeading: () => leadership.requireLeading(),
    }),
    store: storeService({
      source: memberStore.source,
      files: storeFiles(config, record),
      nodeName: record.name,
      leader: () => leaderView(ground),
    }),
    mesh: options.mesh?.mesh,
    pools: options.pools,
    inference,
    endpoints,
    models,
    rings,
    openAi,
    introductions: options.mesh?.introductions,
    healer: options.healing?.service,
  };
}
