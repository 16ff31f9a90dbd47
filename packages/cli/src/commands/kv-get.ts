import { MeshError } from "@hearthmesh/core";
import { type Cli, note, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, withDoorOptions } from "../door.js";
import { saveFile, writeOut } from "../output-file.js";
import { plural, printable } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";
import { jsonOf, throughKeyValue } from "./kv-door.js";

interface Options extends DoorOptions {
  revision?: string;
  output?: string;
  quiet?: boolean;
  json?: boolean;
}

export function kvGetCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("get")
    .description("the value of a key, byte for byte, to standard output or to a file")
    .argument("<key>", "as it was written")
    .option("--revision <number>", "as it was at that revision")
    .option("-o, --output <file>", "local file, made whole or not at all")
    .option("-q, --quiet", "say nothing when it went well")
    .option("--json", "the value with its ETag and revisions; bytes that are no text in base64")
    .withExamples(
      "mesh kv get app/colour",
      "mesh kv get app/config -o config.yaml",
      "mesh kv get app/config --json | jq -r .etag",
    );
  return withDoorOptions(command).action(async (key: string, options: Options) => {
    const revision = parseWholeNumber(options.revision, "--revision");
    await throughKeyValue(cli, options, async (keyValue) => {
      const entry = await keyValue.get(key, {
        signal: cli.signal,
        ...(revision === undefined ? {} : { revision }),
      });
      if (entry === undefined) throw notFound(key, revision);
      if (options.json === true) return printJson(cli, jsonOf(entry));
      if (options.output === undefined || options.output === "-") {
        return writeOut(cli, once(entry.value));
      }
      const bytes = await saveFile(cli, options.output, once(entry.value));
      if (options.quiet === true) return;
      note(cli, `Read ${printable(key)} (${plural(bytes, "byte")}) to ${options.output}.`);
    });
  });
}

/** For a key that is named and not there. */
export function notFound(key: string, revision?: number): MeshError {
  const when = revision === undefined ? "" : ` at revision ${revision}`;
  return new MeshError("MESH_KV_NOT_FOUND", {
    message: `there ${revision === undefined ? "is" : "was"} no key ${JSON.stringify(key)}${when}`,
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
