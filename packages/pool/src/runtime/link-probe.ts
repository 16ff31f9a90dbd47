/** How fast a link between two agents really is: round trips first, then bytes for a short time. */
import { type Clock, MeshError, type NodeId } from "@hearthmesh/core";
import { METHODS } from "./agent-messages.js";
import { parseRecord, toBytes, wholeOf } from "./checked-json.js";
import { PROBE_BYTES, PROBE_MS_MAX, PROBE_PIECE_BYTES, PROBE_ROUNDS } from "./limits.js";
import type { AgentLinks } from "./ports.js";

export interface LinkProbe {
  /** Sorted. */
  readonly roundTripsMs: readonly number[];
  readonly sentBytes: number;
  readonly bytesPerSecond: number;
}

/** `MESH_UNREACHABLE` and the like. Sends at most `PROBE_BYTES`, for at most `PROBE_MS_MAX`. */
export async function probeLink(
  links: AgentLinks,
  nodeId: NodeId,
  clock: Clock,
  signal: AbortSignal,
): Promise<LinkProbe> {
  const roundTripsMs: number[] = [];
  for (let round = 0; round < PROBE_ROUNDS; round++) {
    const startedAtMs = clock.monotonicMs();
    await links.call(nodeId, METHODS.ping, toBytes({ v: 1 }), { signal, timeoutMs: 5_000 });
    roundTripsMs.push(clock.monotonicMs() - startedAtMs);
  }
  roundTripsMs.sort((a, b) => a - b);
  return { roundTripsMs, ...(await throughput(links, nodeId, clock, signal)) };
}

async function throughput(links: AgentLinks, nodeId: NodeId, clock: Clock, signal: AbortSignal) {
  const header = toBytes({ v: 1 });
  const stream = await links.openStream(nodeId, METHODS.probe, header, signal);
  try {
    const startedAtMs = clock.monotonicMs();
    let sentBytes = 0;
    while (sentBytes < PROBE_BYTES && clock.monotonicMs() - startedAtMs < PROBE_MS_MAX) {
      // Bytes that are written must not change afterwards, so all may be the same ones.
      await stream.write(PIECE);
      sentBytes += PIECE.length;
    }
    stream.end();
    const takenBytes = await takenOf(stream.readable);
    const tookMs = Math.max(clock.monotonicMs() - startedAtMs, 0.001);
    if (takenBytes !== sentBytes) throw new MeshError("MESH_PROTOCOL");
    return { sentBytes, bytesPerSecond: (sentBytes / tookMs) * 1000 };
  } catch (error) {
    stream.reset("MESH_CANCELLED", "the probe ended");
    throw error;
  }
}

const PIECE = new Uint8Array(PROBE_PIECE_BYTES);

async function takenOf(readable: AsyncIterable<Uint8Array>): Promise<number> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readable) {
    pieces.push(piece);
    if (pieces.length > 64) break;
  }
  const { bytes } = parseRecord(Buffer.concat(pieces), 4096);
  return wholeOf(bytes, 0, Number.MAX_SAFE_INTEGER);
}
