/** Values as messages, as bodies of requests, and as publications; and back. */
import { QWormholeError } from "../errors.js";
import { type EncodedMessage, MessageKind, type Serializer } from "../message-kind.js";

/** Kinds from here on carry a topic before the message: kind 4 is kind 0 with a topic. */
export const PUBLISHED_KIND_MIN = 4;

/** Stateless as long as it is not told to stream. A byte order mark is text as any other. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Method names that belong to the protocol. */
export const OWN_METHOD_PREFIX = "qw.";

/** Throws what the serializer throws. */
export function encodeValue(serializer: Serializer, value: unknown): EncodedMessage {
  const encoded = serializer(value);
  return encoded instanceof Uint8Array ? { kind: MessageKind.bytes, payload: encoded } : encoded;
}

/** One byte for each kind, made once. */
const KIND_BYTES: readonly Uint8Array[] = [0, 1, 2, 3].map((kind) => Uint8Array.of(kind));

/** A body that begins with its kind. */
export function encodeBody(serializer: Serializer, value: unknown): readonly Uint8Array[] {
  const { kind, payload } = encodeValue(serializer, value);
  return [KIND_BYTES[kind] as Uint8Array, payload];
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

/** Throws `QW_MESSAGE_INVALID` or `QW_TOPIC_INVALID`. */
export function decodePublication(
  bytes: Uint8Array,
  kind: number,
): { topic: string; message: EncodedMessage } {
  const end = 1 + (bytes[0] ?? Number.POSITIVE_INFINITY);
  if (end > bytes.length) {
    const message = "a publication is shorter than its topic";
    throw new QWormholeError("QW_MESSAGE_INVALID", { message });
  }
  const topic = decodeTopic(bytes.subarray(1, end));
  const message = {
    kind: (kind - PUBLISHED_KIND_MIN) as MessageKind,
    payload: bytes.subarray(end),
  };
  return { topic, message };
}

/** The text of a topic or pattern, not checked yet. Throws `QW_TOPIC_INVALID`. */
export function decodeTopic(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new QWormholeError("QW_TOPIC_INVALID", { message: "a topic or pattern is not UTF-8" });
  }
}
