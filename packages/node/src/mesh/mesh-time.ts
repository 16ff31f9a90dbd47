/**
 * `mesh.time`: what a node takes for the time. Who asks takes half of the round trip off, as in
 * Cristian's algorithm (1989): the answer is right by at most that half.
 */
import { type Clock, decodeMessage, encodeMessage, MeshError } from "@hearthmesh/core";
import type { Link, LinkHandlers } from "@hearthmesh/qwormhole";

export const TIME_METHOD = "mesh.time";

export function timeHandlers(clock: Pick<Clock, "nowMs">): LinkHandlers {
  return { onRequest: () => encodeMessage({ nowMs: clock.nowMs() }) };
}

/** Its time less ours, milliseconds. `MESH_PROTOCOL` for an answer that is none; as `request`. */
export async function askTime(
  link: Link,
  clock: Pick<Clock, "nowMs" | "monotonicMs">,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<{ offsetMs: number; errorMs: number }> {
  const fromMs = clock.monotonicMs();
  const answer = await link.request(TIME_METHOD, encodeMessage({}), { timeoutMs, signal });
  const tookMs = clock.monotonicMs() - fromMs;
  const { nowMs } = decodeMessage<{ nowMs?: unknown }>(answer).header;
  if (typeof nowMs !== "number" || !Number.isFinite(nowMs)) throw new MeshError("MESH_PROTOCOL");
  return { offsetMs: nowMs + tookMs / 2 - clock.nowMs(), errorMs: tookMs / 2 };
}
