/** Conditional requests of RFC 9110, section 13, on the etags of entries. */
import { MeshError } from "@hearthmesh/core";

interface Headers {
  readonly "if-match"?: string | undefined;
  readonly "if-none-match"?: string | string[] | undefined;
}

/**
 * The condition of a change as the coordinator takes it: an etag, `*` for any file, `""` for none.
 * Undefined without a condition.
 */
export function changeCondition(headers: Headers): string | undefined {
  const { "if-match": match, "if-none-match": noneMatch } = headers;
  if (noneMatch !== undefined) {
    if (String(noneMatch).trim() !== "*" || match !== undefined) {
      throw bad("`If-None-Match` can only be `*` here, alone: the file must not exist yet");
    }
    return "";
  }
  if (match === undefined || match.trim() === "*") return match?.trim();
  const tag = /^"([^"]+)"$/.exec(match.trim())?.[1];
  if (tag === undefined)
    throw bad('`If-Match` takes one tag, such as "abc" with its quotes, or `*`');
  return tag;
}

/** Whether the caller's copy is still good (`If-None-Match` of a read; weak comparison). */
export function isUnchanged(header: string | string[] | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const tags = String(header)
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(`"${etag}"`);
}

/** Whether `If-Range` lets the range stand: another tag, or a date, asks for the whole file. */
export function rangeStands(ifRange: string | string[] | undefined, etag: string): boolean {
  return ifRange === undefined || String(ifRange).trim() === `"${etag}"`;
}

function bad(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}
