/** The parts of a mesh that make links over an overlay, and get away from it again. */
import type { Startable } from "@hearthmesh/core";
import type { MeshParts, MeshPartsOptions } from "../mesh/mesh-parts.js";
import { OverlayLinks } from "./overlay-links.js";
import { ShorterWays } from "./shorter-ways.js";

export function overOverlay(
  { overlay, record, doors, clock, random, log }: MeshPartsOptions,
  { links, swim, discovery }: Pick<MeshParts, "links" | "swim" | "discovery">,
): Startable[] {
  if (overlay === undefined) return [];
  const tools = { clock, random, log };
  return [
    new OverlayLinks({ overlay, doors, onChanged: () => discovery.networkChanged(), ...tools }),
    new ShorterWays({
      ...{ self: record.nodeId, overlay, links, doors },
      peer: (nodeId) => swim.peer(nodeId),
      ...tools,
    }),
  ];
}
