/**
 * Keys of users. A key is a path without the slash at its beginning: parts with `/` between them,
 * so that each key has one path (`app/db` has `/kv/app/db`), by which grants judge it. What the
 * store holds for users:
 *
 * | key                         | value                                                       |
 * |-----------------------------|-------------------------------------------------------------|
 * | `kv/d/<key>`                | the user's value                                            |
 * | `kv/l/<lease>`              | `LeaseRecord`; lives with that lease                        |
 * | `kv/k/<lock>\u0001<lease>`  | `LockRecord` of its holder or of one that waits; with lease |
 *
 * `<lease>` has 16 decimal digits. No key or name has a control character or U+10FFFF, so that
 * U+0001 comes before, and U+10FFFF after, everything that can follow a text in a key.
 */
import { MeshError } from "@hearthmesh/core";
import { isGrantPath } from "@hearthmesh/identity";
import type { KeyRange } from "@hearthmesh/store";
import { KV_KEY_BYTES_MAX } from "./limits.js";

/** Path of the grants that hold for all keys. */
export const KV_ROOT = "/kv";
/** Keys below it are names of locks: nothing else is kept there. */
export const LOCKS_DIRECTORY = "locks/";
export const KV_PREFIX = "kv/";
export const DATA_PREFIX = "kv/d/";
export const LEASE_PREFIX = "kv/l/";
export const LOCK_PREFIX = "kv/k/";
const BEFORE_ALL = "\u0001";
const AFTER_ALL = "\u{10ffff}";
const LEASE_DIGITS = 16;

export const pathOf = (key: string): string => (key === "" ? KV_ROOT : `${KV_ROOT}/${key}`);
export const lockPath = (name: string): string => pathOf(LOCKS_DIRECTORY + name);
export const dataKey = (key: string): string => DATA_PREFIX + key;
export const leaseKey = (leaseId: number): string => LEASE_PREFIX + leaseDigits(leaseId);
export const queuePrefix = (lock: string): string => LOCK_PREFIX + lock + BEFORE_ALL;
export const queueKey = (lock: string, leaseId: number): string =>
  queuePrefix(lock) + leaseDigits(leaseId);

export function keyOfData(storeKey: string): string {
  return storeKey.slice(DATA_PREFIX.length);
}

export function lockOfQueueKey(storeKey: string): string {
  return storeKey.slice(LOCK_PREFIX.length, storeKey.indexOf(BEFORE_ALL));
}

/** The one key. */
export function onlyKey(storeKey: string): KeyRange {
  return { start: storeKey, end: storeKey + BEFORE_ALL };
}

/** What comes after a key in the prefix. */
export function restOfPrefix(prefix: string, after: string): KeyRange {
  return { start: after + BEFORE_ALL, end: prefix + AFTER_ALL };
}

/** The locks after a lock in the prefix. */
export function locksAfter(prefix: string, lock: string): KeyRange {
  return { start: queuePrefix(lock) + AFTER_ALL, end: prefix + AFTER_ALL };
}

/** Throws `MESH_STORE_KEY_INVALID` with what is wrong. */
export function parseKey(text: unknown): string {
  const key = checkedText("key", text);
  if (key === "") throw invalid("a key must not be empty");
  if (!isGrantPath(pathOf(key))) throw invalid(`${shown(key)} is not a key`);
  if (key === "locks" || key.startsWith(LOCKS_DIRECTORY)) {
    throw invalid(`${shown(key)} is kept for locks: a lock is taken, not written`);
  }
  return key;
}

/** Any text that a key may begin with. Throws `MESH_STORE_KEY_INVALID`. */
export function parsePrefix(text: unknown): string {
  return checkedText("prefix", text);
}

/** The prefix of a whole directory: empty, or with a slash at its end. */
export function parseDirectory(text: unknown): string {
  const prefix = parsePrefix(text);
  if (prefix === "") return prefix;
  if (!prefix.endsWith("/") || !isGrantPath(directoryPath(prefix))) {
    throw invalid(`the prefix ${shown(prefix)} must be whole parts and end with /`);
  }
  return prefix;
}

export function directoryPath(prefix: string): string {
  return pathOf(prefix.slice(0, -1));
}

/** Throws `MESH_STORE_KEY_INVALID`. */
export function parseLockName(text: unknown): string {
  const name = checkedText("name of a lock", text);
  if (name === "" || !isGrantPath(lockPath(name))) {
    throw invalid(`${shown(name)} is not a name of a lock`);
  }
  return name;
}

function checkedText(what: string, text: unknown): string {
  if (typeof text !== "string") throw invalid(`the ${what} is not a text`);
  const bytes = Buffer.byteLength(text);
  if (bytes > KV_KEY_BYTES_MAX) {
    throw invalid(`the ${what} has ${bytes} bytes; ${KV_KEY_BYTES_MAX} are allowed`);
  }
  if (/\p{Surrogate}|\p{Cc}|\u{10ffff}/u.test(text)) {
    throw invalid(`the ${what} ${shown(text)} has a character that is not allowed`);
  }
  return text;
}

function invalid(message: string): MeshError {
  return new MeshError("MESH_STORE_KEY_INVALID", {
    message,
    hint:
      `Parts with / between them, none empty, "." or "..", each up to 255 bytes; ` +
      `${KV_KEY_BYTES_MAX} bytes in all; no control characters.`,
  });
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function leaseDigits(leaseId: number): string {
  return leaseId.toString().padStart(LEASE_DIGITS, "0");
}
