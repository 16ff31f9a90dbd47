/** What a storage node tries: a chunk on its own disk, a token of a model. */
import type { ChunkStore } from "@hearthmesh/collective";
import { chunkIdOf } from "@hearthmesh/collective/storage";
import { type FileId, MeshError, type Random } from "@hearthmesh/core";
import type { InferenceService } from "@hearthmesh/pool";
import type { Tools } from "../tools.js";
import { Canary, type CanaryStep, WELL } from "./canary.js";
import { tokenStep } from "./token-step.js";

const PROBE_BYTES = 1024;

export interface StorageCanaryOptions extends Tools {
  readonly chunkStore: ChunkStore;
  /** Undefined while this node runs no models. */
  inference(): InferenceService | undefined;
}

export function storageCanary(options: StorageCanaryOptions): Canary {
  return new Canary([ownChunkStep(options), tokenStep(options)], options.clock);
}

function ownChunkStep({ chunkStore, random, clock }: StorageCanaryOptions): CanaryStep {
  return {
    name: "chunk",
    run: async () => {
      const { readOnly } = await chunkStore.report();
      if (readOnly !== undefined) return { status: "degraded", reason: readOnly };
      await probeChunkStore(chunkStore, random, clock.nowMs());
      return WELL;
    },
  };
}

/**
 * Writes a chunk of random bytes, reads it back with its hash, deletes it. One that is left behind
 * by a process that dies is named by no file, and the coordinator has it removed.
 */
async function probeChunkStore(store: ChunkStore, random: Random, atMs: number): Promise<void> {
  const bytes = random.bytes(PROBE_BYTES);
  const id = chunkIdOf([bytes]);
  const fileId = Buffer.from(random.bytes(16)).toString("hex") as FileId;
  const header = { v: 1 as const, id, fileId, index: 0, owner: "canary", atMs };
  try {
    await store.put({ ...header, sizeBytes: bytes.length }, [bytes]);
    const read = await store.get(id);
    if (chunkIdOf([read.bytes]) !== id) throw new MeshError("MESH_CHUNK_MISMATCH");
  } finally {
    await store.delete([id]);
  }
}
