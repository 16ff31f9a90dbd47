/**
 * A node of another mesh that was introduced here, by its own certificate on a TLS connection to
 * the HTTP door. It may do what its introduction says.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type IntroducedPrincipal, introducedPrincipal } from "@hearthmesh/collective";
import type { GatewayServices } from "../services.js";
import type { Caller } from "./policy.js";

/** The certificate of a connection, checked once; whether its node is still known each time. */
export class IntroducedCallers {
  readonly #services: Pick<GatewayServices, "authority" | "clock">;
  readonly #known = new WeakMap<Socket, IntroducedPrincipal>();

  constructor(services: Pick<GatewayServices, "authority" | "clock">) {
    this.#services = services;
  }

  /**
   * Undefined without a certificate, and with that of a node that is not known here. Throws
   * `MESH_CERT_*` and `MESH_ADDRESS_REFUSED`.
   */
  callerOf(socket: Socket, address: string): Caller | undefined {
    const { authority, clock } = this.#services;
    const nowMs = clock.nowMs();
    let known = this.#known.get(socket);
    if (known === undefined || nowMs > known.principal.notAfterMs) {
      const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined;
      if (certificate === undefined) return undefined;
      known = introducedPrincipal(authority.introductions, [certificate], nowMs);
      if (known === undefined) return undefined;
      this.#known.set(socket, known);
    }
    const { principal } = known;
    const { scopes } = authority.introductions.get(principal.nodeId) ?? {};
    if (scopes === undefined) return undefined;
    authority.allowLists.require(principal.nodeId, address);
    return { principal, proved: false, operator: false, scopes };
  }
}
