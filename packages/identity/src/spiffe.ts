/**
 * SPIFFE ids: `spiffe://<trust domain>/<kind>/<name>`. A person's name is a global id with an
 * `@`, which the SPIFFE standard does not list for paths; it is kept because people read it, and
 * no other character beyond the standard's is allowed.
 */
import {
  MeshError,
  parseGlobalId,
  parseNodeName,
  parseTrustDomain,
  type TrustDomain,
} from "@hearthmesh/core";
import type { PrincipalKind } from "./types.js";

/** As the SPIFFE standard limits it. */
const TRUST_DOMAIN_BYTES_MAX = 255;
const FORM = /^spiffe:\/\/([a-z0-9.-]{1,255})\/(coordinator|node|person)\/([a-z0-9@._-]{1,320})$/;

export interface SpiffeId {
  readonly trustDomain: TrustDomain;
  readonly kind: PrincipalKind;
  readonly name: string;
}

/** Throws `MESH_BAD_REQUEST` when a part is not of its form. */
export function formatSpiffeId(id: SpiffeId): string {
  checkTrustDomain(id.trustDomain);
  checkName(id.kind, id.name);
  return `spiffe://${id.trustDomain}/${id.kind}/${id.name}`;
}

/** Throws `MESH_CERT_INVALID` for anything but exactly one of our ids. */
export function parseSpiffeId(text: string): SpiffeId {
  const match = FORM.exec(text);
  try {
    if (match === null) throw new Error("not of the form spiffe://domain/kind/name");
    const [, domain = "", kind = "", name = ""] = match;
    checkName(kind as PrincipalKind, name);
    return { trustDomain: checkTrustDomain(domain), kind: kind as PrincipalKind, name };
  } catch (cause) {
    throw new MeshError("MESH_CERT_INVALID", {
      message: "the certificate names no identity of a mesh",
      cause,
    });
  }
}

/** The domain, checked. Throws `MESH_BAD_REQUEST`. */
export function checkTrustDomain(domain: string): TrustDomain {
  if (domain.length > TRUST_DOMAIN_BYTES_MAX) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the domain is too long" });
  }
  return parseTrustDomain(domain);
}

function checkName(kind: PrincipalKind, name: string): void {
  if (kind === "person") parseGlobalId(name);
  else parseNodeName(name);
}
