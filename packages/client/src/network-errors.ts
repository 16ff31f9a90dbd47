/** What node:net, node:tls and node:http throw, in our words. */
import { type ErrorCode, isMeshError, MeshError } from "@hearthmesh/core";

const TLS_ALERTS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/alert certificate expired|CERT_HAS_EXPIRED/i, "MESH_CERT_EXPIRED"],
  [/alert certificate revoked/i, "MESH_CERT_REVOKED"],
  [/CERT_NOT_YET_VALID/, "MESH_CERT_INVALID"],
  [
    /alert (unknown ca|bad certificate|certificate unknown|access denied)|certificate required/i,
    "MESH_CERT_UNTRUSTED",
  ],
  [
    /SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|CERT_|ERR_TLS_CERT|signature failure/i,
    "MESH_CERT_UNTRUSTED",
  ],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HPE_|EPROTO|ERR_SSL/i, "MESH_PROTOCOL"],
];

const REASONS: Record<string, string> = {
  ECONNREFUSED: "the connection was refused",
  ENOTFOUND: "the name is not known",
  EAI_AGAIN: "the name could not be looked up",
  EHOSTUNREACH: "there is no way to this host",
  ENETUNREACH: "there is no way to this network",
  ETIMEDOUT: "no answer came in time",
  ECONNRESET: "the connection was closed by the other side",
  EPIPE: "the connection was closed by the other side",
};

/** `address` is `host:port`, for the message. */
export function networkError(error: unknown, address: string): MeshError {
  if (isMeshError(error)) return error;
  const { code = "", message = "" } = (error ?? {}) as { code?: string; message?: string };
  if ((error as Error | undefined)?.name === "AbortError") {
    return new MeshError("MESH_CANCELLED", { cause: error });
  }
  const known = TLS_ALERTS.find(([pattern]) => pattern.test(code) || pattern.test(message));
  const reason = REASONS[code] ?? (message || code || "it failed");
  const clocks = /not yet valid|expired/i.test(reason);
  return new MeshError(known?.[1] ?? "MESH_UNREACHABLE", {
    message: `${address}: ${reason}`,
    ...(clocks ? { hint: "Check that the clocks of both machines are right." } : {}),
    cause: error,
  });
}
