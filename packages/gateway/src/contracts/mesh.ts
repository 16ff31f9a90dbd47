/** The mesh as one node sees it: `/mesh/status`, `/mesh/peers`, `/mesh/routes`. */
import { z } from "zod";
import { Timestamp } from "./common.js";

const RoundTrip = z.number().nullable().describe("Milliseconds; null until it was measured");

export const DiscoveryMethod = z.enum(["beacon", "static", "hub", "invite", "snapshot", "gossip"]);
export type DiscoveryMethod = z.infer<typeof DiscoveryMethod>;

export const DiscoveryReport = z.object({
  method: DiscoveryMethod,
  state: z.enum(["working", "waiting", "failing", "off"]),
  reason: z.string().exactOptional().describe("Why it is not working, and what to do"),
  last: Timestamp.nullable().describe("When it last found somebody"),
});

export const RelayReport = z.object({
  enabled: z.boolean(),
  streams: z.number().int().describe("Passed on now"),
  bytes: z.number().describe("Passed on since the start"),
  refused: z.record(z.string(), z.number()).describe("Refused, by reason"),
});

export const MeshStatusResponse = z
  .object({
    time: Timestamp,
    state: z
      .enum(["connected", "alone", "off"])
      .describe("alone: no other node of this mesh is reachable"),
    node: z.object({
      id: z.string(),
      name: z.string(),
      memberId: z.string(),
      roles: z.array(z.string()),
      capabilities: z.array(z.string()),
      version: z.string(),
    }),
    active_peers: z.number().int().describe("Other nodes that are alive or suspected"),
    known_peers: z.number().int(),
    membership: z.object({
      address: z.string().nullable().describe("UDP; null when datagrams are off"),
      profile: z.string(),
      incarnation: z.number().int(),
      healthScore: z.number().int().describe("0 is well; higher when this node itself lags"),
      datagramsIn: z.number(),
      datagramsOut: z.number(),
      refused: z.record(z.string(), z.number()).describe("Datagrams and claims, by reason"),
    }),
    discovery: z.array(DiscoveryReport),
    relay: RelayReport,
    routes: z.number().int(),
    services: z.number().int(),
  })
  .meta({ id: "MeshStatus" });
export type MeshStatusResponse = z.infer<typeof MeshStatusResponse>;

export const MeshPeer = z
  .object({
    nodeId: z.string(),
    name: z.string(),
    state: z.enum(["alive", "suspect", "dead", "left"]),
    roles: z.array(z.string()),
    capabilities: z.array(z.string()),
    site: z.string(),
    version: z.string(),
    addresses: z.array(z.string()).describe("Of its links"),
    link: z.enum(["direct", "relayed", "none"]),
    via: z.array(z.string()).describe("Names of the relays on the way, the nearest first"),
    roundTripMs: RoundTrip,
    foundBy: z.array(z.object({ method: DiscoveryMethod, at: Timestamp })),
    reason: z.string().exactOptional().describe("Why there is no direct link to it"),
  })
  .meta({ id: "MeshPeer" });
export type MeshPeer = z.infer<typeof MeshPeer>;

export const MeshPeersResponse = z
  .object({
    count: z.number().int().describe("Peers that are there"),
    peers: z.array(MeshPeer).describe("Alive or suspected, by name"),
    missing: z.array(MeshPeer).describe("Dead, gone, or found and not reached"),
  })
  .meta({ id: "MeshPeers" });
export type MeshPeersResponse = z.infer<typeof MeshPeersResponse>;

const RouteWay = z.object({
  path: z.array(z.string()).describe("Names of the nodes on the way; the last is the target"),
  cost: z.number().describe("Round trip in milliseconds"),
});

export const MeshRoute = RouteWay.extend({
  destination: z.string().describe("Node id"),
  name: z.string(),
  next_hop: z.string().describe("Name of the first node on the way"),
  alternatives: z.array(RouteWay),
}).meta({ id: "MeshRoute" });
export type MeshRoute = z.infer<typeof MeshRoute>;

export const MeshRoutesResponse = z
  .object({ routes: z.array(MeshRoute).describe("By name of the destination") })
  .meta({ id: "MeshRoutes" });
export type MeshRoutesResponse = z.infer<typeof MeshRoutesResponse>;
