/**
 * A node of another mesh that was introduced here, by its own certificate on a TLS connection to
 * the HTTP door. It is checked against the CA that it had when it was introduced, and against
 * nothing else; its key must be the one that was introduced. It may do what its introduction says.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { NodeId } from "@hearthmesh/core";
import {
  createVerifier,
  nodeIdOfPublicKey,
  type Principal,
  parseCertificate,
} from "@hearthmesh/identity";
import type { GatewayServices } from "../services.js";
import type { Caller } from "./policy.js";

/** The certificate of a connection, checked once; whether its node is still known each time. */
export class IntroducedCallers {
  readonly #services: Pick<GatewayServices, "authority" | "clock">;
  readonly #principals = new WeakMap<Socket, Principal>();

  constructor(services: Pick<GatewayServices, "authority" | "clock">) {
    this.#services = services;
  }

  /**
   * Undefined without a certificate, and with that of a node that is not known here. Throws
   * `MESH_CERT_*` and `MESH_ADDRESS_REFUSED`.
   */
  callerOf(socket: Socket, address: string): Caller | undefined {
    const { authority, clock } = this.#services;
    const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined;
    const nodeId = certificate === undefined ? undefined : keyOf(certificate);
    if (certificate === undefined || nodeId === undefined) return undefined;
    const record = authority.introductions.get(nodeId);
    if (record === undefined) return undefined;
    const { trustDomain, caCertificatePem, scopes } = record;
    let principal = this.#principals.get(socket);
    if (principal === undefined || clock.nowMs() > principal.notAfterMs) {
      const bundle = { trustDomain, sequence: 1, caCertificatesPem: [caCertificatePem] };
      principal = createVerifier(bundle).verify([certificate], { nowMs: clock.nowMs() });
      this.#principals.set(socket, principal);
    }
    authority.allowLists.require(nodeId, address);
    return { principal, proved: false, operator: false, scopes };
  }
}

function keyOf(certificate: Uint8Array): NodeId | undefined {
  try {
    return nodeIdOfPublicKey(parseCertificate(certificate).publicKeyDer);
  } catch {
    return undefined;
  }
}
