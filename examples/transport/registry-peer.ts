/** A peer of `peer-registry.ts`: shows who is there, whenever that changes. */
import { QWormholeClient } from "@hearthmesh/qwormhole";
import {
  MESH_HOST,
  MESH_NODE_ID,
  MESH_PORT,
  MESH_REGION,
  onStop,
  unlessStopped,
} from "./environment.js";

interface PeerUpdate {
  type: string;
  peers: { nodeId: string; region: string; capabilities: string[] }[];
}

const client = new QWormholeClient<PeerUpdate>({
  host: MESH_HOST,
  port: MESH_PORT,
  protocolVersion: "mesh-1.0",
  handshakeTags: {
    nodeId: MESH_NODE_ID ?? "beta",
    region: MESH_REGION ?? "eu-central",
    capabilities: ["gpu", "storage"],
  },
});

client.on("message", ({ type, peers }) => {
  if (type !== "peer-update") return;
  const who = peers.map(
    ({ nodeId, region, capabilities }) => `${nodeId} (${region}: ${capabilities.join(", ")})`,
  );
  console.log(`peer-update: ${who.join("; ")}`);
});

onStop(() => client.disconnect());
await client.connect().catch(unlessStopped);
