/** Status, nodes and layout. */

import type { RemovalFacts } from "@hearthmesh/collective";
import { MeshError } from "@hearthmesh/core";
import { ENDPOINTS } from "../contracts/index.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { actorOf } from "./key-routes.js";
import { findKnownNode } from "./known-nodes.js";
import { askOperator } from "./layout-routes.js";
import { layoutView, nodeView } from "./views.js";

export function meshRoutes(services: GatewayServices): Route[] {
  const { coordinator, authority } = services;
  return [
    defineRoute(ENDPOINTS.status, "enrolled", () => services.status()),
    defineRoute(ENDPOINTS.nodes, "enrolled", async () => {
      return { nodes: coordinator.nodes().map(nodeView) };
    }),
    defineRoute(ENDPOINTS.layout, "enrolled", async () => layoutView(coordinator.layout())),
    defineRoute(ENDPOINTS.removeNode, "operator", async ({ params, query, caller }) => {
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
      const { chunksHeld } = await lookBeforeRemoval(services, node.nodeId, query.force);
      // First it may no longer speak, then nothing is placed on it any more.
      await authority.revoke(caller.principal, node.nodeId, "removed by the operator");
      await coordinator.removeNode(node.nodeId);
      const { nodeId, name } = node;
      const held = chunksHeld === undefined ? {} : { chunksHeld };
      return { nodeId, name, layoutVersion: coordinator.layout().version, ...held };
    }),
  ];
}

/** `MESH_LAYOUT_UNSAFE` when files would be lost with the node, unless that is forced. */
async function lookBeforeRemoval(
  services: GatewayServices,
  node: string,
  force: boolean,
): Promise<{ chunksHeld?: number }> {
  if (force || !services.coordinator.nodes().some((one) => one.nodeId === node)) return {};
  const facts = await askOperator<RemovalFacts>(services, "layout.removal", { node });
  const { onlyCopies, isPartial } = facts;
  if (onlyCopies > 0) {
    const chunks = onlyCopies === 1 ? "1 chunk of files" : `${onlyCopies} chunks of files`;
    throw new MeshError("MESH_LAYOUT_UNSAFE", {
      message:
        facts.chunksHeld === undefined
          ? `the node is away, and no other node that is there has ${chunks}`
          : `${chunks} ${onlyCopies === 1 ? "is" : "are"} on this node alone`,
      hint: "Drain it first: `mesh node drain`. With `--force` it goes, and they are lost.",
      details: { onlyCopies, isPartial },
    });
  }
  if (isPartial) {
    throw new MeshError("MESH_LAYOUT_UNSAFE", {
      message: "not every node could be asked what it has",
      hint: "Try again when all nodes answer, or repeat it with `--force`.",
    });
  }
  return facts;
}
