/**
 * Failover as an option: one client that knows all coordinators. The first is preferred, and the
 * client goes back to it. What is sent while there is none waits for the next one.
 */
import { QWormholeClient } from "@hearthmesh/qwormhole";
import {
  MESH_COORDINATORS,
  MESH_FAIL_BACK_MS,
  MESH_INTERFACE,
  MESH_RETRY_MS,
  onStop,
  unlessStopped,
} from "./environment.js";

const client = new QWormholeClient({
  endpoints: MESH_COORDINATORS,
  failBackMs: MESH_FAIL_BACK_MS,
  interfaceName: MESH_INTERFACE,
  protocolVersion: "mesh-1.0",
  handshakeTags: { nodeId: "worker-failover" },
  reconnect: { initialDelayMs: MESH_RETRY_MS, maxDelayMs: 30000 },
});

client.on("connect", () => {
  console.log(`Connected to ${client.metrics.endpoint}`);
});

client.on("failback", ({ endpoint }) => {
  console.log(`Going back to ${endpoint.host}:${endpoint.port}`);
});

client.on("disconnect", ({ hadError }) => {
  console.log(hadError ? "Lost the coordinator" : "The coordinator has ended in order");
  client.send({ type: "moved", reason: hadError ? "lost" : "ended" });
});

onStop(() => client.disconnect());
await client.connect().catch(unlessStopped);
