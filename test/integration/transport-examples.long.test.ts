/** The transport's examples do what they say: the scenes of `npm run examples -- transport`. */
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, onTestFailed } from "vitest";
import { scenes } from "../../examples/transport/scenes.mjs";
import { playScene } from "../../examples/transport/stage.mjs";
import { runTool } from "../../scripts/lib.mjs";

const project = fileURLToPath(new URL("../../examples/transport", import.meta.url));

describe("the examples of the transport", () => {
  beforeAll(() => {
    expect(runTool("typescript", ["-b", project])).toBe(0);
  });

  it.each(scenes)("$name", async (scene) => {
    const lines: string[] = [];
    onTestFailed(() => console.log(lines.join("\n")));
    await playScene(scene, (line) => lines.push(line));
  });
});
