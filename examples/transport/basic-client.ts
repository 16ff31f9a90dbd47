/** Basic mesh setup, node B: a client that registers with the coordinator. */
import { QWormholeRuntime } from "@hearthmesh/qwormhole";
import { MESH_HOST, MESH_PORT, onStop, unlessStopped } from "./environment.js";

const rt = new QWormholeRuntime({
  protocolVersion: "mesh-1.0",
  handshakeTags: {
    nodeId: "beta",
    region: "eu-central",
    role: "worker",
  },
});

const client = rt.createClient({
  host: MESH_HOST,
  port: MESH_PORT,
});

client.on("connect", () => {
  console.log("Connected to coordinator");
  client.send({ type: "register", capabilities: ["compute", "storage"] });
});

onStop(() => client.disconnect());
await client.connect().catch(unlessStopped);
