/** Where another member is, as the own coordinator tells it. */

import type { MemberId, TrustDomain } from "@hearthmesh/core";
import { type Clock, limits, MeshError, parseMemberId, parseTrustDomain } from "@hearthmesh/core";
import { describeMemberCa, type TrustBundle } from "@hearthmesh/identity";
import type { ApiClient } from "./api-client.js";
import { type CoordinatorContact, CoordinatorFinder, parseContact } from "./coordinator-finder.js";

export interface PeerContact {
  /** What the peer is called here. */
  readonly alias: string;
  readonly trustDomain: TrustDomain;
  readonly memberId: MemberId;
  readonly caCertificatesPem: readonly string[];
  readonly coordinators: readonly CoordinatorContact[];
}

/** Certificates of one CA that is being renewed. */
const CA_CERTIFICATES_MAX = 8;

/** By alias, trust domain or member id. `MESH_PEER_UNKNOWN`. */
export async function peerContact(api: ApiClient, name: string): Promise<PeerContact> {
  const path = `/api/peers/${encodeURIComponent(name)}/contact`;
  return parsePeerContact(await api.call<unknown>("GET", path));
}

function parsePeerContact(answer: unknown): PeerContact {
  const { alias, trustDomain, memberId, caCertificatesPem, coordinators } = (answer ??
    {}) as Record<string, unknown>;
  if (!Array.isArray(caCertificatesPem) || !Array.isArray(coordinators)) throw incomplete();
  return {
    alias: parseMemberId(String(alias)),
    trustDomain: parseTrustDomain(String(trustDomain)),
    memberId: parseMemberId(String(memberId)),
    caCertificatesPem: caCertificatesPem.slice(0, CA_CERTIFICATES_MAX).map(String),
    coordinators: coordinators.slice(0, limits.PEER_COORDINATORS_MAX).map(parseContact),
  };
}

/** What speaks for the peer: the CAs of its own domain. One of another domain is not taken. */
export function peerBundle({ trustDomain, caCertificatesPem }: PeerContact): TrustBundle {
  const own = caCertificatesPem.filter((pem) => describeMemberCa(pem).trustDomain === trustDomain);
  if (own.length > 0) return { trustDomain, sequence: 0, caCertificatesPem: own };
  throw new MeshError("MESH_CERT_UNTRUSTED", { message: `no CA of ${trustDomain} is known` });
}

/** Knows the peer's coordinators, and remembers which of them answers and leads. */
export function peerFinder(peer: PeerContact, clock: Clock): CoordinatorFinder {
  const [first] = peer.coordinators;
  if (first === undefined) {
    throw new MeshError("MESH_UNREACHABLE", { message: "no address of its coordinator is known" });
  }
  const known = { contacts: peer.coordinators, learntAtMs: clock.nowMs() };
  return new CoordinatorFinder(first, known);
}

function incomplete(): MeshError {
  return new MeshError("MESH_PROTOCOL", { message: "the contact of the peer is not complete" });
}
