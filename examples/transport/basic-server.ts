/** Basic mesh setup, node A: a server that knows its peers by their handshake tags. */
import { QWormholeRuntime } from "@hearthmesh/qwormhole";
import { MESH_HOST, MESH_NODE_ID, MESH_PORT, onStop } from "./environment.js";

const nodeId = MESH_NODE_ID ?? "alpha";

const rt = new QWormholeRuntime({
  protocolVersion: "mesh-1.0",
  handshakeTags: {
    nodeId,
    region: "us-west",
    role: "coordinator",
  },
});

const server = rt.createServer({
  host: MESH_HOST, // WireGuard interface IP
  port: MESH_PORT,
});

server.on("connection", (peer) => {
  console.log(`Peer connected: ${peer.handshake?.tags?.nodeId}`);
  console.log(`  Region: ${peer.handshake?.tags?.region}`);
  console.log(`  Address: ${peer.remoteAddress}`);
});

server.on("message", ({ client, data }) => {
  console.log(`Message from ${client.handshake?.tags?.nodeId}:`, data);
});

onStop(() => server.close());
await server.listen();
const name = nodeId.charAt(0).toUpperCase() + nodeId.slice(1);
console.log(`Node ${name} listening on ${MESH_HOST}:${MESH_PORT}`);
