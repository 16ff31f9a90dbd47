/**
 * The key of a node in Yggdrasil, and what follows from it. It is a key of its own: whoever holds
 * it has the node's address there, and nothing of the node.
 */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { isIPv6, SocketAddress } from "node:net";
import { readIfThere, readPrivate, writePrivate } from "@hearthmesh/client/private-files";
import { MeshError, type Random } from "@hearthmesh/core";

const SEED_BYTES = 32;
/** An Ed25519 seed as PKCS #8 (RFC 8410, 7) follows these bytes. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const KEY = /^[0-9a-f]{128}$/;

export interface YggdrasilKey {
  /** Hexadecimal: the seed and the public key, as its configuration wants it. */
  readonly privateKey: string;
  readonly publicKey: string;
  readonly address: string;
  readonly subnet: string;
}

/** Read from its file, or made there. `MESH_HOME_UNSAFE`, `MESH_STORE_CORRUPT`. */
export async function ensureYggdrasilKey(path: string, random: Random): Promise<YggdrasilKey> {
  if ((await readIfThere(path)) === undefined) {
    await writePrivate(path, `${privateKeyOf(random.bytes(SEED_BYTES))}\n`);
  }
  const privateKey = (await readPrivate(path)).trim();
  if (!KEY.test(privateKey) || privateKey !== privateKeyOf(seedOf(privateKey))) {
    throw new MeshError("MESH_STORE_CORRUPT", {
      message: `${path} is not a key of Yggdrasil`,
      hint: "Restore it, or remove it: a new one gives this node another overlay address.",
    });
  }
  const publicKey = privateKey.slice(2 * SEED_BYTES);
  return { privateKey, publicKey, ...placesOf(Buffer.from(publicKey, "hex")) };
}

function seedOf(privateKey: string): Buffer {
  return Buffer.from(privateKey.slice(0, 2 * SEED_BYTES), "hex");
}

function privateKeyOf(seed: Uint8Array): string {
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  const key = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  const { x = "" } = key.export({ format: "jwk" });
  return Buffer.concat([seed, Buffer.from(x, "base64url")]).toString("hex");
}

/**
 * Address and subnet of a public key: 0x02 or 0x03, the number of leading one bits of the inverted
 * key, and its bits after the first zero
 * (https://yggdrasil-network.github.io/implementation.html#address-generation).
 */
export function placesOf(publicKey: Uint8Array): { address: string; subnet: string } {
  const bits = [...publicKey].map((byte) => (byte ^ 0xff).toString(2).padStart(8, "0")).join("");
  const ones = Math.max(0, bits.indexOf("0"));
  const rest = bits.slice(ones + 1).padEnd(14 * 8, "0");
  const tail = Array.from({ length: 14 }, (_, at) =>
    Number.parseInt(rest.slice(8 * at, 8 * at + 8), 2),
  );
  const subnet = [0x03, ones, ...tail.slice(0, 6), ...new Array(8).fill(0)];
  return { address: textOf([0x02, ones, ...tail]), subnet: `${textOf(subnet)}/64` };
}

function textOf(bytes: readonly number[]): string {
  const words = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  return canonical(words.join(":"));
}

/** RFC 5952. */
function canonical(address: string): string {
  return new SocketAddress({ address, family: "ipv6" }).address;
}

/** 200::/7, which Yggdrasil uses: addresses of nodes (2xx) and those in their subnets (3xx). */
export function isYggdrasilAddress(host: string): boolean {
  const [address = ""] = host.replace(/^\[(.*)\]$/, "$1").split("%");
  return isIPv6(address) && /^[23][0-9a-f]{2}:/.test(canonical(address));
}
