/**
 * Whom a node without an authority believes: its own member by the CA and the newest list of
 * revoked keys, and peers by the newest list of those. A coordinator sends both lists.
 */
import { join } from "node:path";
import { type Clock, MeshError, type NodeId } from "@hearthmesh/core";
import {
  type CertificateVerifier,
  createVerifier,
  ForeignVerifier,
  isForeign,
  type Principal,
  type TrustBundle,
  verifyOwnOrForeign,
} from "@hearthmesh/identity";
import { TrustMirror } from "./federation/trust-mirror.js";
import type { MethodPart } from "./method-router.js";
import { RevocationMirror } from "./revocation-mirror.js";

export interface NodeTrustOptions {
  /** Directory in which the lists are kept. */
  readonly home: string;
  readonly bundle: TrustBundle;
  readonly clock: Clock;
  onRevoked(nodeId: NodeId): void;
  /** Peers came or went: their links may not be good any longer. */
  onPeersChanged(): void;
}

export class NodeTrust {
  readonly #clock: Clock;
  readonly #revocations: RevocationMirror;
  readonly #peers: TrustMirror;
  readonly #own: CertificateVerifier;
  readonly #foreign: ForeignVerifier;

  private constructor(
    { clock, bundle }: NodeTrustOptions,
    revocations: RevocationMirror,
    peers: TrustMirror,
  ) {
    this.#clock = clock;
    this.#revocations = revocations;
    this.#peers = peers;
    this.#own = createVerifier(bundle);
    this.#foreign = new ForeignVerifier(peers);
  }

  /** `MESH_STORE_CORRUPT` when a list on the disk is damaged. */
  static async open(options: NodeTrustOptions): Promise<NodeTrust> {
    const { home, bundle, onRevoked, onPeersChanged: onChanged } = options;
    const path = (name: string) => join(home, name);
    const revocations = { path: path("revocations.json"), bundle, onRevoked };
    const peers = { path: path("peers.json"), bundle, onChanged };
    return new NodeTrust(
      options,
      await RevocationMirror.open(revocations),
      await TrustMirror.open(peers),
    );
  }

  isRevoked(nodeId: NodeId): boolean {
    return this.#revocations.isRevoked(nodeId);
  }

  foreignAuthoritiesPem(): string[] {
    return this.#peers.caCertificatesPem();
  }

  /** Throws `MESH_CERT_*`. */
  principalOf(certificates: readonly Uint8Array[]): Principal {
    const nowMs = this.#clock.nowMs();
    const principal = verifyOwnOrForeign(certificates, this.#own, this.#foreign, nowMs);
    this.#revocations.check(principal);
    return principal;
  }

  /** Whether it still holds; throws as above. */
  check(principal: Principal): void {
    this.#revocations.check(principal);
    const nowMs = this.#clock.nowMs();
    if (isForeign(principal)) this.#foreign.check(principal, nowMs);
    else if (nowMs > principal.notAfterMs) throw new MeshError("MESH_CERT_EXPIRED");
  }

  /** `node.peers` and `node.revocations`. */
  methods(): MethodPart[] {
    return [
      this.#peers.part(),
      {
        prefixes: ["node."],
        handlers: { onRequest: (request) => this.#revocations.onRequest(request) },
      },
    ];
  }
}
