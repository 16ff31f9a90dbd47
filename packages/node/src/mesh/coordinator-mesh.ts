/** The mesh of a coordinator: beside its own nodes it knows those that were introduced to it. */
import { NodeProbe } from "@hearthmesh/client";
import {
  type Authority,
  EnrolmentLimiter,
  type IntroductionRecord,
  IntroductionWatch,
  LinkPool,
  type NodeIdentityClaim,
  nodeFingerprint,
} from "@hearthmesh/collective";
import { MeshError, type NodeId, parseMemberId, type Startable } from "@hearthmesh/core";
import { IDENTITY_LIMITS, type IntroductionServices } from "@hearthmesh/gateway";
import { isForeign, type Principal, signerOf, type TrustBundle } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import { outsideAddresses } from "../addresses.js";
import type { LinkDoors } from "../link-doors.js";
import { VERSION } from "../version.js";
import { GuestServices } from "./guest-services.js";
import { type GuestPrincipal, type Guests, isGuest } from "./guests.js";
import { MeshPart } from "./mesh-part.js";
import type { MeshPartsOptions } from "./mesh-parts.js";

export interface CoordinatorMeshOptions
  extends Omit<MeshPartsOptions, "bundle" | "isRevoked" | "doors"> {
  readonly authority: Authority;
}

/** Who calls on a link: of this member, of a peer, or a node that was introduced to it. */
export class LinkCallers {
  readonly #authority: Authority;
  readonly guests: Guests;

  constructor(authority: Authority, guests: Guests) {
    this.#authority = authority;
    this.guests = guests;
  }

  /** CAs beside the member's own that TLS lets through to `principalOf`. */
  foreignAuthoritiesPem(): string[] {
    const all = [...this.guests.caCertificatesPem(), ...this.#authority.peers.caCertificatesPem()];
    return [...new Set(all)];
  }

  /** Throws `MESH_CERT_*` and `MESH_ADDRESS_REFUSED`. */
  principalOf(certificates: readonly Uint8Array[], host: string): Principal {
    const principal = this.#known(certificates);
    this.#authority.allowLists.require(principal.nodeId, host);
    return principal;
  }

  /** Whether it still holds; throws as above. */
  check(principal: Principal): void {
    if (isGuest(principal)) this.guests.check(principal);
    if (isForeign(principal) || !isGuest(principal)) this.#authority.check(principal);
  }

  #known(certificates: readonly Uint8Array[]): Principal {
    try {
      const principal = this.#authority.principal(certificates);
      if (!isForeign(principal)) return principal;
      // A node of a peer that was introduced besides may use the services that it could before.
      const scopes = this.guests.get(principal.nodeId)?.scopes;
      if (scopes === undefined) return principal;
      const both: GuestPrincipal = { ...principal, guest: { scopes } };
      return both;
    } catch (error) {
      if ((error as { code?: unknown }).code !== "MESH_CERT_UNTRUSTED") throw error;
      return this.guests.principalOf(certificates);
    }
  }
}

export class CoordinatorMesh implements Startable {
  readonly name = "mesh";
  readonly mesh: MeshPart;
  readonly introductions: IntroductionServices;
  readonly #options: CoordinatorMeshOptions;
  readonly #doors: LinkDoors;
  readonly #pool: LinkPool;
  readonly #watch: IntroductionWatch;
  readonly #guestServices: GuestServices;
  #stopFollowing: () => void = () => undefined;

