/**
 * The LAN beacon: one datagram in which a node says where it is, for the nodes of its mesh alone.
 *
 * | bytes | what                                                                    |
 * |-------|-------------------------------------------------------------------------|
 * | 16    | tag: HMAC-SHA256 of the period (`u64` of hours since 1970), cut short   |
 * | 12    | nonce, random                                                           |
 * | n     | contents, AES-256-GCM; the tag is authenticated with them               |
 * | 16    | authentication tag of GCM                                               |
 *
 * Contents, big-endian, zeros up to a multiple of 128:
 *
 * | bytes   | what                                                                  |
 * |---------|-----------------------------------------------------------------------|
 * | 1       | version, 1                                                            |
 * | 1       | 1 when the node is leaving, else 0                                    |
 * | 64      | public key: the coordinates of the P-256 point; its hash is the id    |
 * | 8       | boot: a number that a later start of the node makes higher, below 2^53 |
 * | 4       | sequence within the boot                                              |
 * | 2 + 2   | UDP port of membership, TCP port of links; 0 for none                 |
 * | 1       | number of addresses, up to 4                                          |
 * | 1 + 1-64 | for each: length, `host:port` in ASCII                               |
 * | 64      | signature (ECDSA P-256, SHA-256, IEEE P1363) over a text that names   |
 * |         | its purpose, the tag in front, and the contents before it             |
 *
 * Both the tag and the key are derived from the mesh secret for the period, so one key seals few
 * beacons, a recorded one is of no use after `BEACON_PERIODS_OFF_MAX` hours, and beacons of two
 * periods have nothing in common. Strangers and other meshes drop a beacon by its tag.
 *
 * The mesh secret says "of this mesh", the signature says who. Neither says "now": a sender's boot
 * and sequence must rise (`beacon-replay.ts`), and whoever dials verifies the link.
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { MeshError, type NodeId, type Random } from "@hearthmesh/core";
import { nodeIdOfPublicKey, verifySignature } from "@hearthmesh/identity";
import { canonicalEndpoint, canonicalEndpoints } from "./endpoint-text.js";
import {
  BEACON_ADDRESS_BYTES_MAX,
  BEACON_ADDRESSES_MAX,
  BEACON_BYTES_MAX,
  BEACON_PADDING_BYTES,
  BEACON_PERIOD_MS,
  BEACON_PERIODS_OFF_MAX,
} from "./limits.js";
import { deriveMeshKey, isSameSecret, type MeshSecret, meshSecretKeys } from "./mesh-secret.js";

/** What a node says about itself. */
export interface Beacon {
  readonly nodeId: NodeId;
  /** SPKI, DER; P-256. */
  readonly publicKey: Uint8Array;
  readonly boot: number;
  readonly sequence: number;
  readonly udpPort: number;
  readonly linkPort: number;
  /** `host:port`, besides the link port at the address that the datagram comes from. */
  readonly linkAddresses: readonly string[];
  readonly isLeaving: boolean;
}

/**
 * `foreign`: not of this mesh, or the clocks are more than two hours apart. `forged`: sealed by
 * somebody else, or with a wrong signature. `malformed`: it is not of the form above.
 */
export type BeaconRefusal = "foreign" | "forged" | "malformed";
/** What a sender says of itself before its signature was verified. */
export type BeaconClaim = Pick<Beacon, "nodeId" | "boot" | "sequence">;
export type OpenedBeacon<Dropped = never> =
  | { readonly beacon: Beacon; readonly refusal?: never }
  | { readonly beacon?: never; readonly refusal: BeaconRefusal | Dropped };

const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const SEAL_BYTES = 16;
const HEAD_BYTES = TAG_BYTES + NONCE_BYTES;
const POINT_BYTES = 64;
const SIGNATURE_BYTES = 64;
const VERSION = 1;
/** Version to number of addresses. */
const FIXED_BYTES = 2 + POINT_BYTES + 8 + 4 + 2 + 2 + 1;
const DOMAIN = Buffer.from("hearthmesh lan beacon v1\0", "latin1");
/** SPKI of an uncompressed P-256 point up to its coordinates (RFC 5480). */
const SPKI_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex");

interface PeriodKeys {
  readonly tag: Buffer;
  readonly key: Uint8Array;
}

