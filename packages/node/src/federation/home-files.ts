/** The files of this home as somebody sees them, over the links of this node. */
import { FileClient, type NodeLinks } from "@hearthmesh/collective";
import type { NodeId } from "@hearthmesh/core";
import type { CoordinatorService } from "@hearthmesh/gateway";
import type { Principal } from "@hearthmesh/identity";
import type { Tools } from "../tools.js";

export interface HomeFilesOptions extends Tools {
  readonly nodeId: NodeId;
  readonly coordinator: Pick<CoordinatorService, "call">;
  readonly links: NodeLinks;
}

/**
 * The node acts for the principal, who is asked for at each call, and shows the tickets with its
 * own key.
 */
export function homeFiles(options: HomeFilesOptions, principal: () => Principal): FileClient {
  const { nodeId, coordinator, links, clock, random, log } = options;
  return new FileClient({
    coordinator: {
      call: (method, header, body) =>
        coordinator.call(principal(), method, header, body, { holder: nodeId }),
    },
    links,
    self: nodeId,
    clock,
    random,
    log,
  });
}
