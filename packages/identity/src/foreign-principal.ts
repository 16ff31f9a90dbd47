/**
 * Certificates of other members. The domain in the certificate only picks the bundle; the bundle of
 * that one domain then says whether the certificate is good. What one member signed is therefore
 * never good for another, whatever it writes into its certificates (CVE-2026-31360).
 */
import { isMeshError, MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import { parseCertificate } from "./certificate-parse.js";
import { type CertificateVerifier, createVerifier } from "./certificate-verify.js";
import { parseSpiffeId } from "./spiffe.js";
import type { Principal, PrincipalKind } from "./types.js";

/** Somebody of another member. */
export interface ForeignPrincipal extends Principal {
  readonly kind: "foreign";
  readonly foreignKind: PrincipalKind;
}

export function isForeign(principal: Principal): principal is ForeignPrincipal {
  return principal.kind === "foreign";
}

/** What is known of another member. A new object whenever it changes. */
export interface KnownMember {
  readonly trustDomain: TrustDomain;
  readonly caCertificatesPem: readonly string[];
  /** Nobody of it is believed any longer then. */
  readonly bundleNotAfterMs: number;
}

export interface KnownMembers {
  /** Never the own member. */
  get(trustDomain: TrustDomain): KnownMember | undefined;
  /** Whether the other member has revoked this key. */
  isRevoked(trustDomain: TrustDomain, nodeId: NodeId): boolean;
}

/**
 * Who a chain speaks for: somebody of the own member, by its own CA alone; else somebody of another
 * member, when it names one that is known. Throws the errors of both.
 */
export function verifyOwnOrForeign(
  chainDer: readonly Uint8Array[],
  own: CertificateVerifier,
  foreign: Pick<ForeignVerifier, "principalOf">,
  nowMs: number,
): Principal {
  try {
    return own.verify(chainDer, { nowMs });
  } catch (error) {
    if (!isMeshError(error, "MESH_CERT_UNTRUSTED")) throw error;
    const principal = foreign.principalOf(chainDer, nowMs);
    if (principal === undefined) throw error;
    return principal;
  }
}

export class ForeignVerifier {
  readonly #members: KnownMembers;
  readonly #verifiers = new WeakMap<KnownMember, CertificateVerifier>();

  constructor(members: KnownMembers) {
    this.#members = members;
  }

  /**
   * Who a chain (the certificate first) speaks for. Undefined when it names no domain that is
   * known. Throws the errors of `verifyCertificate` and of `check`.
   */
  principalOf(chainDer: readonly Uint8Array[], nowMs: number): ForeignPrincipal | undefined {
    const member = this.#memberNamedBy(chainDer[0]);
    if (member === undefined) return undefined;
    let verifier = this.#verifiers.get(member);
    if (verifier === undefined) {
      const { trustDomain, caCertificatesPem } = member;
      verifier = createVerifier({ trustDomain, sequence: 0, caCertificatesPem });
      this.#verifiers.set(member, verifier);
    }
    const { kind, ...verified } = verifier.verify(chainDer, { nowMs });
    if (kind === "foreign") throw new MeshError("MESH_INTERNAL");
    const principal: ForeignPrincipal = { ...verified, kind: "foreign", foreignKind: kind };
    this.check(principal, nowMs);
    return principal;
  }

  /**
   * Whether it still holds. `MESH_CERT_UNTRUSTED` when the member is no longer known,
   * `MESH_CERT_REVOKED`, `MESH_CERT_EXPIRED` for its certificate or for what is known of its
   * member.
   */
  check(principal: Principal, nowMs: number): void {
    const { trustDomain, nodeId, name, notAfterMs } = principal;
    const member = this.#members.get(trustDomain);
    if (member === undefined) {
      throw new MeshError("MESH_CERT_UNTRUSTED", {
        message: `${trustDomain} is no peer of this member`,
      });
    }
    if (nowMs > member.bundleNotAfterMs) {
      throw new MeshError("MESH_CERT_EXPIRED", {
        message: `nothing was heard of the member ${trustDomain} for too long to believe ${name}`,
        hint: "Once its coordinator can be reached again: `mesh peer refresh`.",
      });
    }
    if (this.#members.isRevoked(trustDomain, nodeId)) {
      throw new MeshError("MESH_CERT_REVOKED", {
        message: `${name} was revoked by the operator of ${trustDomain}`,
      });
    }
    if (nowMs > notAfterMs) throw new MeshError("MESH_CERT_EXPIRED");
  }

  #memberNamedBy(certificate: Uint8Array | undefined): KnownMember | undefined {
    if (certificate === undefined) return undefined;
    try {
      const [uri = ""] = parseCertificate(certificate).uris;
      return this.#members.get(parseSpiffeId(uri).trustDomain);
    } catch {
      return undefined;
    }
  }
}
