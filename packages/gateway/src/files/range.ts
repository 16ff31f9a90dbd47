/** The `Range` header of RFC 9110, section 14, for one range of bytes. */
import { MeshError } from "@hearthmesh/core";

export interface ByteRange {
  readonly start: number;
  readonly endInclusive: number;
}

/**
 * The part that is asked for, or undefined for the whole file: without the header, in another unit
 * or form, and for several ranges at once (which a server may ignore). Throws `MESH_RANGE_INVALID`
 * when the range lies outside the file.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replaceAll(" ", "") ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") return suffix(Number(last), sizeBytes);
  const start = Number(first);
  const end = last === "" ? sizeBytes - 1 : Number(last);
  if (last !== "" && end < start) return undefined;
  if (start >= sizeBytes) throw outside(sizeBytes);
  return { start, endInclusive: Math.min(end, sizeBytes - 1) };
}

function suffix(length: number, sizeBytes: number): ByteRange {
  if (length === 0 || sizeBytes === 0) throw outside(sizeBytes);
  return { start: Math.max(0, sizeBytes - length), endInclusive: sizeBytes - 1 };
}

function outside(sizeBytes: number): MeshError {
  return new MeshError("MESH_RANGE_INVALID", {
    message: `the range lies outside the file, which has ${sizeBytes} bytes`,
    details: { sizeBytes },
  });
}
