/**
 * How the bytes of a one-way message are to be read. The kind travels with each message
 * (`docs/wire.md`, DATA), so a receiver without a deserializer gets the value that was sent.
 */
export const MessageKind = { bytes: 0, text: 1, json: 2, cbor: 3 } as const;
export type MessageKind = (typeof MessageKind)[keyof typeof MessageKind];

/** A message as it travels. */
export interface EncodedMessage {
  readonly kind: MessageKind;
  readonly payload: Uint8Array;
}

/** Throws when it cannot express the value. Plain bytes are sent as kind `bytes`. */
export type Serializer = (value: unknown) => EncodedMessage | Uint8Array;

/**
 * Throws when the bytes are not of the form that it reads; the message is then dropped and counted.
 * `kind` is what the sender said, and may be left out when called by hand.
 */
export type Deserializer<T = unknown> = (payload: Uint8Array, kind?: MessageKind) => T;
