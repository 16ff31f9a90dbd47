import { describe, expect, it } from "vitest";
import { describeCommands } from "./describe-commands.js";
import { unflattened } from "./flat-commands.js";

const GUIDE = ["pool-create", "pool-join", "pool-peers", "pool-list", "pool-status", "ring-status"];

describe("flat commands", () => {
  it("are commands of the program, with all that follows them", () => {
    const program = describeCommands();
    for (const name of GUIDE) {
      const [group = "", command = "", ...rest] = unflattened([name, "--name", "pool-create"]);
      const known = program.commands.find((one) => one.fullName === `mesh ${group}`);
      const names = known?.commands.map(({ fullName }) => fullName);
      expect(names).toContain(`mesh ${group} ${command}`);
      expect(rest).toEqual(["--name", "pool-create"]);
    }
  });

  it("leave every other line as it is", () => {
    const lines = [[], ["up"], ["pool", "create"], ["status", "pool-create"], ["pool-frobnicate"]];
    for (const line of lines) expect(unflattened(line)).toEqual(line);
  });
});
