import { MeshError } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";

interface Options extends DoorOptions {
  token?: string;
  json?: boolean;
}

export function lockReleaseCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("release")
    .description("end somebody's hold on a lock: one's own, or as the operator anybody's")
    .argument("<name>", "name of the lock")
    .option("--token <number>", "only when this holder still has it; default: whoever has it now")
    .option("--json", "as JSON")
    .withExamples("mesh lock release jobs/nightly", "mesh lock release jobs/nightly --token 12");
  return withDoorOptions(command).action(async (name: string, options: Options) => {
    const wanted = parseWholeNumber(options.token, "--token");
    await throughDoor(cli, options, async ({ api }) => {
      const { LockClient } = await import("@hearthmesh/client");
      const { clock, random, signal } = cli;
      const locks = new LockClient({ door: api, clock, random });
      const token = wanted ?? (await locks.inspect(name, { signal })).held?.token;
      if (token === undefined) {
        throw new MeshError("MESH_NOT_FOUND", {
          message: `nobody holds the lock ${JSON.stringify(name)}`,
          hint: "`mesh lock list` shows those that are held.",
        });
      }
      await locks.release(name, token, { signal });
      if (options.json === true) return printJson(cli, { released: name, token });
      print(cli, `Released ${printable(name)} (token ${token}). Its holder will find it lost.`);
    });
  });
}
