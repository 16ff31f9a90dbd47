import { describe, expect, it } from "vitest";
import { formatScenario, parseScenario, recordScenario } from "./scenario-file.js";

const STORY = `# A story.

add alpha
add beta
----
alpha is here
beta is here

# And on.
leave alpha
----
ok
`;

describe("a scenario file", () => {
  it("is read and written back unchanged", () => {
    expect(formatScenario(parseScenario(STORY))).toBe(STORY);
    expect(parseScenario(STORY).filter((part) => part.kind === "block")).toEqual([
      {
        kind: "block",
        commands: ["add alpha", "add beta"],
        output: ["alpha is here", "beta is here"],
      },
      { kind: "block", commands: ["leave alpha"], output: ["ok"] },
    ]);
  });

  it("records what the commands give", async () => {
    const parts = parseScenario(STORY);
    const recorded = await recordScenario(parts, async (command) =>
      command.startsWith("add") ? [`${command.slice(4)} is here`] : [],
    );
    expect(formatScenario(recorded)).toBe(STORY);
  });

  it("says where a file is not of the form", () => {
    expect(() => parseScenario("# a\nadd alpha\n\n")).toThrow("line 2: the commands");
  });
});
