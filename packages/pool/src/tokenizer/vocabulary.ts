/** The tokens of a model as its GGUF file lists them: texts, scores, kinds, and special ones. */
import type { Gguf } from "../gguf/gguf.js";
import {
  metadataBoolean,
  metadataCount,
  metadataNumbers,
  metadataStrings,
} from "../gguf/metadata.js";
import { damaged } from "../gguf/model-errors.js";
import { SPECIAL_TOKENS_MAX, TOKEN_BYTES_MAX } from "./limits.js";

/**
 * `control` tokens steer the model and stand in no text; `defined` ones are text that is one token
 * wherever it occurs; `byte` ones stand for one byte each.
 */
type TokenKind = "normal" | "unknown" | "control" | "defined" | "unused" | "byte";

/** By the number that GGUF writes. */
const KINDS: readonly TokenKind[] = [
  "unused",
  "normal",
  "unknown",
  "control",
  "defined",
  "unused",
  "byte",
];

/** Tokens that end an answer, by their text, since files do not say it. Source: llama.cpp. */
const ENDING_TEXTS: ReadonlySet<string> = new Set([
  ...["<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>"],
  ...["<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>"],
  ...["<end_of_utterance>", "<eos>", "<\uff5cend\u2581of\u2581sentence\uff5c>"],
  ...["<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"],
]);

/** What looks like a control token is one, even where the file calls it a word. */
const CONTROL_LOOK = /^<[|\uff5c].+[|\uff5c]>$/u;

interface SpecialIds {
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly unknown: number | undefined;
}

export interface Vocabulary {
  readonly texts: readonly string[];
  readonly kinds: readonly TokenKind[];
  readonly ids: ReadonlyMap<string, number>;
  readonly special: SpecialIds;
  /** Any of these ends an answer. */
  readonly endings: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addEos: boolean;
}

export interface VocabularyDefaults {
  readonly special: SpecialIds;
  readonly addBos: boolean;
}

/** `MESH_MODEL_DAMAGED` when the lists of the file do not fit together. */
export function vocabularyOf(gguf: Gguf, defaults: VocabularyDefaults): Vocabulary {
  const texts = metadataStrings(gguf, "tokenizer.ggml.tokens");
  if (texts === undefined) throw damaged("tokenizer.ggml.tokens is missing");
  const ids = new Map<string, number>();
  for (const [id, text] of texts.entries()) {
    if (Buffer.byteLength(text) > TOKEN_BYTES_MAX) throw damaged(`token ${id} is too long`);
    ids.set(text, id);
  }
  const kinds = kindsOf(gguf, texts);
  const special = (name: string, fallback: number | undefined) =>
    specialId(gguf, name, fallback, texts.length);
  const specialIds: SpecialIds = {
    bos: special("bos", defaults.special.bos),
    eos: special("eos", defaults.special.eos),
    unknown: special("unknown", defaults.special.unknown),
  };
  const endings = new Set<number>();
  for (const id of [specialIds.eos, special("eot", undefined), special("eom", undefined)]) {
    if (id !== undefined) endings.add(id);
  }
  for (const text of ENDING_TEXTS) {
    const id = ids.get(text);
    if (id !== undefined) endings.add(id);
  }
  for (const id of endings) if (kinds[id] !== "byte") kinds[id] = "control";
  return {
    texts,
    kinds,
    ids,
    special: specialIds,
    endings,
    addBos: metadataBoolean(gguf, "tokenizer.ggml.add_bos_token") ?? defaults.addBos,
    addEos: metadataBoolean(gguf, "tokenizer.ggml.add_eos_token") ?? false,
  };
}

function kindsOf(gguf: Gguf, texts: readonly string[]): TokenKind[] {
  const numbers = metadataNumbers(gguf, "tokenizer.ggml.token_type");
  if (numbers !== undefined && numbers.length !== texts.length) {
    throw damaged(`there are ${texts.length} tokens and kinds of ${numbers.length}`);
  }
  let specials = 0;
  return texts.map((text, id) => {
    const kind = numbers === undefined ? "normal" : (KINDS[Number(numbers[id])] ?? "unused");
    if (kind === "control" || kind === "defined" || kind === "unknown") specials += 1;
    if (specials > SPECIAL_TOKENS_MAX) {
      throw damaged(`there are more than ${SPECIAL_TOKENS_MAX} special tokens`);
    }
    return kind === "defined" && CONTROL_LOOK.test(text) ? "control" : kind;
  });
}

/** An id outside the vocabulary counts as none, as real files have such. */
function specialId(
  gguf: Gguf,
  name: string,
  fallback: number | undefined,
  size: number,
): number | undefined {
  const id = metadataCount(gguf, `tokenizer.ggml.${name}_token_id`, 0, 2 ** 32 - 1) ?? fallback;
  return id !== undefined && id < size ? id : undefined;
}
