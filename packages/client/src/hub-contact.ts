/** Asks a hub where its links are. */
import { type Clock, MeshError, type NodeId, parseNodeId } from "@hearthmesh/core";
import type { HubContactResponse } from "@hearthmesh/gateway/contracts";
import { type Endpoint, parseEndpoint } from "@hearthmesh/identity";
import { askVerified } from "./enrol.js";

export interface HubContact {
  readonly nodeId: NodeId;
  /** `host:port`, best first. */
  readonly linkAddresses: readonly string[];
}

const ADDRESSES_MAX = 16;
const IDLE_TIMEOUT_MS = 5_000;

/**
 * `endpoint` is the enrolment port of a coordinator whose CA is known. Throws `MESH_UNREACHABLE`,
 * `MESH_TIMEOUT`, `MESH_CERT_UNTRUSTED` when somebody else answers, and `MESH_PROTOCOL`.
 */
export async function fetchHubContact(options: {
  endpoint: Endpoint;
  caCertificatePem: string;
  clock: Clock;
  signal?: AbortSignal;
}): Promise<HubContact> {
  const { endpoint, caCertificatePem, clock, signal } = options;
  const request = { method: "GET", path: "/hub", signal, idleTimeoutMs: IDLE_TIMEOUT_MS };
  const answer = await askVerified<HubContactResponse>(endpoint, request, caCertificatePem, clock);
  const { linkAddresses } = answer;
  if (!Array.isArray(linkAddresses) || linkAddresses.length > ADDRESSES_MAX) {
    throw new MeshError("MESH_PROTOCOL", { message: "the hub's answer is not complete" });
  }
  for (const address of linkAddresses) parseEndpoint(address);
  return { nodeId: parseNodeId(answer.nodeId), linkAddresses };
}
