/** What `/mesh/status` and `/mesh/peers` tell about the overlay. */
import type { MeshPeer, OverlayReport } from "@hearthmesh/gateway/contracts";
import { parseEndpoint } from "@hearthmesh/identity";
import type { OpenLink, PeerInfo } from "@hearthmesh/membership";
import type { Overlay } from "./overlay.js";

type Placed = Pick<PeerInfo, "name" | "linkAddresses">;

/** Null without an overlay. */
export function overlayReport(
  overlay: Overlay | undefined,
  nodes: readonly Placed[],
): OverlayReport | null {
  if (overlay === undefined) return null;
  const { type, phase, reason, restarts, ...known } = overlay.status();
  const peers = overlay.peers().map((peer) => ({
    ...peer,
    node: nodes.find((node) => addressIn(overlay, node) === peer.address)?.name ?? null,
  }));
  return {
    type,
    state: phase,
    ...(reason === undefined ? {} : { reason }),
    address: known.address ?? null,
    subnet: known.subnet ?? null,
    key: known.key ?? null,
    version: known.version ?? null,
    uptimeSeconds: known.uptimeSeconds ?? null,
    restarts,
    connected: peers.filter(({ up }) => up).length,
    peers,
  };
}

/** Nothing for a node that announced no address in it. */
export function overlayOfPeer(
  overlay: Overlay | undefined,
  peer: Placed,
  used: OpenLink | undefined,
): Pick<MeshPeer, "overlay"> {
  const address = overlay === undefined ? undefined : addressIn(overlay, peer);
  if (overlay === undefined || address === undefined) return {};
  const isDirect = used?.kind === "direct";
  const inUse = isDirect && overlay.contains(hostOf(used.link.peer.remoteAddress));
  return { overlay: { address, inUse } };
}

function addressIn(overlay: Overlay, { linkAddresses }: Placed): string | undefined {
  return linkAddresses.map(hostOf).find((host) => overlay.contains(host));
}

/** Empty for what is no endpoint: peers choose what they announce. */
function hostOf(endpoint: string): string {
  try {
    return parseEndpoint(endpoint).host;
  } catch {
    return "";
  }
}
