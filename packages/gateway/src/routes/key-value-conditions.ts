/** Conditional requests of RFC 9110, section 13, on the revisions of keys. */
import { MeshError } from "@hearthmesh/core";

interface Headers {
  readonly "if-match"?: string | undefined;
  readonly "if-none-match"?: string | string[] | undefined;
}

export function etagOf(modRevision: number): string {
  return `"${modRevision}"`;
}

/** A strong tag of a revision, or `*`. Undefined without the header. `MESH_BAD_REQUEST`. */
export function matchCondition({ "if-match": header }: Headers): {
  readonly ifMatch?: number | "*";
} {
  if (header === undefined) return {};
  const text = header.trim();
  if (text === "*") return { ifMatch: "*" };
  const revision = Number(/^"([1-9]\d{0,15})"$/.exec(text)?.[1]);
  if (!Number.isSafeInteger(revision)) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: '`If-Match` takes one tag of this key, such as "12" with its quotes, or `*`',
    });
  }
  return { ifMatch: revision };
}

/** For a write: `If-Match`, or `If-None-Match: *`, or neither. `MESH_BAD_REQUEST`. */
export function writeCondition(headers: Headers): {
  readonly ifMatch?: number | "*";
  readonly ifNoneMatch?: "*";
} {
  const noneMatch = headers["if-none-match"];
  if (noneMatch === undefined) return matchCondition(headers);
  if (String(noneMatch).trim() !== "*" || headers["if-match"] !== undefined) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: "`If-None-Match` can only be `*` here, alone: the key must not be there yet",
    });
  }
  return { ifNoneMatch: "*" };
}
