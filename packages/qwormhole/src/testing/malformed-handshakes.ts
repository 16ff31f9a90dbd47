/**
 * A corpus of what strangers may say first, each with the code with which they are refused. The
 * other side speaks the protocol `qwormhole/1`.
 */
import { Buffer } from "node:buffer";
import type { QWormholeErrorCode } from "../errors.js";
import { encodeFrame, FrameType, PREAMBLE } from "../frames.js";
import { nodeIdOfPublicKey } from "../keys.js";
import { testIdentity } from "./certificates.js";

export interface MalformedHandshake {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly code: QWormholeErrorCode;
}

const { HELLO, AUTH, READY, ERR, PING, DATA, STREAM_DATA, GOAWAY } = FrameType;
const NONE = new Uint8Array(0);

/** HELLO as a peer of a new key says it, with changes; `undefined` leaves a member out. */
export function helloWith(changes: Record<string, unknown> = {}): Uint8Array {
  const { publicKey } = testIdentity();
  return Buffer.from(
    JSON.stringify({
      versions: [1, 1],
      protocol: "qwormhole/1",
      nodeId: nodeIdOfPublicKey(publicKey),
      publicKey: Buffer.from(publicKey).toString("base64url"),
      nonce: Buffer.alloc(32, 7).toString("base64url"),
      tags: {},
      messageBytesMax: 1000,
      streamBaseBytes: 1000,
      streamsMax: 10,
      requestsMax: 10,
      features: [],
      ...changes,
    }),
  );
}

export function malformedHandshakes(): readonly MalformedHandshake[] {
  return [...preambles(), ...firstFrames(), ...hellos(), ...proofs()];
}

function preambles(): MalformedHandshake[] {
  const raw = (name: string, code: QWormholeErrorCode, ...bytes: (number | string)[]) => ({
    name,
    code,
    bytes: Buffer.concat(
      bytes.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part))),
    ),
  });
  return [
    raw("HTTP", "QW_NOT_A_LINK", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    raw("SSH", "QW_NOT_A_LINK", "SSH-2.0-OpenSSH_9.7\r\n"),
    raw("a ClientHello of TLS", "QW_NOT_A_LINK", 0x16, 3, 1, 2, 0, 1, 0, 1),
    raw("zeros", "QW_NOT_A_LINK", 0, 0, 0, 0, 0, 0, 0, 0),
    raw("one letter that is wrong", "QW_NOT_A_LINK", "QWRN", 1, 0, 0, 0),
    raw("the wire version 0", "QW_VERSION_UNSUPPORTED", "QWRM", 0, 0, 0, 0),
    raw("the wire version 2", "QW_VERSION_UNSUPPORTED", "QWRM", 2, 0, 0, 0),
    raw("the wire version 255", "QW_VERSION_UNSUPPORTED", "QWRM", 255),
    raw("a reserved byte", "QW_NOT_A_LINK", "QWRM", 1, 0, 1, 0),
    raw("a frame of 4 GiB", "QW_FRAME_TOO_LARGE", "QWRM\x01\0\0\0", 255, 255, 255, 255, 1, 0, 0),
    raw("a frame of 1 byte", "QW_FRAME_INVALID", "QWRM\x01\0\0\0", 0, 0, 0, 1, 1),
    raw("a flag", "QW_FRAME_INVALID", "QWRM\x01\0\0\0", 0, 0, 0, 3, 1, 1, 0),
  ];
}

function firstFrames(): MalformedHandshake[] {
  const frame = (name: string, type: number, payload: Uint8Array = NONE, channel = 0) => ({
    name,
    code: "QW_HANDSHAKE_INVALID" as QWormholeErrorCode,
    bytes: Buffer.concat([PREAMBLE, encodeFrame(type, channel, payload)]),
  });
  return [
    frame("AUTH first", AUTH, new Uint8Array(64)),
    frame("READY first", READY),
    frame("PING first", PING, new Uint8Array(8)),
    frame("a message first", DATA, Buffer.from("hello")),
    frame("stream bytes first", STREAM_DATA, Buffer.from("hello"), 1),
    frame("GOAWAY first", GOAWAY),
    frame("a frame of a type to skip", 0x80),
    frame("HELLO on a channel", HELLO, helloWith(), 1),
    {
      name: "a HELLO above the limit",
      code: "QW_FRAME_TOO_LARGE",
      bytes: Buffer.concat([PREAMBLE, encodeFrame(HELLO, 0, new Uint8Array(20_000))]),
    },
    {
      name: "an error that is cut short",
      code: "QW_FRAME_INVALID",
      bytes: Buffer.concat([PREAMBLE, encodeFrame(ERR, 0, Uint8Array.of(200))]),
    },
    {
      name: "its own refusal",
      code: "QW_REFUSED_BY_PEER",
      bytes: Buffer.concat([PREAMBLE, encodeFrame(ERR, 0, Buffer.from("\x01X\x02no"))]),
    },
  ];
}

