import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * What runs in a process of its own, because a tensor in the wrong kind of memory ends it: every
 * type, with row counts that packed memory takes and others that it does not.
 */
const CHILD = `
  import { openGgmlEngine } from "./engine/ggml/open-ggml-engine.js";
  import { openReferenceEngine } from "./engine/reference/open-reference-engine.js";
  import { normalisedError } from "./engine/reference/arithmetic.js";
  import { engineOptions, logitsOf, ModelFiles } from "./testing/model-files.js";
  import { silentLogger } from "@hearthmesh/core";
  const files = new ModelFiles();
  process.on("exit", () => files.remove());
  const tokens = Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6);
  for (const type of ["F32", "F16", "BF16", "Q4_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]) {
    const block = type.endsWith("_K") ? 256 : 32;
    for (const [heads, kvHeads, headWidth, columns, vocabularySize] of [
      [32, 1, 8, block, 301],
      [16, 16, 16, 3 * block, 320],
      [8, 2, 32, block, 300],
      [32, 2, 10 * (block / 32), 3 * block, 333],
    ]) {
      const turn = { style: "halves", base: 1e4, scale: 1, hasFactors: false };
      const rope = { ...turn, dimensions: headWidth };
      const sizes = { embeddingWidth: block, heads, kvHeads, headWidth, vocabularySize, rope };
      const file = await files.write({ ...sizes, feedForwardWidth: columns }, type);
      const fast = await openGgmlEngine(engineOptions(file), { logger: silentLogger });
      const plain = await openReferenceEngine(engineOptions(file));
      const error = normalisedError(logitsOf(fast, tokens, 5), logitsOf(plain, tokens, 5));
      const { description } = fast.stats();
      console.log(JSON.stringify({ type, heads, columns, vocabularySize, error, description }));
      fast.close();
      plain.close();
    }
  }
`;

let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "hearthmesh-packed-"));
  const modules = join(root, "node_modules");
  const core = join(modules, "@hearthmesh/core");
  compileFolder(here("../../../../core/src"), core);
  const record = { name: "@hearthmesh/core", type: "module", exports: "./index.js" };
  writeFileSync(join(core, "package.json"), JSON.stringify(record));
  writeFileSync(join(root, "package.json"), JSON.stringify({ type: "module" }));
  for (const name of ["koffi", "@koromix", "@node-llama-cpp"]) {
    symlinkSync(join(here("../../../../../node_modules"), name), join(modules, name));
  }
  for (const name of ["engine", "gguf", "shards", "sampling", "testing"]) {
    compileFolder(here(`../../${name}`), join(root, name));
  }
  writeFileSync(join(root, "child.js"), CHILD);
}, 60_000);

function compileFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const item of readdirSync(from, { withFileTypes: true })) {
    if (item.isDirectory()) compileFolder(join(from, item.name), join(to, item.name));
    else if (item.name.endsWith(".ts") && !item.name.endsWith(".test.ts")) {
      const { outputText } = ts.transpileModule(readFileSync(join(from, item.name), "utf8"), {
        compilerOptions: {
          module: ts.ModuleKind.ESNext,
          target: ts.ScriptTarget.ES2023,
          verbatimModuleSyntax: true,
        },
      });
      writeFileSync(join(to, item.name.replace(/\.ts$/, ".js")), outputText);
    }
  }
}

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("weights of every type and of odd sizes", () => {
  it("lie where the device computes right with them", { timeout: 120_000 }, () => {
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      [join(root, "child.js")],
      { encoding: "utf8", timeout: 110_000, cwd: root },
    );
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
    const lines = stdout.trim().split("\n");
    expect(lines).toHaveLength(32);
    for (const line of lines) {
      const { error } = JSON.parse(line) as { error: number };
      expect({ line, isRight: error < 1e-3 }).toEqual({ line, isRight: true });
    }
  });
});
