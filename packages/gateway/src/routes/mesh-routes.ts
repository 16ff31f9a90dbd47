/** Status, nodes and layout. */

import { MeshError } from "@hearthmesh/core";
import { ENDPOINTS } from "../contracts/index.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { actorOf } from "./key-routes.js";
import { findKnownNode } from "./known-nodes.js";
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
      const members = coordinator.nodes().map(({ nodeId, name }) => ({ nodeId, name }));
      const introduced = authority.introductions.list();
      const node = findKnownNode([...members, ...introduced], params.node);
      if (authority.introductions.get(node.nodeId) !== undefined) {
        const { nodeId, name } = await authority.introductions.remove(actorOf(caller), node.nodeId);
        return { nodeId, name, layoutVersion: coordinator.layout().version, introduced: true };
      }
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
