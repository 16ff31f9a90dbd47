/**
 * The keys of the copies at friends' homes. All are derived (HKDF-SHA-256) from one secret of the
 * store, 32 bytes that never leave the member but in its recovery kit.
 *
 * Why no nonce repeats under a key: every sealing draws a salt of 32 random bytes and has a key of
 * its own, derived from the salt and the copy's name; within a sealing the nonce is the number of
 * the piece, and each piece is sealed once. The salt is what makes it safe to seal the same file
 * again, with another path in its header or after a friend lost a copy.
 *
 * A name at a friend's is an HMAC of the file's id and of the friend, so that names tell nothing,
 * and two friends who compare their lists find no pair.
 */
import { createHmac, hkdfSync } from "node:crypto";
import { type FileId, MeshError, type Random } from "@hearthmesh/core";
import { SALT_BYTES } from "./sealed-layout.js";

export const STORE_KEY_BYTES = 32;
const LABEL = "hearthmesh copies v1";

export class CopyKeys {
  readonly #storeKey: Uint8Array;
  readonly #nameKey: Uint8Array;
  /** Names the store in what is authenticated; follows from the key and tells nothing of it. */
  readonly storeId: Uint8Array;

  /** `MESH_KIT_INVALID` unless the key has 32 bytes. */
  constructor(storeKey: Uint8Array) {
    if (storeKey.length !== STORE_KEY_BYTES) {
      throw new MeshError("MESH_KIT_INVALID", {
        message: `the key of the copies has ${storeKey.length} bytes instead of ${STORE_KEY_BYTES}`,
      });
    }
    this.#storeKey = Uint8Array.from(storeKey);
    this.#nameKey = this.#derive(new Uint8Array(0), "name", 32);
    this.storeId = this.#derive(new Uint8Array(0), "store id", 16);
  }

  /** The name of a file's copy at a friend: 64 hexadecimal digits. */
  nameOfFile(fileId: FileId, friend: string): string {
    return this.nameOf(`file/${fileId}`, friend);
  }

  /** The name of anything else that is kept sealed at a friend, such as a snapshot. */
  nameOf(label: string, friend: string): string {
    return createHmac("sha256", this.#nameKey).update(`${label}\u0000${friend}`).digest("hex");
  }

  /** The key of one sealing. */
  pieceKey(name: string, salt: Uint8Array): Uint8Array {
    return this.#derive(salt, `piece\u0000${name}`, 32);
  }

  #derive(salt: Uint8Array, purpose: string, bytes: number): Uint8Array {
    return new Uint8Array(
      hkdfSync("sha256", this.#storeKey, salt, `${LABEL}\u0000${purpose}`, bytes),
    );
  }
}

export function newStoreKey(random: Random): Uint8Array {
  return random.bytes(STORE_KEY_BYTES);
}

export function newSalt(random: Random): Uint8Array {
  return random.bytes(SALT_BYTES);
}