/** Seals and opens beacons; keeps what it derived for the secret and the periods around now. */
export class BeaconCodec {
  readonly #random: Random;
  #secret: MeshSecret | undefined;
  #period = Number.NaN;
  /** By the tag in hexadecimal. */
  #byTag = new Map<string, PeriodKeys>();
  #own: PeriodKeys | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * The datagram. `sign` gets the bytes and returns 64 bytes (IEEE P1363). Throws
   * `MESH_BAD_REQUEST` for a value that the format cannot carry.
   */
  seal(
    beacon: Omit<Beacon, "nodeId">,
    secret: MeshSecret,
    sign: (bytes: Uint8Array) => Uint8Array,
    nowMs: number,
  ): Uint8Array {
    const own = this.#prepare(secret, nowMs);
    const contents = writeContents(beacon, own.tag, sign);
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", own.key, nonce).setAAD(own.tag);
    const sealed = [cipher.update(contents), cipher.final(), cipher.getAuthTag()];
    return Buffer.concat([own.tag, nonce, ...sealed]);
  }

  /**
   * The beacon in a datagram, or why there is none; never throws for any bytes. Most of the time
   * goes into the signature: `drop` may name a reason to do without the beacon before that.
   */
  open<Dropped extends string = never>(
    bytes: Uint8Array,
    secret: MeshSecret,
    nowMs: number,
    drop?: (claim: BeaconClaim) => Dropped | undefined,
  ): OpenedBeacon<Dropped> {
    this.#prepare(secret, nowMs);
    if (bytes.length < HEAD_BYTES + SEAL_BYTES) return { refusal: "foreign" };
    const datagram = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const keys = this.#byTag.get(datagram.toString("hex", 0, TAG_BYTES));
    if (keys === undefined) return { refusal: "foreign" };
    if (bytes.length > BEACON_BYTES_MAX) return { refusal: "malformed" };
    const contents = decrypt(datagram, keys);
    if (contents === undefined) return { refusal: "forged" };
    const read = readContents(contents);
    if (read === undefined) return { refusal: "malformed" };
    const { beacon, signed, signature } = read;
    const dropped = drop?.(beacon);
    if (dropped !== undefined) return { refusal: dropped };
    const isTrue = verifySignature(beacon.publicKey, signingBytes(keys.tag, signed), signature);
    return isTrue ? { beacon } : { refusal: "forged" };
  }

  #prepare(secret: MeshSecret, nowMs: number): PeriodKeys {
    const period = Math.max(0, Math.floor(nowMs / BEACON_PERIOD_MS));
    const isSame = this.#secret !== undefined && isSameSecret(this.#secret, secret);
    if (this.#own !== undefined && isSame && period === this.#period) return this.#own;
    const byTag = new Map<string, PeriodKeys>();
    const own = derivePeriod(secret, 0, period);
    const first = Math.max(0, period - BEACON_PERIODS_OFF_MAX);
    for (let other = first; other <= period + BEACON_PERIODS_OFF_MAX; other++) {
      for (const index of meshSecretKeys(secret).keys()) {
        const keys = derivePeriod(secret, index, other);
        byTag.set(keys.tag.toString("hex"), keys);
      }
    }
    this.#byTag = byTag;
    this.#secret = secret;
    this.#period = period;
    this.#own = own;
    return own;
  }
}

function derivePeriod(secret: MeshSecret, keyIndex: number, period: number): PeriodKeys {
  const source = meshSecretKeys(secret)[keyIndex] ?? secret.current;
  const text = Buffer.alloc(8);
  text.writeBigUInt64BE(BigInt(period));
  const mac = createHmac("sha256", deriveMeshKey(source, "beacon tag")).update(text);
  return {
    tag: mac.digest().subarray(0, TAG_BYTES),
    key: deriveMeshKey(source, "beacon key", period),
  };
}

function decrypt(datagram: Buffer, keys: PeriodKeys): Buffer | undefined {
  const end = datagram.length - SEAL_BYTES;
  const nonce = datagram.subarray(TAG_BYTES, HEAD_BYTES);
  const cipher = createDecipheriv("aes-256-gcm", keys.key, nonce, { authTagLength: SEAL_BYTES });
  cipher.setAAD(keys.tag).setAuthTag(datagram.subarray(end));
  try {
    return Buffer.concat([cipher.update(datagram.subarray(HEAD_BYTES, end)), cipher.final()]);
  } catch {
    return undefined;
  }
}

