/**
 * A corpus of frames that a verified peer may send and must not, or need not: each with what has to
 * come of it. The peer is the dialler. The other side serves the method `echo`, keeps requests and
 * streams of the method `hold` for ever, listens to every topic, and has the limits below.
 *
 * `docs/wire.md` is the specification; another implementation can be held to the same list.
 */
import { Buffer } from "node:buffer";
import type { QWormholeErrorCode } from "../errors.js";
import { encodeFrame, FrameType } from "../frames.js";
import type { LinkLimits } from "../limits.js";

export const CORPUS_LIMITS: Partial<LinkLimits> = {
  messageBytesMax: 4096,
  streamBaseBytes: 1000,
  streamWindowBytes: 1000,
};

type MalformedOutcome =
  /** The link ends with this code, which the peer is told. */
  | { readonly ends: QWormholeErrorCode }
  /** The message is dropped and counted as `invalid`, and the link lives on. */
  | { readonly drops: QWormholeErrorCode }
  /** The peer gets an answer of this type and, for errors, this code; the link lives on. */
  | { readonly answers: FrameType; readonly code?: QWormholeErrorCode }
  | "ignored";

export interface MalformedFrames {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly outcome: MalformedOutcome;
}

const INVALID: MalformedOutcome = { ends: "QW_FRAME_INVALID" };
const TOO_LARGE: MalformedOutcome = { ends: "QW_FRAME_TOO_LARGE" };
const NOT_READABLE: MalformedOutcome = { drops: "QW_MESSAGE_INVALID" };
const NO_TOPIC: MalformedOutcome = { drops: "QW_TOPIC_INVALID" };

const bytesOf = (...bytes: number[]) => Uint8Array.from(bytes);
const join = (...parts: (Uint8Array | string)[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)));
const entry = (name: string, bytes: Uint8Array, outcome: MalformedOutcome): MalformedFrames => ({
  name,
  bytes,
  outcome,
});

/** A frame with any length, flags and channel bytes. */
function rawFrame(length: number, type: number, flags: number, ...rest: number[]): Uint8Array {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length);
  return join(head, bytesOf(type, flags, ...rest));
}

function request(method: string | Uint8Array, ...body: (Uint8Array | string)[]): Uint8Array {
  const name = Buffer.from(method as Uint8Array);
  return join(bytesOf(0xe8, 0x07, 1, name.length), name, ...body);
}

function opening(method: string, header: Uint8Array = bytesOf(), priority = 3): Uint8Array {
  return join(bytesOf(priority, method.length), method, header);
}

const { DATA, REQ, RES, ERR, CANCEL, STREAM_OPEN, STREAM_DATA, STREAM_END } = FrameType;
const { STREAM_RESET, WINDOW, PING, PONG, GOAWAY, HELLO, AUTH, READY } = FrameType;
const NONE = bytesOf();
const HOLD_STREAM = encodeFrame(STREAM_OPEN, 1, opening("hold"));
const HOLD_REQUEST = encodeFrame(REQ, 1, request("hold", bytesOf(2), "null"));

const heads: MalformedFrames[] = [
  entry("a length of 0", rawFrame(0, DATA, 0, 0), INVALID),
  entry("a length of 1", rawFrame(1, DATA, 0, 0), INVALID),
  entry("a length of 2", rawFrame(2, DATA, 0, 0), INVALID),
  entry("a length of 4 GiB", rawFrame(0xffff_ffff, DATA, 0, 0), TOO_LARGE),
  entry("a length of 2 GiB", rawFrame(0x8000_0000, DATA, 0, 0), TOO_LARGE),
  entry("a length above the limit", rawFrame(4096 + 128 * 1024 + 1, DATA, 0, 0), TOO_LARGE),
  entry("4 GiB of stream bytes", rawFrame(0xffff_ffff, STREAM_DATA, 0, 1), TOO_LARGE),
  entry("the flag that is kept for compression", rawFrame(4, DATA, 1, 0, 65), INVALID),
  entry("all flags", rawFrame(4, DATA, 0xff, 0, 65), INVALID),
  entry("a flag on a frame of a type to skip", rawFrame(4, 0x90, 1, 0, 65), INVALID),
  entry("a flag on stream bytes", rawFrame(40, STREAM_DATA, 1, 1, ...Array(40).fill(7)), INVALID),
  entry("a channel longer than needed", rawFrame(4, DATA, 0, 0x80, 0), INVALID),
  entry("a channel of 2^31", rawFrame(7, RES, 0, 0x80, 0x80, 0x80, 0x80, 8), INVALID),
  entry("a channel of six bytes", rawFrame(8, RES, 0, ...Array(5).fill(0x80), 1), INVALID),
  entry("a channel beyond its frame", rawFrame(3, RES, 0, 0x80), INVALID),
];

