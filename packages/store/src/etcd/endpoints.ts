/** Which addresses and credentials an etcd client takes. */
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, type PeerCertificate } from "node:tls";
import type * as Grpc from "@grpc/grpc-js";
import { MeshError } from "@hearthmesh/core";
import {
  ENDPOINTS_MAX,
  KEEPALIVE_TIME_MS,
  KEEPALIVE_TIMEOUT_MS,
  RECEIVE_BYTES_MAX,
} from "./etcd-limits.js";

/** Of one side of mutual TLS. */
export interface TlsMaterial {
  /** What servers are verified with; may be the certificate of an intermediate authority. */
  readonly caCertificatePem: string;
  /** What this side shows, with the intermediates that lead to its authority. */
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

function invalid(message: string): MeshError {
  return new MeshError("MESH_CONFIG_INVALID", { message });
}

/**
 * Refuses with `MESH_CONFIG_INVALID` what is not `https://host:port`, or `http://` on this machine:
 * without TLS everybody on the way could read and change the store.
 */
export function validateEndpoints(endpoints: readonly string[], hasTls: boolean): void {
  if (endpoints.length === 0) throw invalid("no endpoint of etcd is named");
  if (endpoints.length > ENDPOINTS_MAX) {
    throw invalid(`${endpoints.length} endpoints are named; ${ENDPOINTS_MAX} are allowed`);
  }
  for (const endpoint of endpoints) {
    const match = /^(https?):\/\/([^/\s@]+):(\d{1,5})\/?$/.exec(endpoint);
    if (match === null) {
      throw invalid(`${JSON.stringify(endpoint)} is no endpoint: use https://host:port`);
    }
    if (match[1] === "http" && !LOOPBACK.test(match[2] ?? "")) {
      throw invalid(`${endpoint} is not encrypted: only https is taken beyond this machine`);
    }
    if (match[1] === "https" && !hasTls) {
      throw invalid(`${endpoint} needs the certificate of its authority`);
    }
  }
}

export function makeChannel(
  grpc: typeof Grpc,
  endpoint: string,
  tls: TlsMaterial | undefined,
): InstanceType<typeof Grpc.Channel> {
  const target = endpoint.replace(/^https?:\/\//, "").replace(/\/$/, "");
  const host = target.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const credentials = endpoint.startsWith("https:")
    ? grpc.credentials.createFromSecureContext(secureContext(tls), {
        checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
          checkServerIdentity(host, certificate),
      })
    : grpc.credentials.createInsecure();
  return new grpc.Channel(target, credentials, {
    // TLS names no addresses as server (RFC 6066); what is verified is the address all the same.
    ...(isIP(host) === 0 ? {} : { "grpc.ssl_target_name_override": "etcd" }),
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 1_000,
    "grpc.client_idle_timeout_ms": 2 ** 31 - 1,
    "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
    "grpc.max_send_message_length": -1,
    "grpc-node.flow_control_window": 1 << 18,
  });
}

function secureContext(tls: TlsMaterial | undefined) {
  if (tls === undefined) throw invalid("https needs the certificate of the store's authority");
  try {
    return createSecureContext({
      ca: tls.caCertificatePem,
      cert: tls.certificatePem,
      key: tls.privateKeyPem,
      minVersion: "TLSv1.2",
      // The store's authority is signed by the member's, which must not be trusted as a whole.
      ...{ allowPartialTrustChain: true },
    });
  } catch (cause) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: "the certificates for the store cannot be read",
      cause,
    });
  }
}
