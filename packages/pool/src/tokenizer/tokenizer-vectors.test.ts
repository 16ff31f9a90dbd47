/**
 * The vocabularies and vectors that llama.cpp tests its own tokenizers with
 * (`models/ggml-vocab-*.gguf`, with `.inp` and `.out` beside them), when
 * `HEARTHMESH_TOKENIZER_VECTORS` names the folder.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { metadataString } from "../gguf/metadata.js";
import { readGguf } from "../gguf/read-gguf.js";
import { openFileSource } from "../gguf/sources.js";
import { tokenizerOf } from "./tokenizer-of.js";

const folder = process.env.HEARTHMESH_TOKENIZER_VECTORS;
const SEPARATOR = "\n__ggml_vocab_test__\n";
/** Kinds that no supported architecture uses. */
const OTHERS = /bert|gemma|deepseek-llm/;
const names =
  folder === undefined
    ? []
    : readdirSync(folder).filter(
        (name) =>
          name.endsWith(".gguf") && existsSync(join(folder, `${name}.inp`)) && !OTHERS.test(name),
      );

describe("llama.cpp's tokenizer vectors", () => {
  it.skipIf(folder === undefined)(
    "are there (set HEARTHMESH_TOKENIZER_VECTORS to llama.cpp's folder `models`)",
    () => {
      for (const needed of ["llama-spm", "llama-bpe", "qwen2", "gpt-2"]) {
        expect(names).toContain(`ggml-vocab-${needed}.gguf`);
      }
    },
  );

  for (const name of names) {
    it(`give the same tokens: ${name}`, async () => {
      const path = join(folder!, name);
      const source = await openFileSource(path);
      const gguf = await readGguf(source);
      await source.close();
      const tokenizer = tokenizerOf(gguf);
      const inputs = readFileSync(`${path}.inp`, "utf8").split(SEPARATOR);
      const outputs = readFileSync(`${path}.out`, "utf8").split("\n");
      expect(metadataString(gguf, "tokenizer.ggml.model")).toBeDefined();
      expect(inputs.length).toBeGreaterThan(40);
      const options = { addSpecial: false, parseControl: false };
      const found = inputs.map((text) => tokenizer.encode(text, options).join(" "));
      expect(found).toEqual(inputs.map((_, at) => (outputs[at] ?? "").trim()));
    });
  }
});
