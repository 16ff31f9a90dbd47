import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { plural } from "../text.js";
import { throughKeyValue } from "./kv-door.js";
import { notFound } from "./kv-get.js";

interface Options extends DoorOptions {
  prefix?: boolean;
  ifMatch?: string;
  json?: boolean;
}

export function kvDelCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("del")
    .alias("delete")
    .description("delete a key, or with --prefix all keys below it, at once")
    .argument("<key>", 'a key; with --prefix what ends with /, or "" for all keys')
    .option("--prefix", "all keys that begin with it")
    .option("--if-match <etag>", "only when the key has this ETag")
    .option("--json", "how many keys are gone, as JSON")
    .withExamples(
      "mesh kv del app/colour",
      "mesh kv del app/config --if-match 1042",
      "mesh kv del --prefix app/old/",
    );
  return withDoorOptions(command).action(async (key: string, options: Options) => {
    const { prefix, ifMatch } = options;
    const { signal } = cli;
    if (prefix === true && ifMatch !== undefined) {
      throw usageError("--if-match is for one key, not for a prefix");
    }
    await throughKeyValue(cli, options, async (keyValue) => {
      let deleted = 1;
      if (prefix === true) deleted = await keyValue.deletePrefix(key, { signal });
      else {
        const condition = ifMatch === undefined ? {} : { ifMatch };
        if (!(await keyValue.delete(key, { ...condition, signal }))) throw notFound(key);
      }
      if (options.json === true) return printJson(cli, { deleted });
      print(cli, `Deleted ${plural(deleted, "key")}.`);
    });
  });
}
