/**
 * What a peer answers is checked before anybody sees it: another member may lie. An entry must be
 * the one that was asked for, or lie right in the directory that was listed; a listing must go
 * forward; every field has its form and its bound. Throws `MESH_PROTOCOL`.
 */
import { type FileId, limits, MeshError, parseFileId } from "@hearthmesh/core";
import { childPath, parsePath } from "../coordinator/paths.js";
import type { FileListResponse } from "../protocol.js";
import type { Entry } from "../types.js";

const OWNER_LENGTH_MAX = 1024;
const ETAG_LENGTH_MAX = 64;
/** The last moment that a date can say: a later one makes whoever shows it fail. */
const TIME_MS_MAX = 8.64e15;

/** The entry of this path, with the fields that an entry has and no others. */
export function checkEntry(answer: unknown, path: string): Entry {
  const entry = (answer ?? {}) as Partial<Record<keyof Entry, unknown>>;
  if (entry.path !== path || entry.name !== path.slice(path.lastIndexOf("/") + 1)) {
    throw lie(`an entry that is not ${path}`);
  }
  if (entry.kind !== "file" && entry.kind !== "directory") throw lie("an entry of no known kind");
  return {
    path,
    name: entry.name,
    kind: entry.kind,
    fileId: fileIdOf(entry.fileId),
    sizeBytes: numberOf(entry.sizeBytes, Number.MAX_SAFE_INTEGER),
    createdAtMs: numberOf(entry.createdAtMs, TIME_MS_MAX),
    modifiedAtMs: numberOf(entry.modifiedAtMs, TIME_MS_MAX),
    owner: textOf(entry.owner, OWNER_LENGTH_MAX),
    etag: textOf(entry.etag, ETAG_LENGTH_MAX),
  };
}

export interface AskedPage {
  readonly path: string;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** A page of the directory that was asked for: in order, each name once, after `after`. */
export function checkPage(answer: unknown, asked: AskedPage): FileListResponse {
  const { entries, more } = (answer ?? {}) as { entries?: unknown; more?: unknown };
  if (!Array.isArray(entries) || entries.length > asked.limit) throw lie("a listing of no form");
  let last = asked.after;
  const checked = entries.map((one: unknown) => {
    const name = nameOf(one);
    if (last !== undefined && !isAfter(name, last)) throw lie("a listing that goes round");
    last = name;
    return checkEntry(one, childPath(asked.path, name));
  });
  // Without an entry there is no name to go on after, and the listing would begin again.
  return { entries: checked, more: more === true && checked.length > 0 };
}

/** The order of listings: that of the bytes of the names. */
export function isAfter(name: string, other: string): boolean {
  return Buffer.compare(Buffer.from(name, "utf8"), Buffer.from(other, "utf8")) > 0;
}

/**
 * The bytes as they come, and an error at the end unless they are exactly as many as there should
 * be: a file that was cut short is never taken for a whole one.
 */
export async function* exactly(
  stream: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = sizeBytes;
  for await (const piece of stream) {
    left -= piece.length;
    if (left < 0) throw lie("more bytes than the file has");
    yield piece;
  }
  if (left > 0) throw new MeshError("MESH_UNREACHABLE", { message: "the bytes broke off" });
}

/** A name that a directory can hold: it must not lead anywhere else. */
function nameOf(value: unknown): string {
  const name = (value as { name?: unknown } | null)?.name;
  if (typeof name !== "string" || name === "" || name.includes("/"))
    throw lie("an entry without a name");
  try {
    // Not the first name of the path, which has rules of its own.
    parsePath(`/-/${name}`);
  } catch {
    throw lie("an entry with a name that cannot be");
  }
  return name;
}

function fileIdOf(value: unknown): FileId {
  try {
    return parseFileId(textOf(value, limits.PATH_NAME_BYTES_MAX));
  } catch {
    throw lie("an entry without an id");
  }
}

function numberOf(value: unknown, max: number): number {
  if (typeof value === "number" && value >= 0 && value <= max) return value;
  throw lie("an entry with a number that cannot be");
}

function textOf(value: unknown, lengthMax: number): string {
  const isText = typeof value === "string" && value.length <= lengthMax;
  // What is shown must not steer the terminal that shows it.
  if (isText && !/\p{Cc}/u.test(value)) return value;
  throw lie("an entry with a text that cannot be");
}

function lie(what: string): MeshError {
  return new MeshError("MESH_PROTOCOL", { message: `it answered with ${what}` });
}
