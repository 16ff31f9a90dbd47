/** The tokenizer that a GGUF file describes. */
import type { Gguf } from "../gguf/gguf.js";
import { metadataString } from "../gguf/metadata.js";
import { damaged, unsupported } from "../gguf/model-errors.js";
import { BpeEncoder } from "./bpe.js";
import { preTokenizerOf } from "./pre-tokenizers.js";
import { SpmEncoder } from "./spm.js";
import { Tokenizer } from "./tokenizer.js";
import { vocabularyOf } from "./vocabulary.js";

/** `MESH_MODEL_UNSUPPORTED` by name, `MESH_MODEL_DAMAGED` for lists that do not fit together. */
export function tokenizerOf(gguf: Gguf): Tokenizer {
  const model = metadataString(gguf, "tokenizer.ggml.model");
  if (model === undefined) throw damaged("tokenizer.ggml.model is missing");
  if (model === "llama") {
    const special = { bos: 1, eos: 2, unknown: 0 };
    const vocabulary = vocabularyOf(gguf, { special, addBos: true });
    return new Tokenizer(vocabulary, new SpmEncoder(gguf, vocabulary));
  }
  if (model === "gpt2") {
    const preTokenizer = preTokenizerOf(metadataString(gguf, "tokenizer.ggml.pre") ?? "default");
    const special = { bos: undefined, eos: undefined, unknown: undefined };
    const vocabulary = vocabularyOf(gguf, { special, addBos: preTokenizer.addBos });
    return new Tokenizer(vocabulary, new BpeEncoder(gguf, vocabulary, preTokenizer));
  }
  const shown = model.slice(0, 64);
  throw unsupported(`the tokenizer ${shown} is not supported; llama (SPM) and gpt2 (BPE) are`);
}
