/**
 * Nodes of other meshes that were introduced here. Each is known by the key that it proved, and its
 * certificate is checked against the CA of its own member alone; it may use the services that its
 * introduction allows, and nothing else.
 */
import type { IntroductionRecord } from "@hearthmesh/collective";
import { introducedPrincipal } from "@hearthmesh/collective/admission";
import { type Clock, MeshError, type NodeId } from "@hearthmesh/core";
import { isForeign, type Principal } from "@hearthmesh/identity";

/** A principal of another mesh. Parts that do not know guests never get to see one. */
export interface GuestPrincipal extends Principal {
  readonly guest: { readonly scopes: readonly string[] };
}

export function isGuest(principal: Principal): principal is GuestPrincipal {
  return "guest" in principal;
}

/** Introduced, or of a peer. */
export function isOfAnotherMember(principal: Principal): boolean {
  return isGuest(principal) || isForeign(principal);
}

export interface Introduced {
  list(): readonly IntroductionRecord[];
  get(nodeId: NodeId): IntroductionRecord | undefined;
}

export class Guests {
  readonly #introduced: Introduced;
  readonly #clock: Clock;

  constructor(introduced: Introduced, clock: Clock) {
    this.#introduced = introduced;
    this.#clock = clock;
  }

  list(): readonly IntroductionRecord[] {
    return this.#introduced.list();
  }

  get(nodeId: NodeId): IntroductionRecord | undefined {
    return this.#introduced.get(nodeId);
  }

  /** CAs that the TLS port lets through to `principalOf`, which then insists on the key. */
  caCertificatesPem(): string[] {
    return [...new Set(this.#introduced.list().map((one) => one.caCertificatePem))];
  }

  /** Throws `MESH_CERT_UNTRUSTED` for a key that nobody introduced, and `MESH_CERT_*`. */
  principalOf(certificates: readonly Uint8Array[]): GuestPrincipal {
    if (certificates.length === 0) throw new MeshError("MESH_UNAUTHENTICATED");
    const known = introducedPrincipal(this.#introduced, certificates, this.#clock.nowMs());
    if (known === undefined) throw notIntroduced();
    return { ...known.principal, guest: { scopes: known.record.scopes } };
  }

  /** Whether it is still introduced, and its certificate has not ended. Throws as above. */
  check(principal: GuestPrincipal): void {
    if (this.#introduced.get(principal.nodeId) === undefined) throw notIntroduced();
    if (this.#clock.nowMs() > principal.notAfterMs) throw new MeshError("MESH_CERT_EXPIRED");
  }
}

function notIntroduced(): MeshError {
  return new MeshError("MESH_CERT_UNTRUSTED", {
    message: "the key is of no node of this mesh, and of none that was introduced to it",
  });
}
