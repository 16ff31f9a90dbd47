/** Writes DER (ITU-T X.690): the few kinds of elements that certificates are made of. */
import { DER_TAG, derError } from "./der.js";

/** One element, up to 64 KiB; the contents are joined. */
export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const size = contents.reduce((sum, content) => sum + content.length, 0);
  if (size > 0xffff) throw derError("an element is too large");
  let length = [size];
  if (size > 0xff) length = [0x82, size >> 8, size & 0xff];
  else if (size > 0x7f) length = [0x81, size];
  return Buffer.concat([Uint8Array.from([tag, ...length]), ...contents]);
}

export function derSequence(...elements: readonly Uint8Array[]): Uint8Array {
  return encodeDer(DER_TAG.sequence, ...elements);
}

/** Content as hexadecimal, the form of `CERTIFICATE_OIDS`. */
export function derObjectId(hex: string): Uint8Array {
  return encodeDer(DER_TAG.objectId, Buffer.from(hex, "hex"));
}

/** A number that is not negative, from its bytes, the most significant first. */
export function derInteger(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const minimal = bytes.subarray(start);
  const sign = ((minimal[0] ?? 0) & 0x80) === 0 ? [] : [0];
  return encodeDer(DER_TAG.integer, Uint8Array.from(sign), minimal);
}

/** Whole bytes, or the first byte's leading bits when `unusedBits` are left over. */
export function derBitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return encodeDer(DER_TAG.bitString, Uint8Array.from([unusedBits]), bytes);
}

export function derOctetString(...contents: readonly Uint8Array[]): Uint8Array {
  return encodeDer(DER_TAG.octetString, ...contents);
}

export const DER_TRUE: Uint8Array = Uint8Array.from([DER_TAG.boolean, 1, 0xff]);

/** Whole seconds; two digits of the year from 1950 to 2049, four otherwise (RFC 5280, 4.1.2.5). */
export function derTime(timeMs: number): Uint8Array {
  const time = new Date(timeMs);
  const year = time.getUTCFullYear();
  const text = time.toISOString().replace(/[-:T]|\.\d+/g, "");
  return year >= 1950 && year < 2050
    ? encodeDer(DER_TAG.utcTime, Buffer.from(text.slice(2), "latin1"))
    : encodeDer(DER_TAG.generalizedTime, Buffer.from(text, "latin1"));
}

/** A distinguished name of one part: `CN=<commonName>`. */
export function derCommonName(commonName: string, commonNameOid: string): Uint8Array {
  const value = encodeDer(DER_TAG.utf8String, Buffer.from(commonName, "utf8"));
  return derSequence(encodeDer(DER_TAG.set, derSequence(derObjectId(commonNameOid), value)));
}
