/**
 * Authenticated encryption of datagrams between two nodes that know each other's record and key. A
 * sealed datagram, big-endian:
 *
 * | bytes | what                                                                               |
 * |-------|------------------------------------------------------------------------------------|
 * | 1     | magic, 0xd8                                                                        |
 * | 1     | version, 1                                                                         |
 * | 8     | the first bytes of the sender's node id                                            |
 * | 4     | the first bytes of the sender's boot                                               |
 * | 4     | the first bytes of SHA-256 of the receiver's node id and its boot                  |
 * | 6     | counter: of the sender's life, over all its datagrams; never the same twice        |
 * | rest  | AES-256-GCM (NIST SP 800-38D) of the datagram, with its tag of 16 bytes at the end |
 *
 * The first 24 bytes are authenticated too. Key (32 bytes) and base of the nonce (12 bytes) are
 * HKDF-SHA256 (RFC 5869) of the ECDH secret of both P-256 keys, with both boots as salt and the
 * ids of sender and receiver as info; the nonce is its base XOR the counter, as in TLS 1.3 (RFC
 * 8446, 5.3). So each direction of each pair of process lives has a key of its own, a counter that
 * begins at zero repeats no nonce, and what was sent to an earlier life opens nothing.
 *
 * Not given: forward secrecy. Who takes a node's key can read the datagrams that it recorded; they
 * say who is in the mesh, and nothing more. Links carry everything else.
 *
 * States of a peer: unknown; keyed (secret and keys derived once for each pair of boots).
 * Invariants: one sealer for one boot; a counter is accepted once; nothing is remembered of a
 * datagram before its tag was right. Error contract: what comes from outside never throws.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { MeshError, type NodeId } from "@hearthmesh/core";
import { PLAIN_DATAGRAM_BYTES_MAX, SEAL_BYTES } from "../limits.js";
import { nodeIdToBytes } from "../record-proof.js";
import { BOOT_BYTES, SEAL_PEERS_MAX } from "./limits.js";
import { ReplayWindow } from "./replay-window.js";

/** Whom a datagram is for, or may be from. */
export interface SealPeer {
  readonly nodeId: NodeId;
  /** SPKI, DER; P-256. */
  readonly publicKey: Uint8Array;
  /** Of its newest signed record. */
  readonly boot: Uint8Array;
}

/** Why a datagram is not opened. */
export type SealRefusal = "malformed" | "stranger" | "other-life" | "replayed" | "forged";

/** A datagram whose head is right; nothing is proven yet. */
export interface SealedHead {
  readonly peer: SealPeer;
  readonly counter: number;
}

const MAGIC = 0xd8;
const VERSION = 1;
const HEAD_BYTES = 24;
const TAG_BYTES = 16;
const SHORT_ID_BYTES = 8;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const COUNTER_MAX = 2 ** 48 - 1;
const INFO = "hearthmesh membership datagram v1\0";

interface DirectionKey {
  readonly key: Uint8Array;
  readonly nonceBase: Uint8Array;
}

interface PeerKeys {
  readonly boot: Uint8Array;
  readonly out: DirectionKey;
  readonly in: DirectionKey;
  readonly receiverTag: Uint8Array;
}

export interface SealerOptions {
  readonly nodeId: NodeId;
  /** PKCS#8, PEM; P-256. */
  readonly privateKeyPem: string;
  /** `BOOT_BYTES` that no other life of this node has. */
  readonly boot: Uint8Array;
}

/** The text by which `SealedHead`s are looked up. */
export function shortIdOf(nodeId: NodeId): string {
  return Buffer.from(nodeIdToBytes(nodeId).subarray(0, SHORT_ID_BYTES)).toString("hex");
}

export class DatagramSealer {
  readonly #id: Uint8Array;
  readonly #boot: Uint8Array;
  readonly #privateKey: KeyObject;
  readonly #ownTag: Uint8Array;
  readonly #keys = new Map<NodeId, PeerKeys>();
  readonly #windows = new Map<NodeId, { boot: Uint8Array; window: ReplayWindow }>();
  #counter = 0;

  /** Throws `MESH_BAD_REQUEST` for a boot of another size. */
  constructor({ nodeId, privateKeyPem, boot }: SealerOptions) {
    if (boot.length !== BOOT_BYTES) {
      throw new MeshError("MESH_BAD_REQUEST", { message: `a boot has ${BOOT_BYTES} bytes` });
    }
    this.#id = nodeIdToBytes(nodeId);
    this.#boot = boot;
    this.#privateKey = createPrivateKey(privateKeyPem);
    this.#ownTag = receiverTagOf(this.#id, boot);
  }

