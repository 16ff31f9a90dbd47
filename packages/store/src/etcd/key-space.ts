/**
 * The keys of one store inside a cluster that others may use too: each is the store's prefix and
 * then the key, in UTF-8. Nothing outside the prefix is read, written or watched.
 */
import { MeshError } from "@hearthmesh/core";
import { compareKeys } from "../keys.js";
import type { KeyRange, KeyValue } from "../types.js";
import { KEY_PREFIX_BYTES_MAX } from "./etcd-limits.js";
import type { WireKeyValue } from "./messages.js";

/** As etcd takes it: one key, or `key <= each < rangeEnd`. */
export interface WireRange {
  readonly key: Uint8Array;
  readonly rangeEnd?: Uint8Array;
}

export class KeySpace {
  readonly #prefix: string;
  readonly #prefixBytes: number;
  readonly #end: Buffer;
  /** Lies in the store's space and is never there: keys hold no NUL. */
  readonly nothing: WireRange;

  /** `MESH_CONFIG_INVALID` for a prefix that is empty, too long or no well-formed text. */
  constructor(prefix: string) {
    const bytes = Buffer.from(prefix, "utf8");
    if (
      bytes.length === 0 ||
      bytes.length > KEY_PREFIX_BYTES_MAX ||
      bytes.toString("utf8") !== prefix
    ) {
      throw new MeshError("MESH_CONFIG_INVALID", {
        message: `the store's key prefix must be a text of 1 to ${KEY_PREFIX_BYTES_MAX} bytes`,
      });
    }
    this.#prefix = prefix;
    this.#prefixBytes = bytes.length;
    this.#end = endOfPrefix(bytes);
    this.nothing = { key: this.encode("\0") };
  }

  encode(key: string): Buffer {
    return Buffer.from(this.#prefix + key, "utf8");
  }

  decode(key: Buffer): string {
    return key.toString("utf8", this.#prefixBytes);
  }

  rangeOf(range: KeyRange): WireRange {
    if ("prefix" in range) {
      const key = this.encode(range.prefix);
      return { key, rangeEnd: range.prefix === "" ? this.#end : endOfPrefix(key) };
    }
    if (compareKeys(range.start, range.end) >= 0) return this.nothing;
    return { key: this.encode(range.start), rangeEnd: this.encode(range.end) };
  }

  /** The bytes are copied: they are a part of a whole answer, which would be kept with them. */
  entryOf(wire: WireKeyValue): KeyValue {
    return {
      key: this.decode(wire.key),
      value: new Uint8Array(wire.value),
      createRevision: safe(wire.createRevision),
      modRevision: safe(wire.modRevision),
      version: safe(wire.version),
      leaseId: safe(wire.lease),
    };
  }
}

/** A 64-bit number of etcd that must be exact here: a revision, or an id of a lease of ours. */
export function safe(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new MeshError("MESH_STORE_CORRUPT", {
    message: "etcd answered with a number beyond 2^53, which this program never wrote",
  });
}

/** The first bytes after all that begin with these; UTF-8 never has the byte 0xFF. */
function endOfPrefix(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end.writeUInt8(end.readUInt8(last) + 1, last);
  return end;
}
