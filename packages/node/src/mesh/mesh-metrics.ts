/** Metrics of the mesh, from the same facts as its report. */
import type { MetricName, MetricValue } from "@hearthmesh/gateway/plain";
import type { MeshPart } from "./mesh-part.js";

const STATES = ["alive", "suspect", "left"] as const;
const HEALTHS = ["ok", "failing", "unknown"] as const;

type MeshMetric = Extract<MetricName, MetricValue["name"]>;

/** None while the mesh is off. */
export function meshMetrics(mesh: MeshPart | undefined, node: string): MetricValue[] {
  if (mesh === undefined) return [];
  const { swim, links, routes, relay, services } = mesh.parts;
  const { overlay } = mesh;
  const one = (name: MeshMetric, value: number, labels: Record<string, string> = {}) => {
    return { name, labels: { node, ...labels }, value };
  };
  const peers = swim.peers();
  // Membership forgets the dead after a minute; who watches should not, until they are back or
  // removed. An address without a node is nobody.
  const lost = mesh.peers().missing.filter((one) => one.state === "dead" && one.nodeId !== "");
  const open = links.openLinks();
  const { datagramsIn, datagramsOut, linkDatagramsIn, linkDatagramsOut, refused } = swim.counters;
  const { all } = relay.status();
  const known = services.all();
  return [
    ...STATES.map((state) =>
      one("mesh_peers", peers.filter((peer) => peer.state === state).length, { state }),
    ),
    one("mesh_peers", lost.length, { state: "dead" }),
    ...(["direct", "relayed"] as const).map((kind) =>
      one("mesh_peer_links", open.filter((link) => link.kind === kind).length, { kind }),
    ),
    one("mesh_routes", routes.routes().length),
    one("mesh_membership_health", swim.healthScore),
    one("mesh_datagrams_total", datagramsIn + linkDatagramsIn, { direction: "in" }),
    one("mesh_datagrams_total", datagramsOut + linkDatagramsOut, { direction: "out" }),
    ...Object.entries(refused).map(([reason, count]) =>
      one("mesh_membership_refused_total", count, { reason }),
    ),
    one("mesh_relay_streams", all.openStreams),
    one("mesh_relay_bytes_total", all.bytes),
    ...Object.entries(all.refused).map(([reason, count]) =>
      one("mesh_relay_refused_total", count, { reason }),
    ),
    ...(overlay === undefined
      ? []
      : [
          one("mesh_overlay_up", Number(overlay.status().phase === "up")),
          one("mesh_overlay_peers", overlay.peers().filter(({ up }) => up).length),
          one("mesh_overlay_restarts_total", overlay.status().restarts),
        ]),
    ...HEALTHS.map((health) =>
      one("mesh_services", known.filter((service) => service.health === health).length, { health }),
    ),
  ];
}
