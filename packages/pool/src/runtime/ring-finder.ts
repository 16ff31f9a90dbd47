/** Which of the other nodes leads a ring that a request may use. */
import { createHash } from "node:crypto";
import { errorFields, type NodeId } from "@hearthmesh/core";
import { decodeRings, type LedRing, METHODS } from "./agent-messages.js";
import { toBytes } from "./checked-json.js";
import { RINGS_ASK_MS_MAX } from "./limits.js";
import type { AgentPorts } from "./ports.js";

export interface FoundRing {
  readonly leader: NodeId;
  readonly ring: LedRing;
}

type Ports = Pick<AgentPorts, "members" | "links" | "log">;

/**
 * Rings of other members for this model, the best first: ready ones, then those with least to do.
 * Whoever does not answer in time is passed over. The leader sees the prompt whatever it says of
 * its ring.
 */
export async function findRings(
  { members, links, log }: Ports,
  modelId: string,
  allowed: readonly NodeId[] | undefined,
  signal: AbortSignal,
): Promise<FoundRing[]> {
  const others = members.list().filter(({ isSelf, isOnline }) => !isSelf && isOnline);
  const found = await Promise.all(
    others.map(async ({ nodeId }) => {
      try {
        const options = { signal, timeoutMs: RINGS_ASK_MS_MAX };
        const rings = decodeRings(
          await links.call(nodeId, METHODS.rings, toBytes({ v: 1 }), options),
        );
        return rings.map((ring) => ({ leader: nodeId, ring }));
      } catch (error) {
        log.debug("a member did not say which models it runs", { nodeId, ...errorFields(error) });
        return [];
      }
    }),
  );
  signal.throwIfAborted();
  return found
    .flat()
    .filter(
      ({ leader, ring }) =>
        ring.modelId === modelId && !ring.isForced && mayUse([leader, ...ring.nodeIds], allowed),
    )
    .sort(
      (a, b) => Number(b.ring.isReady) - Number(a.ring.isReady) || a.ring.running - b.ring.running,
    );
}

/** Whether all of a ring may see the prompt. */
export function mayUse(
  nodeIds: readonly NodeId[],
  allowed: readonly NodeId[] | undefined,
): boolean {
  return allowed === undefined || nodeIds.every((nodeId) => allowed.includes(nodeId));
}

/** One ring per leader, model and set of members that requests may name. */
export function ringIdOf(
  leader: NodeId,
  modelId: string,
  allowed: readonly NodeId[] | undefined,
  placement: string | undefined,
): string {
  const text = [leader, modelId, placement ?? "any", ...[...(allowed ?? ["all"])].sort()].join(" ");
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