const types: MalformedFrames[] = [
  entry("a second HELLO", encodeFrame(HELLO, 0, Buffer.from("{}")), INVALID),
  entry("a second AUTH", encodeFrame(AUTH, 0, new Uint8Array(64)), INVALID),
  entry("a second READY", encodeFrame(READY, 0, NONE), INVALID),
  ...[0x00, 0x07, 0x0f, 0x11, 0x1f, 0x24, 0x35, 0x40, 0x7f].map((type) =>
    entry(`the unknown type 0x${type.toString(16)}`, encodeFrame(type, 0, NONE), INVALID),
  ),
  entry("the first type to skip", encodeFrame(0x80, 3, bytesOf(1, 2, 3)), "ignored"),
  entry("the last type to skip", encodeFrame(0xff, 0x7fff_ffff, NONE), "ignored"),
  entry("a PING without bytes", encodeFrame(PING, 0, NONE), { answers: PONG }),
  entry("a PING on a channel", encodeFrame(PING, 99, bytesOf(1)), { answers: PONG }),
  entry("a PONG that nobody waits for", encodeFrame(PONG, 0, new Uint8Array(8)), "ignored"),
  entry("a PONG of three bytes", encodeFrame(PONG, 0, bytesOf(1, 2, 3)), "ignored"),
];

const messages: MalformedFrames[] = [
  entry("a label of 32", encodeFrame(DATA, 32, NONE), INVALID),
  entry("the largest label", encodeFrame(DATA, 0x7fff_ffff, NONE), INVALID),
  entry("a message above the limit", encodeFrame(DATA, 0, new Uint8Array(4097)), {
    ends: "QW_MESSAGE_TOO_LARGE",
  }),
  entry("text that is not UTF-8", encodeFrame(DATA, 1, bytesOf(0xc3, 0x28)), NOT_READABLE),
  entry("text with a surrogate", encodeFrame(DATA, 1, bytesOf(0xed, 0xa0, 0x80)), NOT_READABLE),
  entry("JSON of no bytes", encodeFrame(DATA, 2, NONE), NOT_READABLE),
  entry("JSON that ends early", encodeFrame(DATA, 2, Buffer.from('{"a":')), NOT_READABLE),
  entry("JSON with more behind it", encodeFrame(DATA, 2, Buffer.from("1 2")), NOT_READABLE),
  entry("JSON that is not UTF-8", encodeFrame(DATA, 2, bytesOf(0x22, 0xff, 0x22)), NOT_READABLE),
  entry("a JSON that no parser takes", encodeFrame(DATA, 26, Buffer.from("NaN")), NOT_READABLE),
  entry("CBOR of no bytes", encodeFrame(DATA, 3, NONE), NOT_READABLE),
  entry("CBOR that ends early", encodeFrame(DATA, 3, bytesOf(0x82, 1)), NOT_READABLE),
  entry("CBOR with more behind it", encodeFrame(DATA, 3, bytesOf(1, 2)), NOT_READABLE),
  entry("CBOR of no definite length", encodeFrame(DATA, 3, bytesOf(0x9f, 1, 0xff)), NOT_READABLE),
  entry(
    "CBOR that claims 2^53 items",
    encodeFrame(DATA, 3, bytesOf(0x9b, 0, 0x20, 0, 0, 0, 0, 0, 0)),
    NOT_READABLE,
  ),
  entry("CBOR 4,000 deep", encodeFrame(DATA, 3, new Uint8Array(4000).fill(0x81)), NOT_READABLE),
];

const published = (topic: string | Uint8Array, body = "", kind = 4) => {
  const name = Buffer.from(topic as Uint8Array);
  return encodeFrame(DATA, kind, join(bytesOf(name.length), name, body));
};
const publications: MalformedFrames[] = [
  entry("a publication of no bytes", encodeFrame(DATA, 4, NONE), NOT_READABLE),
  entry(
    "a publication shorter than its topic",
    encodeFrame(DATA, 5, join(bytesOf(9), "peers.up")),
    NOT_READABLE,
  ),
  entry("an empty topic", published(""), NO_TOPIC),
  entry("a topic with `*`", published("peers.*"), NO_TOPIC),
  entry("a topic with `>`", published("peers.>"), NO_TOPIC),
  entry("a topic with an empty word", published("peers..up"), NO_TOPIC),
  entry("a topic with a last dot", published("peers."), NO_TOPIC),
  entry("a topic with a control character", published("peers.\u0007"), NO_TOPIC),
  entry("a topic with a line break", published("peers\n.up"), NO_TOPIC),
  entry("a topic with a zero", published("peers\0"), NO_TOPIC),
  entry("a topic with a space", published("pe ers"), NO_TOPIC),
  entry("a topic of 17 words", published(Array(17).fill("a").join(".")), NO_TOPIC),
  entry("a topic that is not UTF-8", published(bytesOf(0x61, 0xff)), NO_TOPIC),
  entry("published JSON that is none", published("peers.up", "{", 6), NOT_READABLE),
  entry("published CBOR that is none", published("peers.up", "\xff", 7), NOT_READABLE),
];

