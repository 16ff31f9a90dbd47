import { describe, expect, it } from "vitest";
import { parseCommandLine, replayCommand } from "./command-line.js";

const parse = (...args: string[]) => parseCommandLine(args, () => 77);

describe("the command line", () => {
  it("has a default for everything, and chooses a seed", () => {
    expect(parse()).toMatchObject({ seed: 77, seeds: 1, verbose: false, faults: undefined });
    expect(parse("--seed", "5", "--seeds", "3", "--verbose")).toMatchObject({
      seed: 5,
      seeds: 3,
      verbose: true,
    });
  });

  it("refuses what it does not know", () => {
    expect(() => parse("--sede", "5")).toThrow(
      expect.objectContaining({ code: "MESH_BAD_REQUEST" }),
    );
    expect(() => parse("--seed", "five")).toThrow("not a whole number");
    expect(() => parse("--steps", "-1")).toThrow();
  });

  it("tells how to see a run again, with only what is not usual", () => {
    expect(replayCommand(parse("--seeds", "9"), 12)).toBe("npm run sim -- --seed 12 --verbose");
    expect(replayCommand(parse("--steps", "7", "--faults", "0"), 12)).toBe(
      "npm run sim -- --seed 12 --steps 7 --faults 0 --verbose",
    );
  });
});
