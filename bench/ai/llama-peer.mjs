/** node-llama-cpp, installed beside the project for the comparison: the same prebuilt ggml. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root, say } from "../../scripts/lib.mjs";
import { cache } from "./paths.mjs";
import { runNode } from "./processes.mjs";

const VERSION = "3.22.1";
const PROCESS = fileURLToPath(new URL("./llama-process.mjs", import.meta.url));
const TOKENIZERS = fileURLToPath(new URL("./tokenizers-process.mjs", import.meta.url));

/** Undefined where it cannot be had. Its 700 MB of optional packages are left out. */
export function llamaPeer() {
  const folder = join(cache, "peer");
  const scope = join(folder, "node_modules/@node-llama-cpp");
  const platform = `${process.platform}-${process.arch}`;
  const binaries = join(root, "node_modules/@node-llama-cpp", platform);
  if (!existsSync(binaries)) return undefined;
  try {
    if (!existsSync(scope)) {
      say(`Installing node-llama-cpp@${VERSION} for comparison (once) ...`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
      const options = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"];
      execFileSync("npm", ["install", ...options, `node-llama-cpp@${VERSION}`], {
        cwd: folder,
        stdio: "ignore",
        timeout: 300_000,
      });
      mkdirSync(scope, { recursive: true });
      symlinkSync(binaries, join(scope, platform));
    }
  } catch {
    return undefined;
  }
  return {
    name: `node-llama-cpp ${VERSION}`,
    /** Of each vocabulary in the folder: on how many random texts we agree. */
    tokenizers: (vocabularies, count) => runNode([TOKENIZERS, folder, vocabularies, String(count)]),
    /** Greedy tokens, rates and memory of one run. */
    generate: ({ model, threads, tokens, prompt, cores }) =>
      runNode([PROCESS, folder, model, String(threads), String(tokens), prompt], { cores }),
  };
}
