import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { TransactionAnswer } from "@hearthmesh/client";
import { limits, MeshError } from "@hearthmesh/core";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, withDoorOptions } from "../door.js";
import { plural, printable } from "../text.js";
import { jsonOf, readAll, shownValue, throughKeyValue } from "./kv-door.js";
import { parseTransaction } from "./kv-txn-form.js";

interface Options extends DoorOptions {
  json?: boolean;
}

/** Values of 8 MiB as the JSON of a text, escaped. */
const FORM_BYTES_MAX = 2 * limits.STORE_TXN_BYTES_MAX;

export function kvTxnCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("txn")
    .description("compare, then write and read, all at once; docs/key-value.md has the form")
    .argument("[file]", "JSON with if, then, else; - or nothing: standard input", "-")
    .option("--json", "the answer as JSON")
    .withExamples(
      "mesh kv txn change.json",
      'echo \'{"if":[{"key":"app/leader","exists":false}],' +
        '"then":[{"put":"app/leader","value":"attic"}]}\' | mesh kv txn',
    );
  return withDoorOptions(command).action(async (file: string, options: Options) => {
    if (file === "-" && cli.interactive) note(cli, "Reading from the terminal; Ctrl-D ends it.");
    const source = file === "-" ? cli.stdin : createReadStream(resolve(cli.cwd, file));
    const transaction = parseTransaction((await readAll(source, FORM_BYTES_MAX)).toString("utf8"));
    await throughKeyValue(cli, options, async (keyValue) => {
      const answer = await keyValue.transaction(transaction, { signal: cli.signal });
      if (options.json === true) printJson(cli, jsonAnswer(answer));
      else printAnswer(cli, answer);
      if (answer.succeeded || (transaction.failure ?? []).length > 0) return;
      throw new MeshError("MESH_KV_CHANGED", {
        message: 'what "if" says does not hold: nothing was written',
        hint: 'Read the keys again. With an "else", what it reads is printed and this is no error.',
      });
    });
  });
}

function jsonAnswer({ results, ...rest }: TransactionAnswer) {
  const shown = results.map((result) =>
    result.type === "get"
      ? { type: "get", entry: result.entry === undefined ? null : jsonOf(result.entry) }
      : result,
  );
  return { ...rest, results: shown };
}

function printAnswer(cli: Cli, { succeeded, revision, results }: TransactionAnswer): void {
  print(cli, `${succeeded ? "then" : "else"}, at revision ${revision}`);
  for (const result of results) {
    if (result.type === "put") print(cli, "put");
    else if (result.type === "delete") print(cli, `deleted ${plural(result.deleted, "key")}`);
    else if (result.entry === undefined) print(cli, "get: no such key");
    else print(cli, `get ${printable(result.entry.key)}  ${shownValue(result.entry.value)}`);
  }
}
