/** Multi-region mesh, the coordinator: routes messages to the workers of a region. */
import { jsonDeserializer, QWormholeServer } from "@hearthmesh/qwormhole";
import { MESH_HOST, MESH_PORT, onStop } from "./environment.js";

interface MeshMessage {
  type: string;
  targetRegion?: string;
  payload: unknown;
}

const server = new QWormholeServer<MeshMessage>({
  host: MESH_HOST,
  port: MESH_PORT,
  protocolVersion: "mesh-1.0",
  deserializer: jsonDeserializer,
  handshakeTags: { nodeId: "coordinator", region: "us-west" },
  // A worker that reads too slowly loses messages; `send` does not throw because of it.
  channels: { rpc: { whenFull: "drop-newest" } },
});

// Track peers by region
const regionPeers = new Map<string, Set<string>>();

server.on("connection", (client) => {
  const region = String(client.handshake?.tags?.region ?? "unknown");

  if (!regionPeers.has(region)) {
    regionPeers.set(region, new Set());
  }
  regionPeers.get(region)?.add(client.id);
  console.log(`${client.handshake?.tags?.nodeId} is in ${region}`);
});

server.on("clientClosed", ({ client }) => {
  for (const peerIds of regionPeers.values()) peerIds.delete(client.id);
});

server.on("message", ({ data }) => {
  if (data.type === "broadcast" && data.targetRegion) {
    // Route to specific region
    const targets = regionPeers.get(data.targetRegion);
    if (targets) {
      for (const peerId of targets) {
        const peer = server.getConnection(peerId);
        peer?.send(data.payload);
      }
    }
  }
});

onStop(() => server.close());
await server.listen();
console.log(`Coordinator listening on ${MESH_HOST}:${MESH_PORT}`);
