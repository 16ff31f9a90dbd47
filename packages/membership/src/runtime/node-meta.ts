/**
 * What a node tells about itself beside its name and address: the meta of its record, a CBOR map
 * (RFC 8949) of at most `NODE_META_BYTES_MAX` bytes.
 *
 * | key | value                                                                             |
 * |-----|-----------------------------------------------------------------------------------|
 * | `b` | bytes, 8: the life of its process, drawn when it starts                           |
 * | `a` | texts: where its links are, `host:port`, best first                               |
 * | `r` | texts: roles                                                                      |
 * | `c` | texts: capabilities                                                               |
 * | `s` | text: site                                                                        |
 * | `v` | text: version of the program                                                      |
 * | `p` | boolean: it passes streams on                                                     |
 * | `h` | boolean: it is a hub                                                              |
 *
 * Empty and false ones are left out; keys that are not known are passed over.
 */
import { MeshError } from "@hearthmesh/core";
import { decodeCbor, encodeCbor } from "@hearthmesh/qwormhole";
import { ADDRESS_BYTES_MAX, NODE_META_BYTES_MAX } from "../limits.js";
import type { NodeProfile } from "../ports.js";
import {
  BOOT_BYTES,
  META_ADDRESSES_MAX,
  META_CAPABILITIES_MAX,
  META_ROLES_MAX,
  META_TEXT_BYTES_MAX,
} from "./limits.js";

export interface NodeMeta extends NodeProfile {
  /** Of this life of the process; datagrams of another one are not accepted. */
  readonly boot: Uint8Array;
}

export interface EncodedNodeMeta {
  readonly bytes: Uint8Array;
  /** Addresses, and after them capabilities, that had no room; the last ones go first. */
  readonly dropped: number;
}

const ADDRESS = /^[\x21-\x7e]+:\d{1,5}$/;
/** They would reach terminals and logs. */
const TEXT_REFUSED = /[\p{Cc}\p{Cs}]/u;

/**
 * Throws `MESH_BAD_REQUEST` for a value that no node would accept. What has no room is dropped: the
 * last addresses, and capabilities when all addresses but one are gone.
 */
export function encodeNodeMeta(meta: NodeMeta): EncodedNodeMeta {
  const addresses = [...meta.linkAddresses].slice(0, META_ADDRESSES_MAX);
  const capabilities = [...meta.capabilities].slice(0, META_CAPABILITIES_MAX);
  const wanted = meta.linkAddresses.length + meta.capabilities.length;
  for (;;) {
    const bytes = encodeCbor(toMap({ ...meta, linkAddresses: addresses, capabilities }));
    if (bytes.length <= NODE_META_BYTES_MAX) {
      if (decodeNodeMeta(bytes) === undefined) throw invalid("the meta of this node is not valid");
      return { bytes, dropped: wanted - addresses.length - capabilities.length };
    }
    if (addresses.length > 1) addresses.pop();
    else if (capabilities.length > 0) capabilities.pop();
    else throw invalid(`the meta of a node has up to ${NODE_META_BYTES_MAX} bytes`);
  }
}

/** Undefined for anything that is no meta; never throws. */
export function decodeNodeMeta(bytes: Uint8Array): NodeMeta | undefined {
  if (bytes.length > NODE_META_BYTES_MAX) return undefined;
  try {
    return fromMap(decodeCbor(bytes));
  } catch {
    return undefined;
  }
}

function toMap(meta: NodeMeta): Record<string, unknown> {
  const { boot, linkAddresses, roles, capabilities, site, version, relays, isHub } = meta;
  return {
    b: boot,
    ...(linkAddresses.length > 0 ? { a: [...linkAddresses] } : {}),
    ...(roles.length > 0 ? { r: [...roles] } : {}),
    ...(capabilities.length > 0 ? { c: [...capabilities] } : {}),
    ...(site === "" ? {} : { s: site }),
    ...(version === "" ? {} : { v: version }),
    ...(relays ? { p: true } : {}),
    ...(isHub ? { h: true } : {}),
  };
}

/** What is looked at in the map; nothing of it is certain. */
interface RawMeta {
  b?: unknown;
  a?: unknown;
  r?: unknown;
  c?: unknown;
  s?: unknown;
  v?: unknown;
  p?: unknown;
  h?: unknown;
}

function fromMap(value: unknown): NodeMeta | undefined {
  if (value === null || typeof value !== "object") return undefined;
  const map = value as RawMeta;
  const { b: boot, s: site = "", v: version = "", p: relays = false, h: isHub = false } = map;
  const linkAddresses = textsOf(map.a, META_ADDRESSES_MAX, isAddress);
  const roles = textsOf(map.r, META_ROLES_MAX, isText);
  const capabilities = textsOf(map.c, META_CAPABILITIES_MAX, isText);
  if (!(boot instanceof Uint8Array) || boot.length !== BOOT_BYTES) return undefined;
  if (linkAddresses === undefined || roles === undefined || capabilities === undefined) {
    return undefined;
  }
  if (!isText(site) || !isText(version)) return undefined;
  if (typeof relays !== "boolean" || typeof isHub !== "boolean") return undefined;
  return { boot, linkAddresses, roles, capabilities, site, version, relays, isHub };
}

function textsOf(
  value: unknown,
  countMax: number,
  isValid: (text: unknown) => text is string,
): string[] | undefined {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > countMax || !value.every(isValid)) return undefined;
  return value;
}

function isText(value: unknown): value is string {
  return (
    typeof value === "string" &&
    Buffer.byteLength(value) <= META_TEXT_BYTES_MAX &&
    !TEXT_REFUSED.test(value)
  );
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && value.length <= ADDRESS_BYTES_MAX && ADDRESS.test(value);
}

function invalid(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}
