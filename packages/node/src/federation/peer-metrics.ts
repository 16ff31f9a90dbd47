/** Metrics of the peers, as this coordinator knows them. */
import type { PeerBook } from "@hearthmesh/collective";
import type { Clock } from "@hearthmesh/core";
import type { PeeringService } from "@hearthmesh/gateway";
import type { MetricValue } from "@hearthmesh/gateway/plain";

export function peerMetrics(options: {
  readonly member: string;
  readonly peers: Pick<PeerBook, "list">;
  readonly peering: Pick<PeeringService, "exchangeWith">;
  readonly clock: Clock;
}): MetricValue[] {
  const { member, peers, peering, clock } = options;
  return peers.list().flatMap((peer): MetricValue[] => {
    const labels = { member, peer: peer.alias };
    const { state } = peering.exchangeWith(peer);
    const up = state === "unknown" ? Number.NaN : Number(state === "ok");
    const trustSeconds = Math.max(0, (peer.bundleNotAfterMs - clock.nowMs()) / 1000);
    return [
      { name: "collective_peer_up", labels, value: up },
      { name: "collective_peer_trust_seconds", labels, value: trustSeconds },
    ];
  });
}
