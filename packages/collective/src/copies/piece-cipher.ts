/**
 * One piece, sealed and opened: AES-256-GCM. What is authenticated beside the bytes binds a piece
 * to its store, its copy, its place and whether it is the last, so that a copy that was cut short,
 * put in another order or made of pieces of others does not open.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { damaged, TAG_BYTES } from "./sealed-layout.js";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const AAD_LABEL = Buffer.from("hearthmesh copy v1\u0000", "latin1");

/** Where a piece belongs. */
export interface PiecePlace {
  readonly storeId: Uint8Array;
  /** The copy's name, hexadecimal. */
  readonly name: string;
  readonly index: number;
  readonly last: boolean;
}

/** `ciphertext | tag`. */
export function sealPiece(key: Uint8Array, place: PiecePlace, plain: Uint8Array): Buffer {
  const options = { authTagLength: TAG_BYTES };
  const cipher = createCipheriv(CIPHER, key, nonceOf(place.index), options);
  cipher.setAAD(aadOf(place));
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** `MESH_COPY_DAMAGED` for a piece that was changed or belongs elsewhere. */
export function openPiece(key: Uint8Array, place: PiecePlace, sealed: Uint8Array): Buffer {
  if (sealed.length < TAG_BYTES) throw damaged(`part ${place.index} is cut short`);
  const end = sealed.length - TAG_BYTES;
  const options = { authTagLength: TAG_BYTES };
  const decipher = createDecipheriv(CIPHER, key, nonceOf(place.index), options);
  decipher.setAAD(aadOf(place));
  decipher.setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    throw damaged(`part ${place.index} was changed, or is of another copy`);
  }
  return plain;
}

/** Each number is used once under a key: see `copy-keys.ts`. */
function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(index, NONCE_BYTES - 6, 6);
  return nonce;
}

function aadOf({ storeId, name, index, last }: PiecePlace): Buffer {
  const place = Buffer.alloc(7);
  place.writeUIntBE(index, 0, 6);
  place.writeUInt8(last ? 1 : 0, 6);
  return Buffer.concat([AAD_LABEL, storeId, Buffer.from(name, "hex"), place]);
}
