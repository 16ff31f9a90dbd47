/** Rows of the embedding, read from the file when they are asked for and never kept. */
import { dequantise } from "../gguf/dequantise.js";
import { checkIndex, checkLength } from "./sequences.js";
import type { TensorSlice } from "./shard-tensors.js";
import type { SliceReader } from "./slice-reader.js";

/** Rows of `tokens`, one after the other, into `out`. */
export function embedRows(
  reader: SliceReader,
  embedding: TensorSlice,
  tokens: Int32Array,
  out: Float32Array,
): void {
  const { columns, rows, type } = embedding;
  checkLength(out, tokens.length * columns, "the room for embeddings");
  for (const token of tokens) checkIndex(token, rows, "token");
  for (const [index, token] of tokens.entries()) {
    const row = out.subarray(index * columns, (index + 1) * columns);
    dequantise(type, reader.row(embedding, token), row);
  }
}
