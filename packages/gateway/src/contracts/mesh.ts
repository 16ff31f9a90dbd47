/** The mesh as one node sees it: `/mesh/status`, `/mesh/peers`, `/mesh/routes`. */
import { z } from "zod";
import { Timestamp } from "./common.js";

const RoundTrip = z.number().nullable().describe("Milliseconds; null until it was measured");

export const DiscoveryMethod = z.enum(["beacon", "static", "hub", "invite", "snapshot", "gossip"]);
export type DiscoveryMethod = z.infer<typeof DiscoveryMethod>;

export const DiscoveryReport = z.lazy(() =>
  z.object({
    method: DiscoveryMethod,
    state: z.enum(["working", "waiting", "failing", "off"]),
    reason: z.string().exactOptional().describe("Why it is not working, and what to do"),
    last: Timestamp.nullable().describe("When it last found somebody"),
  }),
);

export const RelayReport = z.lazy(() =>
  z.object({
    enabled: z.boolean(),
    streams: z.number().int().describe("Passed on now"),
    bytes: z.number().describe("Passed on since the start"),
    refused: z.record(z.string(), z.number()).describe("Refused, by reason"),
  }),
);

export const OverlayPeerView = z.lazy(() =>
  z.object({
    key: z.string().describe("Public key in the overlay, hexadecimal; empty while not connected"),
    address: z.string().describe("In the overlay; empty while not connected"),
    node: z.string().nullable().describe("Name of the node of this mesh that has this address"),
    remote: z.string().describe("Where it was dialled, or calls from"),
    up: z.boolean(),
    inbound: z
      .boolean()
      .nullable()
      .describe("Whether it called this node; null where the program does not say: before 0.5"),
    uptimeSeconds: z.number(),
    bytesIn: z.number(),
    bytesOut: z.number(),
    reason: z.string().exactOptional().describe("Why it is not connected"),
  }),
);

export const OverlayReport = z
  .lazy(() =>
    z.object({
      type: z.string().describe("yggdrasil"),
      state: z
        .enum(["stopped", "starting", "up", "silent", "down"])
        .describe("silent: its program runs and does not answer; down: it is started again"),
      reason: z.string().exactOptional().describe("Why it is not up, or nobody is connected"),
      address: z.string().nullable().describe("Of this node; null without an interface"),
      subnet: z.string().nullable(),
      key: z.string().nullable().describe("Public key of this node in the overlay, hexadecimal"),
      version: z.string().nullable().describe("Of its program, where it says it"),
      uptimeSeconds: z.number().nullable().describe("Since its program was started"),
      restarts: z.number().int().describe("Ends of its program that nobody asked for"),
      connected: z.number().int().describe("Overlay peers that are connected directly"),
      peers: z.array(OverlayPeerView),
    }),
  )
  .meta({ id: "MeshOverlay" });
export type OverlayReport = z.infer<typeof OverlayReport>;

export const MeshStatusResponse = z
  .lazy(() =>
    z.object({
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
      overlay: OverlayReport.nullable().describe("null without one"),
      routes: z.number().int(),
      services: z.number().int(),
    }),
  )
  .meta({ id: "MeshStatus" });
export type MeshStatusResponse = z.infer<typeof MeshStatusResponse>;

export const MeshPeer = z
  .lazy(() =>
    z.object({
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
      overlay: z
        .object({
          address: z
            .string()
            .describe("That it announced; who is there is asked for a certificate"),
          inUse: z.boolean().describe("The link to it goes over the overlay"),
        })
        .exactOptional()
        .describe("Where both nodes are in the overlay"),
      reason: z.string().exactOptional().describe("Why there is no direct link to it"),
    }),
  )
  .meta({ id: "MeshPeer" });
export type MeshPeer = z.infer<typeof MeshPeer>;

export const MeshPeersResponse = z
  .lazy(() =>
    z.object({
      count: z.number().int().describe("Peers that are there"),
      peers: z.array(MeshPeer).describe("Alive or suspected, by name"),
      missing: z.array(MeshPeer).describe("Dead, gone, or found and not reached"),
    }),
  )
  .meta({ id: "MeshPeers" });
export type MeshPeersResponse = z.infer<typeof MeshPeersResponse>;

const RouteWay = z.lazy(() =>
  z.object({
    path: z.array(z.string()).describe("Names of the nodes on the way; the last is the target"),
    cost: z.number().describe("Round trip in milliseconds"),
  }),
);

export const MeshRoute = z
  .lazy(() =>
    RouteWay.unwrap().extend({
      destination: z.string().describe("Node id"),
      name: z.string(),
      next_hop: z.string().describe("Name of the first node on the way"),
      alternatives: z.array(RouteWay),
    }),
  )
  .meta({ id: "MeshRoute" });
export type MeshRoute = z.infer<typeof MeshRoute>;

export const MeshRoutesResponse = z
  .lazy(() => z.object({ routes: z.array(MeshRoute).describe("By name of the destination") }))
  .meta({ id: "MeshRoutes" });
export type MeshRoutesResponse = z.infer<typeof MeshRoutesResponse>;
