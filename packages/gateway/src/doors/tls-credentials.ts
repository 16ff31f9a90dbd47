/** TLS 1.3 settings of the doors, from the node's key and certificates. */
import type { ServerOptions } from "node:https";
import type { DoorCredentials } from "../services.js";

/** The CA certificate goes along in the chain, so that a newcomer can check the pin. */
export function tlsOptions(credentials: DoorCredentials): ServerOptions {
  return {
    minVersion: "TLSv1.3",
    ALPNProtocols: ["http/1.1"],
    key: credentials.privateKeyPem,
    cert: `${credentials.certificatePem.trimEnd()}\n${credentials.caCertificatePem}`,
  };
}

/**
 * Callers must show a certificate of this member's CA, or of one in `foreignCasPem`; who they are
 * is checked at each request, for those of peers by the bundle of their own domain alone.
 */
export function mutualTlsOptions(
  credentials: DoorCredentials,
  foreignCasPem: readonly string[],
): ServerOptions {
  return {
    ...tlsOptions(credentials),
    ca: [credentials.caCertificatePem, ...foreignCasPem],
    requestCert: true,
    rejectUnauthorized: true,
  };
}
