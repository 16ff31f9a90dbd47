import type { KeyRecord } from "@hearthmesh/client";
import { printableJson } from "@hearthmesh/core";
import { type Cli, note, print } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, withDoorOptions } from "../door.js";
import { printable } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";
import { jsonOf, shownValue, throughKeyValue } from "./kv-door.js";

interface Options extends DoorOptions {
  keysOnly?: boolean;
  limit?: string;
  revision?: string;
  json?: boolean;
}

type Listed = KeyRecord & { readonly value?: Uint8Array };

export function kvListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .alias("ls")
    .description("the keys that you may read, in order, with the beginning of their values")
    .argument("[prefix]", "only those that begin with it", "")
    .option("--keys-only", "one key on each line, and nothing else")
    .option("--limit <number>", "so many at most")
    .option("--revision <number>", "as it was at that revision")
    .option("--json", "one JSON array; values that are no text in base64")
    .withExamples(
      "mesh kv list",
      "mesh kv list app/ --keys-only",
      "mesh kv list app/ --json | jq -r '.[] | .key + \"=\" + .value'",
    );
  return withDoorOptions(command).action(async (prefix: string, options: Options) => {
    const limit = parseWholeNumber(options.limit, "--limit");
    const revision = parseWholeNumber(options.revision, "--revision");
    const keysOnly = options.keysOnly === true;
    await throughKeyValue(cli, options, async (keyValue) => {
      const entries = keyValue.list(prefix, {
        keysOnly,
        signal: cli.signal,
        ...(limit === undefined ? {} : { limit }),
        ...(revision === undefined ? {} : { revision }),
      });
      const count = await printEach(cli, entries, options);
      if (count === 0 && !keysOnly && options.json !== true) note(cli, "No keys.");
    });
  });
}

/** As they come, so that many keys need little memory. */
async function printEach(
  cli: Cli,
  entries: AsyncIterable<Listed>,
  { json, keysOnly }: Options,
): Promise<number> {
  let count = 0;
  for await (const entry of entries) {
    if (json === true) {
      const text = printableJson(JSON.stringify(jsonOf(entry)));
      cli.stdout.write(`${count === 0 ? "[" : ","}\n  ${text}`);
    } else if (keysOnly === true || entry.value === undefined) print(cli, printable(entry.key));
    else print(cli, `${printable(entry.key)}  ${cli.colours.dim(shownValue(entry.value))}`);
    count++;
  }
  if (json === true) print(cli, count === 0 ? "[]" : "\n]");
  return count;
}
