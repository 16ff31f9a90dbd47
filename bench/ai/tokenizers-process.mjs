/**
 * Random texts through our tokenizers and those of node-llama-cpp, for every vocabulary in a folder
 * that both can read: says as JSON how many came out the same. `argv`: the peer's folder, the
 * folder of the vocabularies (llama.cpp's `models`), the number of texts.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bytesSource, readGguf, tokenizerOf } from "@hearthmesh/pool";

const [peerFolder, vocabularies, count] = process.argv.slice(2);
const entry = createRequire(join(peerFolder, "package.json")).resolve("node-llama-cpp");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry).href);
const logLevel = LlamaLogLevel.disabled;
const options = { gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel };
const llama = await getLlama(options);

/** What tokenizers have been wrong about. */
const AWKWARD = [
  ...["'", "'S", "'ll", "I'M", "don't", "  ", "\n\n", "\t", "\r\n", "?\n\n/a", "\n/", "x/y"],
  ...["\u00a0", "\u3000", "\u0085", "\u200b", "\ufeff", "\u2581", "\u0000", "\u001f"],
  ...["1", "123456", "\u00b2\u00bd", "\u00e9", "e\u0301", "\u00df", "\u03a9", "\u01c5", "\u2177"],
  ...["\u6f22\u5b57", "\ud55c\uad6d\uc5b4", "\u0e44\u0e17\u0e22", "\u0939\u093f\u0928\u094d"],
  ...["\u0639\u0631\u0628", "\u{1f999}", "\u{1f469}\u200d\u{1f467}", "\u{1f1e9}\u{1f1ea}"],
  ...["___", "!!!", "...", "$%^", "<|im_end|>", "<|eot_id|>", "</s>", "<unk>", "CamelCase"],
];
const prose = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const below = (limit) => Math.floor(Math.random() * limit);

function randomText() {
  const parts = Array.from({ length: 1 + below(6) }, () => {
    if (below(2) === 0) return AWKWARD[below(AWKWARD.length)];
    const from = below(prose.length - 40);
    return prose.slice(from, from + below(40));
  });
  // A slice may cut a character in half, which has no UTF-8.
  return Buffer.from(parts.join("")).toString();
}

async function compare(path) {
  const ours = tokenizerOf(await readGguf(bytesSource(readFileSync(path))));
  const theirs = await llama.loadModel({ modelPath: path, vocabOnly: true });
  let same = 0;
  for (let number = 0; number < Number(count); number++) {
    const text = randomText();
    const parseControl = number % 2 === 1;
    const expected = text === "" ? [] : theirs.tokenize(text, parseControl);
    const found = ours.encode(text, { addSpecial: false, parseControl });
    if (found.join() === [...expected].join()) same += 1;
  }
  await theirs.dispose();
  return same;
}

/** phi3 takes the space behind its control tokens away; the architecture is not supported. */
const LEFT_OUT = /phi-3/;
const names = readdirSync(vocabularies).filter((each) => each.endsWith(".gguf"));
const results = [];
for (const name of names.filter((each) => !LEFT_OUT.test(each))) {
  try {
    const same = await compare(join(vocabularies, name));
    results.push({ name, same, of: Number(count) });
  } catch (error) {
    results.push({ name, refused: error.message });
  }
}
console.log(JSON.stringify(results));
process.exit(0);