function hellos(): MalformedHandshake[] {
  const hello = (
    name: string,
    payload: Uint8Array,
    code: QWormholeErrorCode = "QW_HANDSHAKE_INVALID",
  ) => ({
    name: `HELLO ${name}`,
    code,
    bytes: Buffer.concat([PREAMBLE, encodeFrame(HELLO, 0, payload)]),
  });
  const members = ["versions", "protocol", "nodeId", "publicKey", "nonce", "messageBytesMax"];
  const more = ["streamBaseBytes", "streamsMax", "requestsMax", "features"];
  const otherId = nodeIdOfPublicKey(testIdentity().publicKey);
  return [
    hello("of no bytes", NONE),
    hello("that is no object", Buffer.from("7")),
    hello("that is an array", Buffer.from("[]")),
    hello("that is null", Buffer.from("null")),
    hello("that is not UTF-8", Buffer.of(0x7b, 0xff, 0x7d)),
    hello("6,000 deep", Buffer.from("[".repeat(6000))),
    ...[...members, ...more].map((name) =>
      hello(`without ${name}`, helloWith({ [name]: undefined })),
    ),
    hello("of version 2", helloWith({ versions: [2, 9] }), "QW_VERSION_UNSUPPORTED"),
    hello("of versions the wrong way round", helloWith({ versions: [2, 1] })),
    hello("of version 0", helloWith({ versions: [0, 0] })),
    hello("of another protocol", helloWith({ protocol: "mesh-2.0" }), "QW_PROTOCOL_MISMATCH"),
    hello("of a protocol too long", helloWith({ protocol: "p".repeat(65) })),
    hello("with another's node id", helloWith({ nodeId: otherId })),
    hello("with a key that is none", helloWith({ publicKey: "AAAA" }), "QW_KEY_UNSUPPORTED"),
    hello("with a nonce too short", helloWith({ nonce: "AAAA" })),
    hello("without tags", helloWith({ tags: undefined }), "QW_TAGS_INVALID"),
    hello("with tags that are a list", helloWith({ tags: [] }), "QW_TAGS_INVALID"),
    hello("with tags too large", helloWith({ tags: { a: "x".repeat(8192) } }), "QW_TAGS_INVALID"),
    hello("that takes 2^40 bytes", helloWith({ messageBytesMax: 2 ** 40 })),
    hello("that takes -1 requests", helloWith({ requestsMax: -1 })),
    hello("that takes half a stream", helloWith({ streamsMax: 0.5 })),
    hello("with 33 features", helloWith({ features: Array(33).fill("x") })),
  ];
}

function proofs(): MalformedHandshake[] {
  const after = (name: string, code: QWormholeErrorCode, type: number, payload: Uint8Array) => ({
    name: `HELLO and ${name}`,
    code,
    bytes: Buffer.concat([
      PREAMBLE,
      encodeFrame(HELLO, 0, helloWith()),
      encodeFrame(type, 0, payload),
    ]),
  });
  return [
    after("a signature of zeros", "QW_SIGNATURE_INVALID", AUTH, new Uint8Array(64)),
    after("a signature of no bytes", "QW_SIGNATURE_INVALID", AUTH, NONE),
    after("a signature of 10,000 bytes", "QW_SIGNATURE_INVALID", AUTH, new Uint8Array(10_000)),
    after("another HELLO", "QW_HANDSHAKE_INVALID", HELLO, helloWith()),
    after("READY without a proof", "QW_HANDSHAKE_INVALID", READY, NONE),
    after("a message without a proof", "QW_HANDSHAKE_INVALID", DATA, Buffer.from("let me in")),
  ];
}
