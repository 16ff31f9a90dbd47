import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isQWormholeError } from "./errors.js";
import {
  encodeFrame,
  FrameDecoder,
  type FrameSink,
  FrameType,
  PayloadReader,
  PREAMBLE,
  varintBytes,
  writeVarint,
} from "./frames.js";

interface Frame {
  type: number;
  channel: number;
  payload: Buffer;
}

/** Joins the parts of STREAM_DATA, whose frames have no meaning as units. */
class Collector implements FrameSink {
  frames: Frame[] = [];
  bytesMax = 0;
  onFrame(type: number, channel: number, bytes: Uint8Array, start: number, end: number): void {
    this.bytesMax = Math.max(this.bytesMax, bytes.buffer.byteLength);
    const payload = Buffer.from(bytes.subarray(start, end));
    const last = this.frames.at(-1);
    const joins = type === FrameType.STREAM_DATA && last?.type === type && last.channel === channel;
    if (joins) last.payload = Buffer.concat([last.payload, payload]);
    else this.frames.push({ type, channel, payload });
  }
}

function decode(pieces: readonly Uint8Array[], limitBytes = 1 << 20): Collector {
  const collector = new Collector();
  const decoder = new FrameDecoder(collector, limitBytes);
  for (const piece of pieces) decoder.push(piece);
  return collector;
}

/** Cuts `bytes` at the given places, each into memory of its own. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length];
  sorted.sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => Uint8Array.from(bytes.subarray(sorted[index], end)));
}

const types = [FrameType.DATA, FrameType.REQ, FrameType.STREAM_DATA, FrameType.PING, 0x99];
const frame = fc.record({
  type: fc.constantFrom(...types),
  channel: fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 0x7fff_ffff })),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});

function joined(frames: readonly Frame[]): Frame[] {
  const collector = new Collector();
  for (const { type, channel, payload } of frames) {
    const isEmptyPart = type === FrameType.STREAM_DATA && payload.length === 0;
    if (!isEmptyPart) collector.onFrame(type, channel, payload, 0, payload.length);
  }
  return collector.frames;
}

describe("frame decoder", () => {
  it("gives the same frames for any split of the bytes", () => {
    const property = fc.property(
      fc.array(frame, { maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 60 }),
      (frames, places) => {
        const encoded = frames.map((item) => encodeFrame(item.type, item.channel, item.payload));
        const bytes = Buffer.concat([PREAMBLE, ...encoded]);
        const expected = joined(frames);
        expect(joined(decode(cut(bytes, places)).frames)).toEqual(expected);
        expect(joined(decode(cut(bytes, [...bytes.keys()])).frames)).toEqual(expected);
      },
    );
    fc.assert(property, { numRuns: 150 });
  });

  it("takes any bytes without a crash and without memory above the limit", () => {
    const limitBytes = 4096;
    const property = fc.property(
      fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 20 }),
      fc.boolean(),
      (chunks, withPreamble) => {
        const collector = new Collector();
        const decoder = new FrameDecoder(collector, limitBytes);
        if (withPreamble) decoder.push(PREAMBLE);
        try {
          for (const chunk of chunks) decoder.push(Uint8Array.from(chunk));
        } catch (error) {
          if (!isQWormholeError(error)) throw error;
        }
        expect(collector.bytesMax).toBeLessThanOrEqual(limitBytes);
        for (const { payload } of collector.frames) {
          expect(payload.length).toBeLessThanOrEqual(limitBytes);
        }
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  it("hands on views of the chunk when a frame lies whole in it", () => {
    const chunk = Buffer.concat([PREAMBLE, encodeFrame(FrameType.DATA, 0, Buffer.from("abc"))]);
    let seen: Uint8Array | undefined;
    const sink: FrameSink = {
      onFrame: (_type, _channel, bytes) => {
        seen = bytes;
      },
    };
    new FrameDecoder(sink, 100).push(chunk);
    expect(seen).toBe(chunk);
  });

  it("refuses a frame of 4 GiB from its first four bytes", () => {
    const decoder = new FrameDecoder(new Collector(), 1 << 20);
    decoder.push(PREAMBLE);
    expect(() => decoder.push(Uint8Array.of(0xff, 0xff, 0xff, 0xff))).toThrow(
      expect.objectContaining({ code: "QW_FRAME_TOO_LARGE" }),
    );
  });

  it("says nothing more after an error", () => {
    const collector = new Collector();
    const decoder = new FrameDecoder(collector, 100);
    expect(() => decoder.push(Buffer.from("GET / HTTP/1.1\r\n"))).toThrow(
      expect.objectContaining({ code: "QW_NOT_A_LINK" }),
    );
    decoder.push(Buffer.concat([PREAMBLE, encodeFrame(FrameType.DATA, 0, Buffer.from("x"))]));
    expect(collector.frames).toEqual([]);
  });

  it.each([
    ["another wire version", [...PREAMBLE.slice(0, 4), 2], "QW_VERSION_UNSUPPORTED"],
    ["a frame too short for its head", [...PREAMBLE, 0, 0, 0, 2, 1, 0], "QW_FRAME_INVALID"],
    ["a flag that was not agreed on", [...PREAMBLE, 0, 0, 0, 3, 16, 1, 0], "QW_FRAME_INVALID"],
    [
      "a flag on stream bytes that come in parts",
      [...PREAMBLE, 0, 0, 0, 40, 0x31, 1, 3, 0, 0, 0, 0, 0, 0],
      "QW_FRAME_INVALID",
    ],
    [
      "a channel number longer than needed",
      [...PREAMBLE, 0, 0, 0, 4, 16, 0, 0x81, 0],
      "QW_FRAME_INVALID",
    ],
    [
      "a channel number of 2^31",
      [...PREAMBLE, 0, 0, 0, 7, 16, 0, 0x80, 0x80, 0x80, 0x80, 8],
      "QW_FRAME_INVALID",
    ],
    [
      "a channel number longer than its frame",
      [...PREAMBLE, 0, 0, 0, 3, 16, 0, 0x80, 0, 0, 0, 0],
      "QW_FRAME_INVALID",
    ],
  ])("refuses %s, whole and byte by byte", (_name, bytes, code) => {
    const whole = Uint8Array.from(bytes);
    expect(() => decode([whole])).toThrow(expect.objectContaining({ code }));
    expect(() => decode(cut(whole, [...whole.keys()]))).toThrow(expect.objectContaining({ code }));
  });
});

describe("varint", () => {
  it("reads back what it wrote, in as few bytes as it says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (value) => {
        const bytes = new Uint8Array(5);
        const end = writeVarint(bytes, 0, value);
        expect(end).toBe(varintBytes(value));
        expect(new PayloadReader(bytes, 0, end).varint()).toBe(value);
      }),
    );
  });
});
