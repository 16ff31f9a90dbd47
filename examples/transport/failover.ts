/** Failover by hand: when a coordinator cannot be reached any more, a new client tries the next. */
import { QWormholeClient } from "@hearthmesh/qwormhole";
import {
  MESH_COORDINATORS as COORDINATORS,
  MESH_INTERFACE,
  MESH_RETRY_MS,
  onStop,
} from "./environment.js";

let currentIndex = 0;
let client: QWormholeClient;

async function connectToMesh() {
  const coord = COORDINATORS[currentIndex];

  client = new QWormholeClient({
    host: coord.host,
    port: coord.port,
    interfaceName: MESH_INTERFACE,
    protocolVersion: "mesh-1.0",
    handshakeTags: { nodeId: "worker-failover" },
    reconnect: {
      enabled: true,
      initialDelayMs: MESH_RETRY_MS,
      maxDelayMs: 30000,
      multiplier: 2,
      maxAttempts: 5,
    },
  });

  client.on("close", async ({ hadError }) => {
    if (hadError) {
      // Try next coordinator
      currentIndex = (currentIndex + 1) % COORDINATORS.length;
      console.log(`Failing over to coordinator ${currentIndex}`);
      await connectToMesh();
    }
  });

  // When it is given up, `close` has told so and the next coordinator is being tried.
  await client.connect().catch(() => {});
}

onStop(() => client.disconnect());
await connectToMesh();
