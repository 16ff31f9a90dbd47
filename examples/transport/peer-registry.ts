/** Node discovery with handshake tags: a registry that tells every peer who is there. */
import { QWormholeServer } from "@hearthmesh/qwormhole";
import { MESH_HOST, MESH_PORT, onStop } from "./environment.js";

interface PeerInfo {
  nodeId: string;
  region: string;
  capabilities: string[];
  connectedAt: number;
}

const peers = new Map<string, PeerInfo>();

const server = new QWormholeServer({
  host: MESH_HOST,
  port: MESH_PORT,
  protocolVersion: "mesh-1.0",
});

server.on("connection", (client) => {
  const tags = client.handshake?.tags as Record<string, unknown> | undefined;

  if (tags?.nodeId) {
    peers.set(client.id, {
      nodeId: String(tags.nodeId),
      region: String(tags.region ?? "unknown"),
      capabilities: Array.isArray(tags.capabilities) ? tags.capabilities.map(String) : [],
      connectedAt: Date.now(),
    });

    // Broadcast peer list to all nodes
    server.broadcast({
      type: "peer-update",
      peers: Array.from(peers.values()),
    });
  }
});

server.on("clientClosed", ({ client }) => {
  peers.delete(client.id);
  server.broadcast({
    type: "peer-update",
    peers: Array.from(peers.values()),
  });
});

onStop(() => server.close());
await server.listen();
console.log(`Registry listening on ${MESH_HOST}:${MESH_PORT}`);
