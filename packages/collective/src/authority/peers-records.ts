/** What is kept of peers, and how a bundle that was verified becomes a record. */
import {
  limits,
  type MemberId,
  MeshError,
  parseMemberId,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  decodePem,
  type KnownMember,
  type PeerContact,
  parseCertificate,
  type RevocationList,
  type SignedTrustBundle,
} from "@hearthmesh/identity";
import type { Versioned } from "./records.js";

/** Another member that this one has exchanged trust bundles with. */
export interface PeerRecord extends Versioned, KnownMember {
  readonly trustDomain: TrustDomain;
  /** As it calls itself. */
  readonly memberId: MemberId;
  /** As it is called here, in paths and commands; unique among the peers. */
  readonly alias: string;
  /** The one whose words the operators compared first. */
  readonly caCertificatesPem: readonly string[];
  /** Of the newest bundle that was taken. */
  readonly sequence: number;
  readonly issuedAtMs: number;
  readonly bundleNotAfterMs: number;
  readonly coordinators: readonly PeerContact[];
  readonly revocations: RevocationList;
  readonly acceptedAtMs: number;
  /** Operator that took the code (SPIFFE id), or `peer-invite/<id>` when the peer took ours. */
  readonly acceptedBy: string;
}

/** A peer that was removed here and does not know it yet: it is told for as long as it believes. */
export interface FarewellRecord extends Versioned {
  readonly trustDomain: TrustDomain;
  readonly caCertificatesPem: readonly string[];
  readonly coordinators: readonly PeerContact[];
  readonly removedAtMs: number;
}

/** What a bundle says, without its signature and without what nobody asked for. */
export function bundleFields(bundle: SignedTrustBundle) {
  const { trustDomain, memberId, sequence, issuedAtMs, notAfterMs, revocations } = bundle;
  return {
    trustDomain,
    memberId,
    caCertificatesPem: [...bundle.caCertificatesPem],
    sequence,
    issuedAtMs,
    bundleNotAfterMs: notAfterMs,
    coordinators: bundle.coordinators.map(contactOf),
    revocations,
  };
}

/** Where a coordinator is, without what else is known of it. */
export function contactOf(contact: PeerContact): PeerContact {
  const { nodeId, name, apiAddresses, linkAddresses, enrolmentAddresses } = contact;
  return { nodeId, name, apiAddresses, linkAddresses, enrolmentAddresses };
}

/** `MESH_BAD_REQUEST` for a name that cannot stand in a path, or that is the member's own. */
export function checkAlias(alias: string, ownMemberId: MemberId): string {
  const plain = alias.trim().toLowerCase();
  if (plain === ownMemberId) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${plain} is the name of this member itself`,
      hint: "Choose another name with `--as`.",
    });
  }
  return parseMemberId(plain);
}

/**
 * Refuses a bundle that would make two members look alike: of the own domain, or with a CA key (or
 * the identifier by which certificates name it) that is known for another domain. Certificates of
 * one could else be mistaken for those of the other while a connection is being made.
 */
export function refuseConfusable(
  bundle: SignedTrustBundle,
  own: { trustDomain: TrustDomain; caCertificatesPem: readonly string[] },
  peers: readonly PeerRecord[],
): void {
  if (bundle.trustDomain === own.trustDomain) {
    throw new MeshError("MESH_BUNDLE_INVALID", {
      message: "the trust bundle claims the domain of this member itself",
    });
  }
  const others = [own, ...peers].filter((one) => one.trustDomain !== bundle.trustDomain);
  for (const mark of bundle.caCertificatesPem.flatMap(marksOf)) {
    const holder = others.find((one) =>
      one.caCertificatesPem.some((pem) => marksOf(pem).includes(mark)),
    );
    if (holder === undefined) continue;
    throw new MeshError("MESH_BUNDLE_INVALID", {
      message: `a CA in the trust bundle is known as that of ${holder.trustDomain}`,
    });
  }
}

/** By what TLS finds the CA of a certificate: its key and the identifier of that key. */
function marksOf(caCertificatePem: string): string[] {
  const { publicKeyDer, subjectKeyId } = parseCertificate(
    decodePem("CERTIFICATE", caCertificatePem),
  );
  if (subjectKeyId === undefined || subjectKeyId.length === 0) {
    throw new MeshError("MESH_BUNDLE_INVALID", {
      message: "a CA in the trust bundle does not name its key",
    });
  }
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  return [`key ${hex(publicKeyDer)}`, `id ${hex(subjectKeyId)}`];
}

/** `MESH_PEER_EXISTS` when the alias or the domain is taken, `MESH_LIMIT` over `PEERS_MAX`. */
export function refuseTaken(
  alias: string,
  trustDomain: TrustDomain,
  peers: readonly PeerRecord[],
): void {
  const same = peers.find((peer) => peer.trustDomain === trustDomain);
  if (same !== undefined) {
    throw new MeshError("MESH_PEER_EXISTS", {
      message: `${trustDomain} is a peer already, as ${same.alias}`,
      hint: `Remove it first if it was set up anew: \`mesh peer remove ${same.alias}\`.`,
    });
  }
  if (peers.some((peer) => peer.alias === alias)) {
    throw new MeshError("MESH_PEER_EXISTS", {
      message: `another peer is called ${alias} here`,
      hint: "Choose another name with `--as`.",
    });
  }
  if (peers.length >= limits.PEERS_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `a member has at most ${limits.PEERS_MAX} peers`,
      hint: "Remove those that are gone: `mesh peer list`, `mesh peer remove`.",
    });
  }
}
