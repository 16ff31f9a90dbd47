import type { KeyValueEvent } from "@hearthmesh/client";
import { printableJson } from "@hearthmesh/core";
import { type Cli, note, print } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, withDoorOptions } from "../door.js";
import { printable } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";
import { jsonOf, shownValue, throughKeyValue } from "./kv-door.js";

interface Options extends DoorOptions {
  prefix?: boolean;
  from?: string;
  count?: string;
  keysOnly?: boolean;
  json?: boolean;
}

export function kvWatchCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("watch")
    .description("changes as they happen, one line each, until Ctrl-C")
    .argument("<key>", 'a key; with / at its end, or with --prefix, all below it; "" for all')
    .option("--prefix", "all keys that begin with this text, also without / at its end")
    .option("--from <revision>", "begin with this revision of the past")
    .option("--count <number>", "end after so many changes")
    .option("--keys-only", "without the values")
    .option("--json", "each line as JSON")
    .withExamples(
      "mesh kv watch app/",
      "mesh kv watch app/config --count 1",
      "mesh kv watch app/ --from 1042 --json | jq -r .key",
    );
  return withDoorOptions(command).action(async (key: string, options: Options) => {
    const count = parseWholeNumber(options.count, "--count") ?? Number.POSITIVE_INFINITY;
    const fromRevision = parseWholeNumber(options.from, "--from");
    const isPrefix = options.prefix === true || key === "" || key.endsWith("/");
    await throughKeyValue(cli, options, async (keyValue) => {
      const changes = keyValue.watch(isPrefix ? { prefix: key } : { key }, {
        signal: cli.signal,
        keysOnly: options.keysOnly === true,
        onLost: (error) => note(cli, `${printable(error.message)}; trying again`),
        ...(fromRevision === undefined ? {} : { fromRevision }),
      });
      let left = count;
      for await (const { revision, events } of changes) {
        for (const event of events) {
          printEvent(cli, revision, event, options.json === true);
          left--;
          if (left === 0) return;
        }
      }
    });
  });
}

function printEvent(cli: Cli, revision: number, event: KeyValueEvent, isJson: boolean): void {
  const key = event.type === "put" ? event.entry.key : event.key;
  if (isJson) {
    const entry = event.type === "put" ? jsonOf(event.entry) : { key };
    const text = JSON.stringify({ type: event.type, ...entry, revision });
    print(cli, printableJson(text));
    return;
  }
  const value = event.type === "put" ? event.entry.value : undefined;
  const shown = value === undefined ? "" : `  ${cli.colours.dim(shownValue(value))}`;
  print(cli, `${revision} ${event.type.padEnd(6)} ${printable(key)}${shown}`);
}
