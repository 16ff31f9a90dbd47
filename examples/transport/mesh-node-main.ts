/** Starts a `MeshNode`, and says hello when all its peers are there. */
import {
  MESH_NODE_ID,
  MESH_PEERS,
  MESH_PORT,
  MESH_REGION,
  onStop,
  unlessStopped,
} from "./environment.js";
import { MeshNode } from "./mesh-node.js";

const nodeId = MESH_NODE_ID ?? "alpha";
const node = new MeshNode({
  nodeId,
  region: MESH_REGION ?? "us-west",
  listenPort: MESH_PORT,
  peers: MESH_PEERS,
});

onStop(() => node.stop());
try {
  await node.start();
  node.broadcast({ type: "hello", from: nodeId });
} catch (error) {
  unlessStopped(error);
}
