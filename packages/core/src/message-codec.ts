/** Messages on links: `u32 length of the JSON, big-endian | JSON header | binary body`. */
import { MeshError } from "./errors.js";

const HEADER_BYTES_MAX = 512 * 1024;

export interface Message<Header> {
  header: Header;
  body: Uint8Array;
}

/** The pieces of a message, without copying the body. */
export function encodeMessage(
  header: object,
  body?: Uint8Array | readonly Uint8Array[],
): Uint8Array[] {
  const json = Buffer.from(JSON.stringify(header), "utf8");
  const prefix = Buffer.allocUnsafe(4);
  prefix.writeUInt32BE(json.length, 0);
  const pieces: Uint8Array[] = [prefix, json];
  if (body instanceof Uint8Array) pieces.push(body);
  else if (body !== undefined) pieces.push(...body);
  return pieces;
}

/**
 * Splits a whole message. The body is a view of `bytes`. Throws `MESH_PROTOCOL` when it is not one;
 * the header's fields are not checked here.
 */
export function decodeMessage<Header>(bytes: Uint8Array): Message<Header> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.length < 4 ? Number.NaN : view.readUInt32BE(0);
  if (!(length <= HEADER_BYTES_MAX && 4 + length <= view.length)) {
    throw new MeshError("MESH_PROTOCOL", { message: "a message has no readable header" });
  }
  return {
    header: parseHeader<Header>(view.subarray(4, 4 + length)),
    body: bytes.subarray(4 + length),
  };
}

function parseHeader<Header>(json: Buffer): Header {
  try {
    const header: unknown = JSON.parse(json.toString("utf8"));
    if (header !== null && typeof header === "object") return header as Header;
  } catch {
    // Falls through to the one error below: where JSON broke does not help the peer.
  }
  throw new MeshError("MESH_PROTOCOL", { message: "a message header is not JSON" });
}
