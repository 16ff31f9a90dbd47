/** Values as messages, as bodies of requests, and as publications; and back. */
import { QWormholeError } from "../errors.js";
import { type EncodedMessage, MessageKind, type Serializer } from "../message-kind.js";

/** Kinds from here on carry a topic before the message: kind 4 is kind 0 with a topic. */
export const PUBLISHED_KIND_MIN = 4;

/** Method names that belong to the protocol. */
export const OWN_METHOD_PREFIX = "qw.";

/** Throws what the serializer throws. */
export function encodeValue(serializer: Serializer, value: unknown): EncodedMessage {
  const encoded = serializer(value);
  return encoded instanceof Uint8Array ? { kind: MessageKind.bytes, payload: encoded } : encoded;
}

/** A body that begins with its kind. */
export function encodeBody(serializer: Serializer, value: unknown): readonly Uint8Array[] {
  const { kind, payload } = encodeValue(serializer, value);
  return [Uint8Array.of(kind), payload];
}

/** Throws `QW_MESSAGE_INVALID`. */
export function decodeBody(body: Uint8Array): EncodedMessage {
  const kind = body[0];
  if (kind === undefined || kind >= PUBLISHED_KIND_MIN) {
    const message = "the body of a request or answer does not begin with its kind";
    throw new QWormholeError("QW_MESSAGE_INVALID", { message });
  }
  return { kind: kind as MessageKind, payload: body.subarray(1) };
}

/** `topic` was checked and has at most 255 bytes. */
export function encodePublication(topic: string, { payload }: EncodedMessage): Uint8Array {
  const name = Buffer.from(topic, "utf8");
  return Buffer.concat([Uint8Array.of(name.length), name, payload]);
}

/** Throws `QW_MESSAGE_INVALID`. */
export function decodePublication(
  bytes: Uint8Array,
  kind: number,
): { topic: string; message: EncodedMessage } {
  const end = 1 + (bytes[0] ?? Number.POSITIVE_INFINITY);
  if (end > bytes.length) {
    const message = "a publication is shorter than its topic";
    throw new QWormholeError("QW_MESSAGE_INVALID", { message });
  }
  const name = Buffer.from(bytes.buffer, bytes.byteOffset + 1, end - 1);
  const message = {
    kind: (kind - PUBLISHED_KIND_MIN) as MessageKind,
    payload: bytes.subarray(end),
  };
  return { topic: name.toString("utf8"), message };
}
