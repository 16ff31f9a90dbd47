/**
 * Anything that can be made of valid conversations by mutation, and any bytes at all: the decoder
 * says the same however they are cut, and whoever reads them knows no other errors than the typed.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isQWormholeError, QWORMHOLE_ERRORS, type QWormholeError } from "./errors.js";
import { QWormholeClient } from "./facade/client.js";
import { QWormholeServer } from "./facade/server.js";
import { decodeBody, decodePublication } from "./facade/values.js";
import {
  encodeFrame,
  FrameDecoder,
  type FrameSink,
  FrameType,
  PayloadReader,
  PREAMBLE,
} from "./frames.js";
import { decodeHello } from "./hello.js";
import { memoryTransport } from "./memory-transport.js";
import { MessageKind } from "./message-kind.js";
import { valueDeserializer } from "./serializers.js";
import { ManualClock, settle } from "./testing/index.js";
import { MALFORMED_FRAMES } from "./testing/malformed-frames.js";
import { helloWith } from "./testing/malformed-handshakes.js";
import { RawPeer } from "./testing/raw-peer.js";
import { checkTopic } from "./topics.js";
import { decodeWireError, encodeWireError } from "./wire-error.js";

const LIMIT_BYTES = 2000;
const text = (value: string) => Buffer.from(value, "latin1");

/** Frames that a peer sends in earnest. */
const valid = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => encodeFrame(FrameType.DATA, 0, bytes)),
  fc.json().map((json) => encodeFrame(FrameType.DATA, 10, Buffer.from(json).subarray(0, 900))),
  fc.constant(encodeFrame(FrameType.DATA, 14, text('\x08peers.up{"a":1}'))),
  fc.nat(5).map((number) => encodeFrame(FrameType.REQ, number, text("\x7f\x01\x04echo\x02[1]"))),
  fc
    .nat(5)
    .map((number) => encodeFrame(FrameType.REQ, number, text("\x7f\x00\x0cqw.subscribea.*"))),
  fc.nat(5).map((number) => encodeFrame(FrameType.RES, number, text("\x02{}"))),
  fc.nat(5).map((number) => encodeFrame(FrameType.ERR, number, text("\x04GONE\x02no"))),
  fc.nat(5).map((number) => encodeFrame(FrameType.CANCEL, number, text(""))),
  fc.nat(5).map((number) => encodeFrame(FrameType.STREAM_OPEN, number, text("\x03\x04hold"))),
  fc
    .tuple(fc.nat(300), fc.uint8Array({ maxLength: 300 }))
    .map(([number, bytes]) => encodeFrame(FrameType.STREAM_DATA, number, bytes)),
  fc.nat(5).map((number) => encodeFrame(FrameType.STREAM_END, number, text(""))),
  fc.nat(5).map((number) => encodeFrame(FrameType.WINDOW, number, Uint8Array.of(77))),
  fc.constant(encodeFrame(FrameType.PING, 0, new Uint8Array(8))),
  fc.constantFrom(...MALFORMED_FRAMES.map(({ bytes }) => bytes).filter((one) => one.length < 500)),
);

