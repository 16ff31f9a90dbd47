/**
 * Hubs as `MESH_HUB` names them: `https://host[:port]`, the enrolment port of a coordinator, which
 * says where its links are; or `host:port` of the links of any node.
 */
import { fetchHubContact, type HubContact } from "@hearthmesh/client/enrolment";
import { type Clock, MeshError, type NodeId } from "@hearthmesh/core";
import { type Endpoint, formatEndpoint, parseEndpoint } from "@hearthmesh/identity";

export interface HubAddress {
  /** As it was written. */
  readonly text: string;
  /** Enrolment ports to ask, in order; none when `linkAddress` says it all. */
  readonly enrolment: readonly Endpoint[];
  readonly linkAddress: string | undefined;
}

/** Where https is by itself, then where enrolment is by itself. */
const PORTS_WITHOUT_ONE = [443, 9001];

/** Throws `MESH_CONFIG_INVALID` that says what a hub looks like. */
export function parseHubAddress(text: string): HubAddress {
  if (!text.includes("://")) {
    const linkAddress = readOr(text, () => formatEndpoint(parseEndpoint(text)));
    return { text, enrolment: [], linkAddress };
  }
  const url = readOr(text, () => new URL(text));
  if (url.protocol !== "https:" || url.pathname !== "/" || url.search || url.username) {
    throw notAHub(text);
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  // A URL leaves out the port of its own scheme, also when it was written.
  const isWritten = url.port !== "" || /^https:\/\/(\[[^\]]*\]|[^:/]*):443\/?$/i.test(text);
  const ports = isWritten ? [Number(url.port || 443)] : PORTS_WITHOUT_ONE;
  return { text, enrolment: ports.map((port) => ({ host, port })), linkAddress: undefined };
}

/** Where the hub's links are now. Throws what the last of its ports said. */
export async function findHub(
  hub: HubAddress,
  options: { caCertificatePem: string; clock: Clock; signal?: AbortSignal },
): Promise<{ nodeId?: NodeId; linkAddresses: readonly string[] }> {
  if (hub.linkAddress !== undefined) return { linkAddresses: [hub.linkAddress] };
  let failure: unknown = notAHub(hub.text);
  for (const endpoint of hub.enrolment) {
    try {
      const contact = await fetchHubContact({ endpoint, ...options });
      return { nodeId: contact.nodeId, linkAddresses: reachable(contact, endpoint) };
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

/** The host that answered first, with the port of the links: it is the one that we can reach. */
function reachable({ linkAddresses }: HubContact, { host }: Endpoint): readonly string[] {
  const [first] = linkAddresses;
  if (first === undefined) return [];
  const here = formatEndpoint({ host, port: parseEndpoint(first).port });
  return [here, ...linkAddresses.filter((address) => address !== here)];
}

function readOr<Result>(text: string, read: () => Result): Result {
  try {
    return read();
  } catch {
    throw notAHub(text);
  }
}

function notAHub(text: string): MeshError {
  return new MeshError("MESH_CONFIG_INVALID", {
    message: `${JSON.stringify(text.slice(0, 200).replace(/\/\/.*@/, "//...@"))} is no hub`,
    hint: "MESH_HUB holds https://host[:port] of a coordinator, or host:port of a node's links.",
  });
}
