/**
 * After all faults have ended and repair had its time: every chunk of every file is on as many
 * nodes as the layout wants, the nodes are distinct, and each copy reads back whole.
 */
import type { ChunkId } from "@hearthmesh/core";

export interface ReplicaView {
  /** Chunks that files need. */
  wantedChunks(): Promise<readonly ChunkId[]>;
  /** Copies that the layout wants of each chunk. */
  replicasWanted(): number;
  storageNodes(): readonly string[];
  /** Whether the node has the chunk. */
  hasChunk(node: string, id: ChunkId): boolean;
  /** Undefined: the copy reads back and hashes to its id; else what is wrong. */
  damageOf(node: string, id: ChunkId): Promise<string | undefined>;
}

/** Chunks with fewer copies than wanted, as `id: 2 of 3 copies (alpha, beta)`. */
export async function missingReplicas(view: ReplicaView): Promise<string[]> {
  const wanted = view.replicasWanted();
  const problems: string[] = [];
  for (const id of await view.wantedChunks()) {
    const holders = view.storageNodes().filter((node) => view.hasChunk(node, id));
    if (holders.length >= wanted) continue;
    const where = holders.length === 0 ? "nowhere" : holders.join(", ");
    problems.push(`chunk ${id.slice(0, 12)}: ${holders.length} of ${wanted} copies (${where})`);
  }
  return problems;
}

/** Copies that exist and are damaged. Reading them makes their nodes notice. */
export async function damagedReplicas(view: ReplicaView): Promise<string[]> {
  const problems: string[] = [];
  for (const id of await view.wantedChunks()) {
    for (const node of view.storageNodes()) {
      if (!view.hasChunk(node, id)) continue;
      const damage = await view.damageOf(node, id);
      if (damage !== undefined) problems.push(`chunk ${id.slice(0, 12)} on ${node}: ${damage}`);
    }
  }
  return problems;
}
