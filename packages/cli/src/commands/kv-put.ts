import type { PutOptions, Value } from "@hearthmesh/client";
import { type Cli, note, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { plural, printable } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";
import { parseFence, parseTtl, readValue, throughKeyValue } from "./kv-door.js";

interface Options extends DoorOptions {
  file?: string;
  ttl?: string;
  lease?: string;
  ifMatch?: string;
  ifAbsent?: boolean;
  fence?: string;
  quiet?: boolean;
  json?: boolean;
}

export function kvPutCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("put")
    .description("write a key; a secret goes through - or --file, as others may see a command line")
    .argument("<key>", "parts with / between them: app/config/db")
    .argument("[value]", "the value; - for standard input")
    .option("--file <file>", "the bytes of a local file as the value")
    .option("--ttl <time>", "the key deletes itself after this time: 30s, 12h")
    .option("--lease <id>", "the key lives as long as this lease")
    .option("--if-match <etag>", 'only when the key has this ETag; "*": only when it is there')
    .option("--if-absent", "only when there is no such key yet")
    .option("--fence <lock:token>", "only while this lock is held with this token")
    .option("-q, --quiet", "say nothing when it went well")
    .option("--json", "the written key with its new ETag as JSON")
    .withExamples(
      "mesh kv put app/colour green",
      "pass show db | mesh kv put app/password -",
      "mesh kv put app/leader attic --ttl 30s --if-absent",
      "mesh kv put app/config --file config.yaml --if-match 1042",
    );
  return withDoorOptions(command).action(
    async (key: string, value: string | undefined, options: Options) => {
      const conditions = conditionsOf(options);
      const bytes = await givenValue(cli, value, options.file);
      await throughKeyValue(cli, options, async (keyValue) => {
        const written = await keyValue.put(key, bytes, { ...conditions, signal: cli.signal });
        if (options.json === true) return printJson(cli, written);
        if (options.quiet === true) return;
        const size = plural(Buffer.byteLength(bytes), "byte");
        note(cli, `Wrote ${printable(key)} (${size}). Its ETag is ${written.etag}.`);
      });
    },
  );
}

function conditionsOf(options: Options): PutOptions {
  const { ifMatch, ifAbsent } = options;
  const ttlMs = parseTtl(options.ttl);
  const leaseId = parseWholeNumber(options.lease, "--lease");
  const fence = parseFence(options.fence);
  if (ifMatch !== undefined && ifAbsent === true) {
    throw usageError("--if-match and --if-absent contradict each other");
  }
  if (ttlMs !== undefined && leaseId !== undefined) {
    throw usageError("--ttl makes a lease of its own: use either it or --lease");
  }
  return {
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(leaseId === undefined ? {} : { leaseId }),
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(ifAbsent === undefined ? {} : { ifAbsent }),
    ...(fence === undefined ? {} : { fence }),
  };
}

async function givenValue(
  cli: Cli,
  value: string | undefined,
  file: string | undefined,
): Promise<Value> {
  if (value !== undefined && file !== undefined) {
    throw usageError("the value comes from the command line or from --file, not from both");
  }
  if (file !== undefined) return readValue(cli, file);
  if (value === "-") return readValue(cli, "-");
  if (value !== undefined) return value;
  throw usageError(
    "the value is missing",
    'Write it after the key, "-" for standard input, or --file FILE.',
  );
}
