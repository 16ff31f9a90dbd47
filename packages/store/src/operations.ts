/** Short ways to write transactions and JSON values. */
import { MeshError } from "@hearthmesh/core";
import type { Compare, KeyRange, Operation } from "./types.js";

export function put(key: string, value: Uint8Array, leaseId?: number): Operation {
  return leaseId === undefined ? { type: "put", key, value } : { type: "put", key, value, leaseId };
}

export function remove(key: string): Operation {
  return { type: "delete", key };
}

export function removeRange(range: KeyRange): Operation {
  return { type: "deleteRange", range };
}

export function read(key: string): Operation {
  return { type: "get", key };
}

export function expectMissing(key: string): Compare {
  return { key, target: "version", is: "=", value: 0 };
}

export function expectExists(key: string): Compare {
  return { key, target: "version", is: ">", value: 0 };
}

/** Holds while nobody has written the key since it was read with this `modRevision`. */
export function expectRevision(key: string, modRevision: number): Compare {
  return { key, target: "modRevision", is: "=", value: modRevision };
}

/** UTF-8 JSON. A value that JSON cannot hold, such as `undefined`, is `MESH_BAD_REQUEST`. */
export function jsonValue(value: unknown): Uint8Array {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the value cannot be written as JSON" });
  }
  return new TextEncoder().encode(text);
}

/** The reverse of `jsonValue`; `MESH_STORE_CORRUPT` when the bytes are not JSON. */
export function parseJsonValue(value: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
  } catch (cause) {
    throw new MeshError("MESH_STORE_CORRUPT", { message: "a stored value is not JSON", cause });
  }
}