const answers = (code: QWormholeErrorCode): MalformedOutcome => ({ answers: ERR, code });
const requests: MalformedFrames[] = [
  entry("a request without a number", encodeFrame(REQ, 0, request("echo")), INVALID),
  entry("a request of no bytes", encodeFrame(REQ, 1, NONE), INVALID),
  entry("a request without a method", encodeFrame(REQ, 1, bytesOf(1, 1)), INVALID),
  entry("a deadline longer than needed", encodeFrame(REQ, 1, bytesOf(0x80, 0, 1, 0)), INVALID),
  entry(
    "a deadline of 2^31",
    encodeFrame(REQ, 1, bytesOf(0x80, 0x80, 0x80, 0x80, 8, 1, 1, 65)),
    INVALID,
  ),
  entry("a request of priority 4", encodeFrame(REQ, 1, bytesOf(1, 4, 1, 65)), INVALID),
  entry("a method beyond its frame", encodeFrame(REQ, 1, bytesOf(1, 1, 5, 65)), INVALID),
  entry("a number that is in use", join(HOLD_REQUEST, HOLD_REQUEST), INVALID),
  entry("a body above the limit", encodeFrame(REQ, 1, request("echo", new Uint8Array(4097))), {
    ends: "QW_MESSAGE_TOO_LARGE",
  }),
  entry("an empty method", encodeFrame(REQ, 1, request("", "\0")), answers("QW_NO_HANDLER")),
  entry("a method of 255 bytes", encodeFrame(REQ, 1, request("m".repeat(255), "\0")), {
    answers: ERR,
    code: "QW_NO_HANDLER",
  }),
  entry(
    "a method that is not UTF-8",
    encodeFrame(REQ, 1, request(bytesOf(0xff, 0xfe), "\0")),
    answers("QW_NO_HANDLER"),
  ),
  entry(
    "a method of Object.prototype",
    encodeFrame(REQ, 1, request("__proto__", "\0")),
    answers("QW_NO_HANDLER"),
  ),
  entry("a body without its kind", encodeFrame(REQ, 1, request("echo")), {
    answers: ERR,
    code: "QW_MESSAGE_INVALID",
  }),
  entry(
    "a body of kind 4",
    encodeFrame(REQ, 1, request("echo", "\u0004x")),
    answers("QW_MESSAGE_INVALID"),
  ),
  entry(
    "a body that is not the JSON it says",
    encodeFrame(REQ, 1, request("echo", "\u0002{")),
    answers("QW_MESSAGE_INVALID"),
  ),
  entry("a deadline of 0", encodeFrame(REQ, 1, join(bytesOf(0, 1, 4), "hold", "\0")), {
    answers: ERR,
    code: "QW_REQUEST_TIMEOUT",
  }),
  entry(
    "an unknown method of the protocol",
    encodeFrame(REQ, 1, request("qw.shutdown", "now")),
    answers("QW_NO_HANDLER"),
  ),
  ...["", "a..b", "a.>.b", "a*", "a b", "\u0000", "x".repeat(256)].map((pattern) =>
    entry(
      `a subscription to ${JSON.stringify(pattern.slice(0, 9))}`,
      encodeFrame(REQ, 1, request("qw.subscribe", pattern)),
      answers("QW_TOPIC_INVALID"),
    ),
  ),
  entry(
    "a subscription that is not UTF-8",
    encodeFrame(REQ, 1, request("qw.subscribe", bytesOf(0x61, 0xff))),
    answers("QW_TOPIC_INVALID"),
  ),
  entry("an answer to nothing", encodeFrame(RES, 7, NONE), "ignored"),
  entry("an answer on channel 0", encodeFrame(RES, 0, NONE), "ignored"),
  entry("an error to nothing", encodeFrame(ERR, 7, join(bytesOf(1), "X", bytesOf(0))), "ignored"),
  entry("an error of no bytes", encodeFrame(ERR, 7, NONE), INVALID),
  entry("an error shorter than its code", encodeFrame(ERR, 7, join(bytesOf(200), "X")), INVALID),
  entry(
    "an error shorter than its text",
    encodeFrame(ERR, 7, join(bytesOf(1), "X", bytesOf(0xff, 0xff, 0x3f), "text")),
    INVALID,
  ),
  entry("a cancellation of nothing", encodeFrame(CANCEL, 7, NONE), "ignored"),
];

