/** Reads and writes the fixed fields of announcements. Numbers are big-endian. */
import { MeshError, type NodeId } from "@hearthmesh/core";
import { NODE_ID_BYTES, nodeIdFromBytes, nodeIdToBytes } from "../record-proof.js";

/** Printable ASCII without the space: safe in logs, terminals and paths. */
const PLAIN = /^[\x21-\x7e]+$/;

export function refused(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}

/** Throws `MESH_BAD_REQUEST` unless the text has 1 to `bytesMax` printable ASCII characters. */
function checkPlainText(what: string, text: string, bytesMax: number): void {
  if (text.length > bytesMax || !PLAIN.test(text)) {
    throw refused(`a ${what} has 1 to ${bytesMax} printable characters of ASCII without spaces`);
  }
}

export class ByteWriter {
  readonly #pieces: Uint8Array[] = [];

  /** An integer of one to six bytes. */
  number(value: number, bytes: number): this {
    const piece = Buffer.alloc(bytes);
    piece.writeUIntBE(value, 0, bytes);
    this.#pieces.push(piece);
    return this;
  }

  nodeId(nodeId: NodeId): this {
    this.#pieces.push(nodeIdToBytes(nodeId));
    return this;
  }

  text(what: string, text: string, bytesMax: number): this {
    checkPlainText(what, text, bytesMax);
    this.number(text.length, 1);
    this.#pieces.push(Buffer.from(text, "latin1"));
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#pieces.push(bytes);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

/** Throws `MESH_BAD_REQUEST` when the bytes end too early or a field is not of its form. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  number(bytes: number): number {
    return this.raw(bytes).readUIntBE(0, bytes);
  }

  nodeId(): NodeId {
    return nodeIdFromBytes(this.raw(NODE_ID_BYTES));
  }

  text(what: string, bytesMax: number): string {
    const text = this.raw(this.number(1)).toString("latin1");
    checkPlainText(what, text, bytesMax);
    return text;
  }

  /** A view of the next bytes. */
  raw(bytes: number): Buffer {
    if (bytes > this.#bytes.length - this.#at) throw refused("the bytes end too early");
    this.#at += bytes;
    return this.#bytes.subarray(this.#at - bytes, this.#at);
  }
}
