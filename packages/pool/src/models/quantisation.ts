/** What most of a model's weights are stored as. Pure. */
import type { Gguf } from "../gguf/gguf.js";
import type { TensorType } from "../model/model-shape.js";

export function quantisationOf(gguf: Gguf): TensorType {
  const bytes = new Map<TensorType, number>();
  for (const { type, sizeBytes } of gguf.tensors.values()) {
    bytes.set(type, (bytes.get(type) ?? 0) + sizeBytes);
  }
  const sorted = [...bytes].sort(([, a], [, b]) => b - a);
  return sorted[0]?.[0] ?? "F32";
}
