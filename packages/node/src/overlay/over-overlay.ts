/** The parts of a mesh that make links over an overlay, and get away from it again. */
import type { Startable } from "@hearthmesh/core";
import type { MeshParts, MeshPartsOptions } from "../mesh/mesh-parts.js";
import { OverlayLinks } from "./overlay-links.js";
import { ShorterWays } from "./shorter-ways.js";

/** `onChanged`: the ways to others are other ones. */
export function overOverlay(
  { overlay, record, doors, clock, random, log }: MeshPartsOptions,
  { links, swim }: Pick<MeshParts, "links" | "swim">,
  onChanged: () => void,
): Startable[] {
  if (overlay === undefined) return [];
  const tools = { clock, random, log };
  return [
    new OverlayLinks({ overlay, doors, onChanged, ...tools }),
    new ShorterWays({
      ...{ self: record.nodeId, overlay, links, doors },
      peer: (nodeId) => swim.peer(nodeId),
      ...tools,
    }),
  ];
}
