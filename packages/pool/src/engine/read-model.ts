/** The header and the shape of a model's local file. */
import type { Gguf } from "../gguf/gguf.js";
import { modelShapeOf } from "../gguf/model-shape-of.js";
import { readGguf } from "../gguf/read-gguf.js";
import { openFileSource } from "../gguf/sources.js";
import type { ModelShape } from "../model/model-shape.js";

export async function readModel(path: string): Promise<{ gguf: Gguf; shape: ModelShape }> {
  const source = await openFileSource(path);
  try {
    const gguf = await readGguf(source);
    return { gguf, shape: modelShapeOf(gguf) };
  } finally {
    await source.close();
  }
}
