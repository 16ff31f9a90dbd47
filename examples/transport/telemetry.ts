/** Telemetry: what a server tells about itself, from time to time and soon after a change. */
import { QWormholeServer } from "@hearthmesh/qwormhole";
import { MESH_HOST, MESH_PORT, onStop } from "./environment.js";

const server = new QWormholeServer({
  host: MESH_HOST,
  port: MESH_PORT,
  protocolVersion: "mesh-1.0",
  onTelemetry: (metrics) => {
    console.log(`Connections: ${metrics.connections}`);
    console.log(`Bytes in/out: ${metrics.bytesIn}/${metrics.bytesOut}`);
  },
});

onStop(() => server.close());
await server.listen();
console.log(`Listening on ${MESH_HOST}:${MESH_PORT}`);
