/** Multi-region mesh, a worker: gets what is meant for its region, and keeps to the mesh. */
import { jsonDeserializer, QWormholeClient } from "@hearthmesh/qwormhole";
import {
  MESH_BROADCAST_TO,
  MESH_HOST,
  MESH_INTERFACE,
  MESH_NODE_ID,
  MESH_PORT,
  MESH_REGION,
  MESH_RETRY_MS,
  onStop,
  unlessStopped,
} from "./environment.js";

const nodeId = MESH_NODE_ID ?? "worker-eu-1";

const client = new QWormholeClient({
  host: MESH_HOST,
  port: MESH_PORT,
  interfaceName: MESH_INTERFACE,
  protocolVersion: "mesh-1.0",
  deserializer: jsonDeserializer,
  handshakeTags: {
    nodeId,
    region: MESH_REGION ?? "eu-central",
    capabilities: ["gpu", "storage"],
  },
  reconnect: {
    enabled: true,
    initialDelayMs: MESH_RETRY_MS,
    maxDelayMs: 30000,
    multiplier: 2,
    maxAttempts: 10,
  },
});

client.on("message", (msg) => {
  console.log("Received from mesh:", msg);
});

client.on("reconnecting", ({ attempt, delayMs }) => {
  console.log(`Reconnecting to mesh (attempt ${attempt}, delay ${delayMs}ms)`);
});

onStop(() => client.disconnect());
await client.connect().catch(unlessStopped);

if (MESH_BROADCAST_TO && client.isConnected) {
  const payload = { from: nodeId, text: `hello ${MESH_BROADCAST_TO}` };
  client.send({ type: "broadcast", targetRegion: MESH_BROADCAST_TO, payload });
}