const streams: MalformedFrames[] = [
  entry("a stream without a number", encodeFrame(STREAM_OPEN, 0, opening("hold")), INVALID),
  entry("a stream of the other side", encodeFrame(STREAM_OPEN, 2, opening("hold")), INVALID),
  entry("a stream of no bytes", encodeFrame(STREAM_OPEN, 1, NONE), INVALID),
  entry("a stream of priority 9", encodeFrame(STREAM_OPEN, 1, opening("hold", NONE, 9)), INVALID),
  entry("a stream's method beyond its frame", encodeFrame(STREAM_OPEN, 1, bytesOf(3, 9)), INVALID),
  entry("a stream's number in use", join(HOLD_STREAM, HOLD_STREAM), INVALID),
  entry(
    "a stream's header above its limit",
    encodeFrame(STREAM_OPEN, 1, opening("hold", new Uint8Array(64 * 1024 + 1))),
    INVALID,
  ),
  entry("a stream that nobody serves", encodeFrame(STREAM_OPEN, 1, opening("none")), {
    answers: STREAM_RESET,
    code: "QW_NO_HANDLER",
  }),
  entry(
    "more bytes than credit",
    join(HOLD_STREAM, encodeFrame(STREAM_DATA, 1, new Uint8Array(1001))),
    { ends: "QW_WINDOW_VIOLATED" },
  ),
  entry(
    "more bytes than credit, by one",
    join(
      HOLD_STREAM,
      encodeFrame(STREAM_DATA, 1, new Uint8Array(1000)),
      encodeFrame(STREAM_DATA, 1, bytesOf(1)),
    ),
    { ends: "QW_WINDOW_VIOLATED" },
  ),
  entry(
    "bytes after the end",
    join(HOLD_STREAM, encodeFrame(STREAM_END, 1, NONE), encodeFrame(STREAM_DATA, 1, bytesOf(1))),
    INVALID,
  ),
  entry("bytes of no stream", encodeFrame(STREAM_DATA, 5, new Uint8Array(2000)), "ignored"),
  entry("bytes of a stream of nobody", encodeFrame(STREAM_DATA, 4, bytesOf(1)), "ignored"),
  entry("the end of no stream", encodeFrame(STREAM_END, 5, NONE), "ignored"),
  entry("a reset of no stream", encodeFrame(STREAM_RESET, 5, NONE), "ignored"),
  entry(
    "a reset shorter than its code",
    join(HOLD_STREAM, encodeFrame(STREAM_RESET, 1, bytesOf(50, 1))),
    INVALID,
  ),
  entry("credit for no stream", encodeFrame(WINDOW, 5, bytesOf(1)), "ignored"),
  entry("credit of no bytes", encodeFrame(WINDOW, 1, NONE), INVALID),
  entry("credit longer than needed", encodeFrame(WINDOW, 1, bytesOf(0x81, 0)), INVALID),
  entry(
    "credit beyond 2^31",
    join(HOLD_STREAM, encodeFrame(WINDOW, 1, bytesOf(0xff, 0xff, 0xff, 0xff, 7))),
    INVALID,
  ),
];

const goaways: MalformedFrames[] = [
  entry("a GOAWAY of no bytes", encodeFrame(GOAWAY, 0, NONE), INVALID),
  entry("a GOAWAY shorter than its code", encodeFrame(GOAWAY, 0, bytesOf(255, 65)), INVALID),
  entry(
    "a GOAWAY shorter than its text",
    encodeFrame(GOAWAY, 0, join(bytesOf(1), "X", bytesOf(0x7f))),
    INVALID,
  ),
  entry(
    "a GOAWAY with a text length of 2^31",
    encodeFrame(GOAWAY, 0, join(bytesOf(1), "X", bytesOf(0xff, 0xff, 0xff, 0xff, 0x0f))),
    INVALID,
  ),
  entry(
    "a frame of two bytes after 100 kB to skip",
    join(encodeFrame(0xa0, 0, new Uint8Array(100_000)), rawFrame(2, DATA, 0)),
    INVALID,
  ),
];

export const MALFORMED_FRAMES: readonly MalformedFrames[] = [
  ...heads,
  ...types,
  ...messages,
  ...publications,
  ...requests,
  ...streams,
  ...goaways,
];
