/** `node.leader`: the coordinator that leads from now on tells every node, over its open links. */
import type { Leader } from "@hearthmesh/collective";
import { leaderNamedBy } from "@hearthmesh/collective/leadership";
import {
  decodeMessage,
  encodeMessage,
  errorFields,
  type Logger,
  MeshError,
} from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import { type MethodPart, principalOf } from "../method-router.js";

const METHOD = "node.leader";
const TIMEOUT_MS = 5_000;

/** For a node without the role; `heard` is called for every coordinator that says so of itself. */
export function leaderNewsPart(heard: (leader: Leader) => void): MethodPart {
  return {
    prefixes: [METHOD],
    callers: "machines",
    handlers: {
      onRequest: async ({ peer, body }) => {
        const { kind, nodeId } = principalOf(peer);
        const { header } = decodeMessage<{ leader?: unknown }>(body);
        const leader = leaderNamedBy(
          new MeshError("MESH_NOT_LEADER", { details: { leader: header.leader } }),
        );
        if (kind !== "coordinator" || leader === undefined || leader.nodeId !== nodeId) {
          throw new MeshError("MESH_FORBIDDEN", {
            message: "only a coordinator may say that it leads, and only of itself",
          });
        }
        heard(leader);
        return encodeMessage({});
      },
    },
  };
}

/** A node that does not hear it learns it at its next report. */
export function tellLeader(links: readonly Link[], leader: Leader, log: Logger): void {
  const { nodeId, epoch, data } = leader;
  for (const link of links) {
    if ((link.peer.identity as Principal).kind !== "node") continue;
    const message = encodeMessage({ leader: { nodeId, epoch, ...data } });
    link
      .request(METHOD, message, { priority: "control", timeoutMs: TIMEOUT_MS })
      .catch((error: unknown) => log.debug("a node did not hear who leads", errorFields(error)));
  }
}
