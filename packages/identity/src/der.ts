/**
 * A strict reader of DER (ITU-T X.690), for certificates and requests from outside: definite,
 * minimal lengths and one-byte tags only, nothing left over, no recursion of its own. A sloppy
 * reader is how two programs come to see two different names in one certificate.
 */
import { MeshError } from "@hearthmesh/core";

export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export interface DerElement {
  readonly tag: number;
  /** Tag, length and content. */
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
}

export function derError(what: string): MeshError {
  return new MeshError("MESH_CERT_INVALID", { message: `the certificate is malformed: ${what}` });
}

/** Reads one element after the other; throws `MESH_CERT_INVALID` at the first that is not DER. */
export class DerReader {
  #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#position >= this.#bytes.length;
  }

  /** The tag of the next element, or undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#position];
  }

  /** The next element, which must have this tag when one is named. */
  read(tag?: number): DerElement {
    const start = this.#position;
    const found = this.#byte();
    if ((found & 0x1f) === 0x1f) throw derError("a tag is too long");
    if (tag !== undefined && found !== tag) throw derError(`tag ${found} where ${tag} belongs`);
    const length = this.#length();
    const contentStart = this.#position;
    if (length > this.#bytes.length - contentStart) throw derError("it ends too early");
    this.#position = contentStart + length;
    return {
      tag: found,
      raw: this.#bytes.subarray(start, this.#position),
      content: this.#bytes.subarray(contentStart, this.#position),
    };
  }

  /** A reader of the content of the next element. */
  enter(tag: number): DerReader {
    return new DerReader(this.read(tag).content);
  }

  /** The next element when it has this tag, else undefined. */
  readIf(tag: number): DerElement | undefined {
    return this.nextTag === tag ? this.read(tag) : undefined;
  }

  /** Throws when something is left. */
  end(): void {
    if (!this.done) throw derError("there are bytes after its end");
  }

  #byte(): number {
    const byte = this.#bytes[this.#position++];
    if (byte === undefined) throw derError("it ends too early");
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 3) throw derError("a length is not allowed");
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte();
    if (length < 0x80 || length < 256 ** (count - 1)) throw derError("a length is not minimal");
    return length;
  }
}

/** The only element in these bytes. */
export function readWhole(bytes: Uint8Array, tag: number): DerElement {
  const reader = new DerReader(bytes);
  const element = reader.read(tag);
  reader.end();
  return element;
}

/** Content of an object identifier as hexadecimal, the form in which we compare them. */
export function objectIdHex(element: DerElement): string {
  return Buffer.from(element.content).toString("hex");
}

/** A BIT STRING of whole bytes. */
export function bitStringBytes(element: DerElement): Uint8Array {
  if (element.content[0] !== 0) throw derError("a bit string has odd bits");
  return element.content.subarray(1);
}

/** One element of DER, up to 64 KiB. */
export function encodeDer(tag: number, content: Uint8Array): Uint8Array {
  const size = content.length;
  if (size > 0xffff) throw derError("an element is too large");
  let length = [size];
  if (size > 0xff) length = [0x82, size >> 8, size & 0xff];
  else if (size > 0x7f) length = [0x81, size];
  return Buffer.concat([Uint8Array.from([tag, ...length]), content]);
}