function writeContents(
  beacon: Omit<Beacon, "nodeId">,
  tag: Buffer,
  sign: (bytes: Uint8Array) => Uint8Array,
): Buffer {
  const { publicKey, boot, sequence, udpPort, linkPort, linkAddresses } = beacon;
  const isPort = (port: number) => Number.isInteger(port) && port >= 0 && port <= 65_535;
  check(isPort(udpPort) && isPort(linkPort), "a port is not between 0 and 65535");
  check(Number.isSafeInteger(boot) && boot >= 0, "the boot is not from 0 to 2^53 - 1");
  check(sequence >>> 0 === sequence, "the sequence is not from 0 to 2^32 - 1");
  check(linkAddresses.length <= BEACON_ADDRESSES_MAX, "there are too many addresses");
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.writeUInt8(VERSION, 0);
  fixed.writeUInt8(beacon.isLeaving ? 1 : 0, 1);
  const point = publicKey.subarray(SPKI_PREFIX.length);
  const isSpki = SPKI_PREFIX.equals(publicKey.subarray(0, SPKI_PREFIX.length));
  check(isSpki && point.length === POINT_BYTES, "the public key is not an uncompressed P-256 key");
  fixed.set(point, 2);
  fixed.writeBigUInt64BE(BigInt(boot), 66);
  fixed.writeUInt32BE(sequence, 74);
  fixed.writeUInt16BE(udpPort, 78);
  fixed.writeUInt16BE(linkPort, 80);
  fixed.writeUInt8(linkAddresses.length, 82);
  const addresses = linkAddresses.map((address) => {
    check(isBeaconAddress(address), "an address is not host:port, or too long");
    return Buffer.concat([Uint8Array.of(address.length), Buffer.from(address, "latin1")]);
  });
  const signed = Buffer.concat([fixed, ...addresses]);
  const signature = sign(signingBytes(tag, signed));
  check(signature.length === SIGNATURE_BYTES, "a signature has 64 bytes");
  const length = signed.length + SIGNATURE_BYTES;
  const padding = (BEACON_PADDING_BYTES - (length % BEACON_PADDING_BYTES)) % BEACON_PADDING_BYTES;
  return Buffer.concat([signed, signature, Buffer.alloc(padding)]);
}

interface ReadContents {
  readonly beacon: Beacon;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Undefined when it is not of the form; the signature is not verified here. */
function readContents(contents: Buffer): ReadContents | undefined {
  if (contents.length < FIXED_BYTES + SIGNATURE_BYTES) return undefined;
  const isLeaving = contents.readUInt8(1);
  const boot = Number(contents.readBigUInt64BE(66));
  const addressCount = contents.readUInt8(82);
  if (contents.readUInt8(0) !== VERSION || isLeaving > 1) return undefined;
  if (!Number.isSafeInteger(boot) || addressCount > BEACON_ADDRESSES_MAX) return undefined;
  const linkAddresses: string[] = [];
  let at = FIXED_BYTES;
  for (let index = 0; index < addressCount; index++) {
    const end = at + 1 + (contents[at] ?? 0);
    const address = contents.toString("latin1", at + 1, end);
    if (end > contents.length - SIGNATURE_BYTES || !isBeaconAddress(address)) return undefined;
    linkAddresses.push(address);
    at = end;
  }
  const publicKey = new Uint8Array(
    Buffer.concat([SPKI_PREFIX, contents.subarray(2, 2 + POINT_BYTES)]),
  );
  const signature = contents.subarray(at, at + SIGNATURE_BYTES);
  const padding = contents.subarray(at + SIGNATURE_BYTES);
  if (padding.length >= BEACON_PADDING_BYTES || padding.some((byte) => byte !== 0)) {
    return undefined;
  }
  const beacon: Beacon = {
    nodeId: nodeIdOfPublicKey(publicKey),
    publicKey,
    boot,
    sequence: contents.readUInt32BE(74),
    udpPort: contents.readUInt16BE(78),
    linkPort: contents.readUInt16BE(80),
    linkAddresses,
    isLeaving: isLeaving === 1,
  };
  return { beacon, signed: contents.subarray(0, at), signature };
}

function signingBytes(tag: Uint8Array, signed: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, tag, signed]);
}

/** Those of the addresses that a beacon can carry, in their one form. */
export function beaconAddresses(addresses: readonly string[]): string[] {
  const short = addresses.filter(({ length }) => length <= BEACON_ADDRESS_BYTES_MAX);
  return canonicalEndpoints(short, BEACON_ADDRESSES_MAX);
}

function isBeaconAddress(address: string): boolean {
  return address.length <= BEACON_ADDRESS_BYTES_MAX && canonicalEndpoint(address) === address;
}

function check(condition: boolean, message: string): void {
  if (!condition) throw new MeshError("MESH_BAD_REQUEST", { message: `beacon: ${message}` });
}
