/** Status, nodes and layout. */

import type { NodeInfo } from "@hearthmesh/collective";
import { MeshError } from "@hearthmesh/core";
import { ENDPOINTS } from "../contracts/index.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { layoutView, nodeView } from "./views.js";

export function meshRoutes(services: GatewayServices): Route[] {
  const { coordinator, authority } = services;
  return [
    defineRoute(ENDPOINTS.status, "enrolled", () => services.status()),
    defineRoute(ENDPOINTS.nodes, "enrolled", async () => {
      return { nodes: coordinator.nodes().map(nodeView) };
    }),
    defineRoute(ENDPOINTS.layout, "enrolled", async () => layoutView(coordinator.layout())),
    defineRoute(ENDPOINTS.removeNode, "operator", async ({ params, caller }) => {
      const node = findNode(coordinator.nodes(), params.node);
      if (node.nodeId === services.coordinatorContact.nodeId) {
        throw new MeshError("MESH_BAD_REQUEST", {
          message: "this node is the coordinator itself",
          hint: "Remove other nodes here; the coordinator goes with its member.",
        });
      }
      // First it may no longer speak, then nothing is placed on it any more.
      await authority.revoke(caller.principal, node.nodeId, "removed by the operator");
      await coordinator.removeNode(node.nodeId);
      const { nodeId, name } = node;
      return { nodeId, name, layoutVersion: coordinator.layout().version };
    }),
  ];
}

/** By name, by id, or by the beginning of an id when it fits one node alone. */
function findNode(nodes: readonly NodeInfo[], wanted: string): NodeInfo {
  const exact = nodes.filter((node) => node.nodeId === wanted || node.name === wanted);
  const started = wanted.length < 6 ? [] : nodes.filter((node) => node.nodeId.startsWith(wanted));
  const found = exact.length > 0 ? exact : started;
  const [node] = found;
  if (node === undefined) {
    throw new MeshError("MESH_NOT_FOUND", {
      message: `no node has the name or id ${JSON.stringify(wanted)}`,
      hint: "`mesh node list` shows the nodes.",
    });
  }
  if (found.length > 1) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${found.length} nodes fit ${JSON.stringify(wanted)}`,
      hint: "Use the whole id: `mesh node list` shows it.",
    });
  }
  return node;
}
