/** WireGuard interface binding: by the interface's name, and by this node's own address. */
import { QWormholeClient } from "@hearthmesh/qwormhole";
import {
  MESH_HOST,
  MESH_INTERFACE,
  MESH_LOCAL_ADDRESS,
  MESH_PORT,
  onStop,
  unlessStopped,
} from "./environment.js";

const client = new QWormholeClient({
  host: MESH_HOST,
  port: MESH_PORT,
  interfaceName: MESH_INTERFACE, // Bind to WireGuard interface
  protocolVersion: "mesh-1.0",
  handshakeTags: {
    nodeId: "gamma",
    region: "ap-south",
  },
});
client.on("connect", () => console.log(`Connected through ${MESH_INTERFACE}`));

const explicit = new QWormholeClient({
  host: MESH_HOST,
  port: MESH_PORT,
  localAddress: MESH_LOCAL_ADDRESS, // This node's WireGuard IP
  protocolVersion: "mesh-1.0",
});
explicit.on("connect", () => console.log(`Connected from ${MESH_LOCAL_ADDRESS}`));

onStop(() => Promise.all([client.disconnect(), explicit.disconnect()]));
await Promise.all([client.connect(), explicit.connect()]).catch(unlessStopped);