  /**
   * Throws `MESH_LIMIT` for a datagram that has no room, and `MESH_CERT_INVALID` for a peer without
   * a P-256 key.
   */
  seal(peer: SealPeer, plain: Uint8Array): Uint8Array {
    if (plain.length > PLAIN_DATAGRAM_BYTES_MAX || this.#counter > COUNTER_MAX) {
      const message = `a datagram has up to ${PLAIN_DATAGRAM_BYTES_MAX} bytes`;
      throw new MeshError("MESH_LIMIT", { message });
    }
    const keys = this.#keysOf(peer);
    const counter = this.#counter++;
    const head = Buffer.allocUnsafe(HEAD_BYTES);
    head.set([MAGIC, VERSION], 0);
    head.set(this.#id.subarray(0, SHORT_ID_BYTES), 2);
    head.set(this.#boot.subarray(0, 4), 10);
    head.set(keys.receiverTag, 14);
    head.writeUIntBE(counter, 18, 6);
    const { key } = keys.out;
    const cipher = createCipheriv("aes-256-gcm", key, nonceOf(keys.out, counter));
    cipher.setAAD(head);
    const body = cipher.update(plain);
    cipher.final();
    return Buffer.concat([head, body, cipher.getAuthTag()]);
  }

  /** The cheap half of opening: without cryptography. `find` knows peers by their `shortIdOf`. */
  inspect(
    bytes: Uint8Array,
    find: (shortId: string) => SealPeer | undefined,
  ): SealedHead | SealRefusal {
    const sizeMax = PLAIN_DATAGRAM_BYTES_MAX + SEAL_BYTES;
    if (bytes.length < SEAL_BYTES || bytes.length > sizeMax) return "malformed";
    if (bytes[0] !== MAGIC || bytes[1] !== VERSION) return "malformed";
    const head = Buffer.from(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
    const peer = find(head.toString("hex", 2, 2 + SHORT_ID_BYTES));
    if (peer === undefined) return "stranger";
    if (!head.subarray(10, 14).equals(peer.boot.subarray(0, 4))) return "other-life";
    if (!head.subarray(14, 18).equals(this.#ownTag)) return "other-life";
    const counter = head.readUIntBE(18, 6);
    return this.#windowOf(peer)?.isNew(counter) === false ? "replayed" : { peer, counter };
  }

  /** The datagram within, once; `bytes` are those that `inspect` gave the head of. */
  open(bytes: Uint8Array, { peer, counter }: SealedHead): Uint8Array | "replayed" | "forged" {
    const window = this.#windowOf(peer) ?? new ReplayWindow();
    if (!window.isNew(counter)) return "replayed";
    try {
      const keys = this.#keysOf(peer);
      const decipher = createDecipheriv("aes-256-gcm", keys.in.key, nonceOf(keys.in, counter), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(bytes.subarray(0, HEAD_BYTES));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      const plain = decipher.update(bytes.subarray(HEAD_BYTES, bytes.length - TAG_BYTES));
      decipher.final();
      window.add(counter);
      remember(this.#windows, peer.nodeId, { boot: peer.boot, window });
      return plain;
    } catch {
      return "forged";
    }
  }

  /** The peer is no longer of this mesh. Its window stays, so that nothing of it can come again. */
  forget(nodeId: NodeId): void {
    this.#keys.delete(nodeId);
  }

  #windowOf({ nodeId, boot }: SealPeer): ReplayWindow | undefined {
    const known = this.#windows.get(nodeId);
    return known !== undefined && isEqual(known.boot, boot) ? known.window : undefined;
  }

  #keysOf(peer: SealPeer): PeerKeys {
    const known = this.#keys.get(peer.nodeId);
    if (known !== undefined && isEqual(known.boot, peer.boot)) return known;
    const secret = this.#agree(peer.publicKey);
    const peerId = nodeIdToBytes(peer.nodeId);
    const keys = {
      boot: peer.boot,
      out: deriveKey(secret, [this.#id, this.#boot], [peerId, peer.boot]),
      in: deriveKey(secret, [peerId, peer.boot], [this.#id, this.#boot]),
      receiverTag: receiverTagOf(peerId, peer.boot),
    };
    remember(this.#keys, peer.nodeId, keys);
    return keys;
  }

  /** The x coordinate (RFC 5903, 9). Node checks that the point is on the curve. */
  #agree(publicKeySpki: Uint8Array): Uint8Array {
    try {
      const key = Buffer.from(publicKeySpki);
      const publicKey = createPublicKey({ key, format: "der", type: "spki" });
      return diffieHellman({ privateKey: this.#privateKey, publicKey });
    } catch (cause) {
      throw new MeshError("MESH_CERT_INVALID", { message: "the key is not a P-256 key", cause });
    }
  }
}

type Life = readonly [id: Uint8Array, boot: Uint8Array];

function deriveKey(secret: Uint8Array, from: Life, to: Life): DirectionKey {
  const salt = Buffer.concat([from[1], to[1]]);
  const info = Buffer.concat([Buffer.from(INFO, "latin1"), from[0], to[0]]);
  const bytes = new Uint8Array(hkdfSync("sha256", secret, salt, info, KEY_BYTES + NONCE_BYTES));
  return { key: bytes.subarray(0, KEY_BYTES), nonceBase: bytes.subarray(KEY_BYTES) };
}

function nonceOf({ nonceBase }: DirectionKey, counter: number): Uint8Array {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(counter, NONCE_BYTES - 6, 6);
  for (const [at, byte] of nonceBase.entries()) nonce[at] = (nonce[at] ?? 0) ^ byte;
  return nonce;
}

function receiverTagOf(id: Uint8Array, boot: Uint8Array): Uint8Array {
  return createHash("sha256").update(id).update(boot).digest().subarray(0, 4);
}

/** Puts it last, and drops the first beyond the limit. */
function remember<Value>(map: Map<NodeId, Value>, nodeId: NodeId, value: Value): void {
  map.delete(nodeId);
  map.set(nodeId, value);
  const [first] = map.keys();
  if (map.size > SEAL_PEERS_MAX && first !== undefined) map.delete(first);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