/** One change of a byte string; places beyond its end wrap around. */
const mutation = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("set" as const), at: fc.nat(), byte: fc.nat(255) }),
  fc.record({ kind: fc.constant("insert" as const), at: fc.nat(), byte: fc.nat(255) }),
  fc.record({ kind: fc.constant("remove" as const), at: fc.nat(), bytes: fc.nat(9) }),
  fc.record({ kind: fc.constant("repeat" as const), at: fc.nat(), bytes: fc.nat(40) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
);
type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never;

function mutate(bytes: Buffer, change: Mutation): Buffer {
  const at = bytes.length === 0 ? 0 : change.at % bytes.length;
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (change.kind) {
    case "flip":
      return Buffer.concat([
        before,
        Buffer.of((after[0] ?? 0) ^ (1 << change.bit)),
        after.subarray(1),
      ]);
    case "set":
      return Buffer.concat([before, Buffer.of(change.byte), after.subarray(1)]);
    case "insert":
      return Buffer.concat([before, Buffer.of(change.byte), after]);
    case "remove":
      return Buffer.concat([before, after.subarray(change.bytes)]);
    case "repeat":
      return Buffer.concat([before, after.subarray(0, change.bytes), after]);
    case "cut":
      return Buffer.from(before);
  }
}

const conversation = fc
  .tuple(fc.array(valid, { maxLength: 25 }), fc.array(mutation, { maxLength: 4 }))
  .map(([frames, changes]) => changes.reduce(mutate, Buffer.concat(frames)));

/** What a decoder said of pieces: its frames, those of streams joined, and its error. */
function outcome(pieces: readonly Uint8Array[]) {
  const frames: { type: number; channel: number; payload: string }[] = [];
  const sink: FrameSink = {
    onFrame(type, channel, bytes, start, end) {
      const payload = Buffer.from(bytes.subarray(start, end)).toString("latin1");
      const last = frames.at(-1);
      if (type !== FrameType.STREAM_DATA) frames.push({ type, channel, payload });
      else if (payload === "") return;
      else if (last?.type === type && last.channel === channel) last.payload += payload;
      else frames.push({ type, channel, payload });
    },
  };
  const decoder = new FrameDecoder(sink, LIMIT_BYTES);
  let error = "";
  for (const piece of pieces) {
    try {
      decoder.push(piece);
    } catch (cause) {
      error = `${(cause as QWormholeError).code}: ${(cause as Error).message}`;
    }
  }
  return { frames, error, framesIn: decoder.framesIn };
}

/** Cut at the places, each piece in memory of its own. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, index) => Uint8Array.from(bytes.subarray(ends[index - 1] ?? 0, end)));
}

describe("the frame decoder", () => {
  it("says the same of a mutated conversation, however it is cut", () => {
    const places = fc.array(fc.nat(), { maxLength: 40 });
    const property = fc.property(conversation, places, (bytes, at) => {
      const whole = Buffer.concat([PREAMBLE, bytes]);
      const expected = outcome([whole]);
      expect(outcome(cut(whole, at))).toEqual(expected);
      expect(outcome(cut(whole, [...whole.keys()]))).toEqual(expected);
      const code = expected.error.split(":")[0] ?? "";
      expect(code === "" || code in QWORMHOLE_ERRORS).toBe(true);
    });
    fc.assert(property, { numRuns: 250 });
  });
});

describe("what reads payloads", () => {
  const seeds = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.constant(helloWith()),
    fc.constant(encodeWireError({ code: "GONE", message: "no", details: Uint8Array.of(1) })),
    fc.constant(text('\x08peers.up{"a":1}')),
    fc.constant(Uint8Array.of(0xa2, 0x61, 0x61, 0x82, 1, 0x19, 1, 0, 0x61, 0x62, 0x43, 1, 2, 3)),
  );
  const payload = fc
    .tuple(seeds, fc.array(mutation, { maxLength: 3 }))
    .map(([bytes, changes]) => changes.reduce(mutate, Buffer.from(bytes)));
  const readers: [string, (bytes: Buffer) => unknown][] = [
    ["HELLO", decodeHello],
    ["errors", (bytes) => decodeWireError(new PayloadReader(bytes, 0, bytes.length))],
    ["bodies", decodeBody],
    [
      "publications",
      (bytes) => {
        const { topic, message } = decodePublication(bytes, 6);
        checkTopic(topic);
        return valueDeserializer(message.payload, message.kind);
      },
    ],
    ["text", (bytes) => valueDeserializer(bytes, MessageKind.text)],
    ["JSON", (bytes) => valueDeserializer(bytes, MessageKind.json)],
    ["CBOR", (bytes) => valueDeserializer(bytes, MessageKind.cbor)],
  ];

  it.each(readers)("of %s gives a value or a typed error for any bytes", (_name, read) => {
    const property = fc.property(payload, (bytes) => {
      try {
        read(bytes);
      } catch (error) {
        if (!isQWormholeError(error)) throw error;
      }
    });
    fc.assert(property, { numRuns: 400 });
  });
});

describe("a server", () => {
  it("lives through mutated conversations, and its other client with it", async () => {
    const at = { host: "server", port: 1 };
    const clock = new ManualClock();
    const transport = memoryTransport();
    const server = new QWormholeServer({ ...at, transport, clock, authorizePublish: () => true });
    server.handle("echo", (value) => value);
    server.handleStream("hold", () => new Promise(() => {}));
    server.subscribe("peers.>", () => {});
    await server.listen();
    const good = new QWormholeClient({ ...at, transport, clock });
    await good.connect();
    let peers = 0;
    const property = fc.asyncProperty(
      conversation,
      fc.array(fc.nat(), { maxLength: 8 }),
      async (bytes, places) => {
        const peer = await RawPeer.dial(transport, at);
        await settle();
        peers++;
        peer.write(...cut(bytes, places));
        await settle();
        peer.channel.destroy();
        await settle();
        expect(await good.request("echo", peers)).toBe(peers);
        expect(server.getConnectionCount()).toBe(1);
      },
    );
    await fc.assert(property, { numRuns: 100 });
    const { closes, connectionsTotal, peers: alive } = server.metrics;
    expect(Object.keys(closes).filter((code) => !(code in QWORMHOLE_ERRORS))).toEqual([]);
    expect(Object.values(closes).reduce((sum, count) => sum + count, 0)).toBe(peers);
    expect([connectionsTotal, alive.length, alive[0]?.openRequests]).toEqual([peers + 1, 1, 0]);
    void good.close("over", 0);
    void server.close(0);
    await clock.advance(5000);
  });
});
