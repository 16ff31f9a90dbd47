/** Reading JSON that another agent sent: every field is looked at, nothing is believed. */
import { MeshError } from "@hearthmesh/core";

export type JsonRecord = Readonly<Record<string, unknown>>;

/** `MESH_PROTOCOL` when it is longer, no JSON, or no object. */
export function parseRecord(bytes: Uint8Array, bytesMax: number): JsonRecord {
  if (bytes.length > bytesMax) wrong(`more than ${bytesMax} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch {
    wrong("no JSON");
  }
  return recordOf(value);
}

export function toBytes(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value), "utf8");
}

export function recordOf(value: unknown): JsonRecord {
  if (value === null || typeof value !== "object" || Array.isArray(value)) wrong("no object");
  return value as JsonRecord;
}

export function textOf(value: unknown, charactersMax: number): string {
  if (typeof value !== "string" || value.length > charactersMax) wrong("no text where one belongs");
  return value as string;
}

export function wholeOf(value: unknown, least: number, most: number): number {
  if (!Number.isSafeInteger(value)) wrong("no whole number where one belongs");
  return within(value as number, least, most);
}

export function numberOf(value: unknown, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isFinite(value)) wrong("no number where one belongs");
  return within(value as number, least, most);
}

export function listOf<T>(value: unknown, most: number, read: (item: unknown) => T): T[] {
  if (!Array.isArray(value) || value.length > most) wrong(`no list of at most ${most}`);
  return (value as unknown[]).map(read);
}

/** Undefined for null and for what is absent. */
export function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}

function within(value: number, least: number, most: number): number {
  if (value < least || value > most) wrong(`${value} is not between ${least} and ${most}`);
  return value;
}

function wrong(what: string): never {
  throw new MeshError("MESH_PROTOCOL", { message: `another agent sent ${what}` });
}
