/** Whether a file has exactly the tensors that its numbers ask for, in the right dimensions. */
import type { ModelShape } from "../model/model-shape.js";
import type { Gguf } from "./gguf.js";
import { damaged, unsupported } from "./model-errors.js";

export type ShapeNumbers = Omit<ModelShape, "feedForwardUnit" | "kvHeadUnit" | "weightBytes">;

/** Name -> dimensions, the length of a row first, of every tensor of a model. */
export function tensorsOfShape(shape: ShapeNumbers): Map<string, readonly number[]> {
  const { embeddingWidth: width, headWidth, feedForwardWidth, vocabularySize } = shape;
  const queryWidth = shape.heads * headWidth;
  const keyWidth = shape.kvHeads * headWidth;
  const tensors = new Map<string, readonly number[]>();
  tensors.set("token_embd.weight", [width, vocabularySize]);
  for (let layer = 0; layer < shape.layers; layer += 1) {
    const add = (name: string, ...dimensions: number[]) =>
      tensors.set(`blk.${layer}.${name}`, dimensions);
    add("attn_norm.weight", width);
    add("attn_q.weight", width, queryWidth);
    add("attn_k.weight", width, keyWidth);
    add("attn_v.weight", width, keyWidth);
    if (shape.hasAttentionBias) {
      add("attn_q.bias", queryWidth);
      add("attn_k.bias", keyWidth);
      add("attn_v.bias", keyWidth);
    }
    if (shape.hasQueryKeyNorm) {
      add("attn_q_norm.weight", headWidth);
      add("attn_k_norm.weight", headWidth);
    }
    add("attn_output.weight", queryWidth, width);
    add("ffn_norm.weight", width);
    add("ffn_gate.weight", width, feedForwardWidth);
    add("ffn_up.weight", width, feedForwardWidth);
    add("ffn_down.weight", feedForwardWidth, width);
  }
  tensors.set("output_norm.weight", [width]);
  if (!shape.hasTiedOutput) tensors.set("output.weight", [width, vocabularySize]);
  if (shape.rope.hasFactors) tensors.set("rope_freqs.weight", [shape.rope.dimensions / 2]);
  return tensors;
}

/** `MESH_MODEL_DAMAGED` or, for tensors that no supported model has, `MESH_MODEL_UNSUPPORTED`. */
export function checkModelTensors(gguf: Gguf, shape: ShapeNumbers): void {
  const wanted = tensorsOfShape(shape);
  refuseOthers(gguf, shape, wanted);
  for (const [name, dimensions] of wanted) {
    const tensor = gguf.tensors.get(name);
    if (tensor === undefined) throw damaged(`the tensor ${name} is missing`);
    const found = tensor.dimensions;
    if (found.length !== dimensions.length || found.some((size, at) => size !== dimensions[at])) {
      const said = `it is ${found.join(" x ")} and should be ${dimensions.join(" x ")}`;
      throw damaged(`the tensor ${name} contradicts the model's numbers: ${said}`);
    }
    if (dimensions.length === 1 && tensor.type !== "F32") {
      throw unsupported(`the tensor ${name} is ${tensor.type}; norms and biases are F32 elsewhere`);
    }
  }
}

/** A tensor that is not used would change the mathematics, or is one layer too many. */
function refuseOthers(
  gguf: Gguf,
  shape: ShapeNumbers,
  wanted: ReadonlyMap<string, readonly number[]>,
): void {
  for (const name of gguf.tensors.keys()) {
    if (wanted.has(name)) continue;
    if (wanted.has(name.replace(/^blk\.\d+\./, "blk.0."))) {
      throw damaged(`the tensor ${name} contradicts the model's numbers: ${shape.layers} layers`);
    }
    throw unsupported(`a ${shape.architecture} model with the tensor ${name} is not supported`);
  }
}
