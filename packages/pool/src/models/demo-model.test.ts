/** The model that comes with the program: small, free, whole, and it speaks English. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { TextModel } from "../chat/text-model.js";
import { openGgmlEngine } from "../engine/ggml/open-ggml-engine.js";
import { readModel } from "../engine/read-model.js";
import { metadataString } from "../gguf/metadata.js";
import type { Prompt } from "../ring/generation.js";
import { engineOptions, likeliest } from "../testing/model-files.js";
import { openDemoModel } from "./demo-model.js";
import { equalShares } from "./model-shares.js";

const FOLDER = fileURLToPath(new URL("../../../../models/demo/", import.meta.url));
const PATH = join(FOLDER, "hearthmesh-demo.gguf");
/** Recorded from the file that was trained; see `models/demo/README.md`. */
const RECORDED = readFileSync(join(FOLDER, "first-words.txt"), "utf8").trimEnd().split("\n");

/** The likeliest token each time. */
async function greedy(prompt: Prompt, tokensMax: number): Promise<string> {
  const { gguf, shape } = await readModel(PATH);
  const { tokens, answer } = new TextModel(gguf).encode(prompt, [], 0);
  const options = engineOptions({ path: PATH, shape }, { contextTokens: 256, batchRowsMax: 64 });
  const engine = await openGgmlEngine(options, { logger: silentLogger, device: "cpu" });
  try {
    const sequence = engine.openSequence();
    const logits = new Float32Array(shape.vocabularySize);
    let next = Int32Array.from(tokens);
    let text = "";
    for (let position = 0, count = 0; count < tokensMax; count++) {
      engine.forward(next, { sequence, position, rows: next.length }, logits);
      position += next.length;
      const step = answer.push(likeliest(logits));
      text += step.text;
      if (step.ended) break;
      next = Int32Array.of(likeliest(logits));
    }
    return text;
  } finally {
    engine.close();
  }
}

describe("the demo model", () => {
  it("has less than 2 MB, a licence, and where it came from", async () => {
    expect(statSync(PATH).size).toBeLessThan(2_000_000);
    const { gguf } = await readModel(PATH);
    expect(metadataString(gguf, "general.license")).toBe("apache-2.0");
    expect(readFileSync(join(FOLDER, "LICENSE"), "utf8")).toMatch(/Apache License/);
    expect(readFileSync(join(FOLDER, "README.md"), "utf8")).toMatch(/how to train it again/i);
  });

  it("can be shared by up to four machines", async () => {
    const demo = await openDemoModel(PATH);
    expect(demo?.model).toMatchObject({ name: "demo", quantisation: "Q8_0" });
    const shape = demo?.model.shape;
    if (shape === undefined) throw new Error("no demo model");
    expect(shape.feedForwardWidth % (4 * shape.feedForwardUnit)).toBe(0);
    const sizes = { contextTokens: 512, sequencesMax: 1, batchRowsMax: 64, threads: 1 };
    expect(equalShares(shape, sizes).map(({ members }) => members)).toEqual([1, 2, 3, 4]);
  });

  it("goes on with a text in plain English", async () => {
    for (const line of RECORDED) {
      const [prompt = "", wanted = ""] = line.split(" ... ");
      const text = await greedy({ kind: "text", text: prompt }, 60);
      expect(`${prompt}${text}`.slice(0, prompt.length + wanted.length)).toBe(`${prompt}${wanted}`);
    }
  });

  it("answers what somebody says, and stops", async () => {
    const messages = [{ role: "user", content: "Hello" }] as const;
    const text = await greedy({ kind: "chat", messages }, 100);
    expect(text).toMatch(/^(Hello|Hi)[ !]/);
    expect(text.length).toBeLessThan(300);
  });

  it("is left out where it is not, and where it is damaged", async () => {
    expect(await openDemoModel(join(FOLDER, "nowhere.gguf"))).toBeUndefined();
    expect(await openDemoModel(join(FOLDER, "README.md"))).toBeUndefined();
  });
});
