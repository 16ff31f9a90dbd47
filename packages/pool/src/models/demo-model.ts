/** The demo model, which comes with the program: there on every node without any pull. */
import { MeshError } from "@hearthmesh/core";
import { modelShapeOf } from "../gguf/model-shape-of.js";
import { readGguf } from "../gguf/read-gguf.js";
import { openFileSource } from "../gguf/sources.js";
import { ChunkHasher, type ContentHashes } from "./chunk-hasher.js";
import { MODEL_CHUNK_BYTES } from "./limits.js";
import type { StoredModel } from "./model-record.js";
import { quantisationOf } from "./quantisation.js";

export const DEMO_MODEL_NAME = "demo";

export interface InspectedModel {
  readonly hashes: ContentHashes;
  readonly model: Omit<StoredModel, "name" | "addedAtMs" | "source">;
}

/** Reads a whole local GGUF once: its hashes, and its shape as the engines see it. */
export async function inspectModel(path: string, signal: AbortSignal): Promise<InspectedModel> {
  const file = await openFileSource(path);
  try {
    const gguf = await readGguf(file);
    const shape = modelShapeOf(gguf);
    const hasher = new ChunkHasher();
    for (let at = 0; at < file.sizeBytes; at += MODEL_CHUNK_BYTES) {
      signal.throwIfAborted();
      hasher.update(await file.read(at, Math.min(MODEL_CHUNK_BYTES, file.sizeBytes - at)));
    }
    const hashes = hasher.finish();
    const quantisation = quantisationOf(gguf);
    const { id, digest, sizeBytes } = hashes;
    const headerBytes = gguf.dataOffset;
    const model = {
      v: 1,
      id,
      hashes: digest,
      sizeBytes,
      headerBytes,
      shape,
      quantisation,
    } as const;
    return { hashes, model };
  } finally {
    await file.close();
  }
}

/** Undefined when the file is not there or not readable as a model: the node runs without it. */
export async function openDemoModel(
  path: string,
): Promise<{ model: StoredModel; path: string } | undefined> {
  try {
    const { model } = await inspectModel(path, new AbortController().signal);
    const named = { name: DEMO_MODEL_NAME, addedAtMs: 0, source: "comes with Hearthmesh" };
    return { model: { ...model, ...named }, path };
  } catch (error) {
    const isAbsent = (error as { code?: unknown }).code === "ENOENT";
    if (isAbsent || error instanceof MeshError) return undefined;
    throw error;
  }
}