  constructor(options: CoordinatorMeshOptions, doors: LinkDoors, guests: Guests) {
    const { authority, record, credentials, clock, log } = options;
    this.#options = options;
    this.#doors = doors;
    this.#pool = new LinkPool({ dial: (address, given) => doors.dial(address, given), clock, log });
    const bundle: TrustBundle = {
      trustDomain: authority.trustDomain,
      sequence: 1,
      caCertificatesPem: [authority.caCertificatePem],
    };
    this.mesh = new MeshPart({
      ...options,
      doors,
      bundle,
      isRevoked: (nodeId) => authority.isRevoked(nodeId),
      guestServices: () => this.#guestServices,
      linkToGuest: (nodeId, signal) => this.#linkToGuest(nodeId, signal),
      guestName: (nodeId) => guests.get(nodeId)?.name,
    });
    const { services } = this.mesh.parts;
    this.#guestServices = new GuestServices({
      guests,
      linkTo: (node, signal) => this.#linkTo(node, signal),
      localServices: () => services.localServices(),
      clock,
      log,
    });
    const prober = new NodeProbe({ clock, random: options.random });
    this.#watch = new IntroductionWatch({
      introductions: authority.introductions,
      prober,
      clock,
      log,
    });
    this.introductions = {
      self: () => this.#claim(),
      sign: signerOf(credentials.current.keyPem),
      limiter: new EnrolmentLimiter(IDENTITY_LIMITS),
      prober,
      watch: this.#watch,
      peers: () => this.mesh.parts.swim.peers(),
    };
    this.#stopFollowing = authority.introductions.onChange((nodeId) => {
      doors.reloadAuthorities();
      const isGone = guests.get(nodeId) === undefined;
      if (isGone && nodeId !== record.nodeId) this.#cut(nodeId);
      this.#guestServices.askSoon();
    });
  }

  async start(): Promise<void> {
    await this.mesh.start();
    await this.#watch.start();
    await this.#guestServices.start();
  }

  async stop(): Promise<void> {
    this.#stopFollowing();
    await this.#guestServices.stop();
    await this.#watch.stop();
    await this.#pool.close();
    await this.mesh.stop();
  }

  /** A member node is revoked by its own list; this is for one that was introduced. */
  #cut(nodeId: NodeId): void {
    if (this.#options.authority.identity(nodeId) !== undefined) return;
    const message = "it was introduced, and is so no longer";
    this.#doors.cut(nodeId, new MeshError("MESH_CERT_UNTRUSTED", { message }));
  }

  #linkToGuest(nodeId: NodeId, signal: AbortSignal | undefined): Promise<Link> | undefined {
    const node = this.#options.authority.introductions.get(nodeId);
    if (node === undefined || this.#options.authority.identity(nodeId) !== undefined) {
      return undefined;
    }
    return this.#linkTo(node, signal);
  }

  #linkTo(node: IntroductionRecord, signal: AbortSignal | undefined): Promise<Link> {
    const reported = this.#watch.stateOf(node.nodeId).reported?.linkAddresses ?? [];
    const info = {
      nodeId: node.nodeId,
      name: node.name,
      memberId: node.memberId,
      roles: [],
      addresses: [...new Set([...addressesAt(node), ...reported, ...node.linkAddresses])],
      version: node.version,
      state: "online" as const,
      lastSeenMs: 0,
    };
    return this.#pool.linkTo(info, signal);
  }

  #claim(): NodeIdentityClaim {
    const { config, record, credentials, authority } = this.#options;
    const { certificatePem } = credentials.current;
    return {
      v: 1,
      nodeId: record.nodeId,
      name: record.name,
      memberId: parseMemberId(record.memberId),
      trustDomain: authority.trustDomain,
      roles: record.roles,
      capabilities: this.mesh.parts.capabilities,
      version: VERSION,
      caCertificatePem: authority.caCertificatePem,
      certificatePem,
      linkAddresses: outsideAddresses(config.links, config.advertise),
      fingerprint: nodeFingerprint(record.nodeId),
    };
  }
}

/** The host of its URL first: it is the one that was reached from here. */
function addressesAt({ url, linkAddresses }: IntroductionRecord): string[] {
  const port = /:(\d+)$/.exec(linkAddresses[0] ?? "")?.[1];
  return port === undefined ? [] : [`${new URL(url).hostname}:${port}`];
}
