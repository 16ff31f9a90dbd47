/** What the commands of `mesh kv` share: the client behind a door, and values as text. */
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { Fence, KeyValueClient } from "@hearthmesh/client";
import { limits, MeshError, parseDurationMs } from "@hearthmesh/core";
import { type Cli, note } from "../cli.js";
import { type DoorOptions, throughDoor } from "../door.js";
import { usageError } from "../failures.js";
import { printable } from "../text.js";

export async function throughKeyValue<Result>(
  cli: Cli,
  options: DoorOptions,
  work: (keyValue: KeyValueClient) => Promise<Result>,
): Promise<Result> {
  return throughDoor(cli, options, async ({ api }) => {
    const { KeyValueClient } = await import("@hearthmesh/client");
    const { clock, random } = cli;
    return work(new KeyValueClient({ door: api, clock, random }));
  });
}

/** Standard input for `-`, else a local file. Larger than a value may be is an error at once. */
export async function readValue(cli: Cli, file: string): Promise<Buffer> {
  if (file === "-" && cli.interactive) note(cli, "Reading from the terminal; Ctrl-D ends it.");
  const source = file === "-" ? cli.stdin : createReadStream(resolve(cli.cwd, file));
  return readAll(source, limits.STORE_VALUE_BYTES_MAX);
}

export async function readAll(source: AsyncIterable<unknown>, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source) {
    const part = typeof piece === "string" ? Buffer.from(piece) : Buffer.from(piece as Uint8Array);
    bytes += part.length;
    if (bytes > bytesMax) {
      throw new MeshError("MESH_STORE_VALUE_TOO_LARGE", {
        message: `more than ${bytesMax} bytes came`,
        hint: "Keep it as a file: mesh write /shared/NAME, and its path as the value.",
      });
    }
    pieces.push(part);
  }
  return Buffer.concat(pieces);
}

/** A duration of the command line in milliseconds. */
export function parseTtl(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text);
}

/** `jobs/nightly:12`, as `mesh lock run` hands both to its command. */
export function parseFence(text: string | undefined): Fence | undefined {
  if (text === undefined) return undefined;
  const match = /^(.+):(\d{1,15})$/.exec(text);
  if (match?.[1] === undefined) {
    throw usageError(
      `${JSON.stringify(text)} is not a lock with its token`,
      'Write LOCK:TOKEN; under mesh lock run: --fence "$MESH_LOCK_NAME:$MESH_LOCK_TOKEN".',
    );
  }
  return { lock: match[1], token: Number(match[2]) };
}

/** The text, when the bytes are one; undefined for other bytes. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** For JSON: `value` when it is text, `valueBase64` otherwise; neither without a value. */
export function jsonOf<Shape extends { readonly value?: Uint8Array }>(entry: Shape) {
  const { value, ...rest } = entry;
  if (value === undefined) return rest;
  const text = textOf(value);
  if (text !== undefined) return { ...rest, value: text };
  return { ...rest, valueBase64: Buffer.from(value).toString("base64") };
}

const SHOWN_CHARACTERS_MAX = 80;

/** One line for people: the text as far as it fits, or what it is. */
export function shownValue(value: Uint8Array): string {
  const text = textOf(value);
  if (text === undefined) return `(${value.length} bytes)`;
  const line = printable(text.replace(/\n$/, ""));
  return line.length <= SHOWN_CHARACTERS_MAX ? line : `${line.slice(0, SHOWN_CHARACTERS_MAX)}…`;
}
