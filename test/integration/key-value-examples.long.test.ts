/** The key-value examples do what they say: the scenes of `npm run examples -- key-value`. */
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, onTestFailed } from "vitest";
import { scenes } from "../../examples/key-value/scenes.mjs";
import { playScene } from "../../examples/key-value/stage.mjs";
import { runTool } from "../../scripts/lib.mjs";

const project = fileURLToPath(new URL("../../examples/key-value", import.meta.url));

describe("the examples of key-value", () => {
  beforeAll(() => {
    expect(runTool("typescript", ["-b", project])).toBe(0);
  });

  it.each(scenes)("$name", async (scene) => {
    const lines: string[] = [];
    onTestFailed(() => console.log(lines.join("\n")));
    await playScene(scene, (line) => lines.push(line));
  });
});
