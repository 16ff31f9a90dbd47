import { systemClock } from "@hearthmesh/core";
import type { Channel, ChannelHandlers } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { FrameKind, HEADER_BYTES, writeHeader } from "./frame-codec.js";
import { encodeHello } from "./greeting-codec.js";
import { PeerConnection } from "./peer-connection.js";
import { RingMeter } from "./ring-meter.js";

const EPOCH = 2 ** 33 + 7;
const HELLO = { planDigest: new Uint8Array(32).fill(9), rowsMax: 16, sequencesMax: 3 };

function frame(kind: number, epoch: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const header = { kind, epoch, number: 5, payloadBytes: payload.length };
  writeHeader(new DataView(bytes.buffer), header);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

const hello = (epoch = EPOCH, more: Partial<typeof HELLO> = {}) =>
  frame(FrameKind.hello, epoch, encodeHello({ ...HELLO, ...more }));
const part = (epoch: number, bytes = 4) => frame(FrameKind.partial, epoch, new Uint8Array(bytes));

/** A connection whose bytes the test brings. */
function connection() {
  const seen: string[] = [];
  const written: Uint8Array[] = [];
  let handlers: ChannelHandlers | undefined;
  const channel: Channel = {
    ...{ kind: "memory", localAddress: "a", remoteAddress: "b", bufferedBytes: 0 },
    ...{ binding: new Uint8Array(32), peerCertificates: [] },
    write: (pieces) => written.push(...pieces) > 0,
    setHandlers: (given) => {
      handlers = given;
    },
    pause: () => undefined,
    resume: () => undefined,
    end: () => seen.push("end"),
    destroy: () => seen.push("destroyed"),
  };
  const peer = new PeerConnection({
    ...{ channel, epoch: EPOCH, hello: HELLO, meter: new RingMeter(), clock: systemClock() },
    payloadBytesMax: () => 8,
    onGreeted: () => seen.push("greeted"),
    onFrame: ({ number }, payload) => seen.push(`frame ${number} of ${payload.length}`),
    onEnd: (_, cause) => seen.push(cause === undefined ? "ended" : `fault ${cause}`),
  });
  return { peer, seen, written, bring: (bytes: Uint8Array) => handlers?.onData(bytes) };
}

describe("PeerConnection", () => {
  it("greets first, and hands on frames after it was greeted", () => {
    const { seen, written, bring } = connection();
    expect(Buffer.from(written[0]!).equals(hello().fill(0, 16, 20))).toBe(true);
    bring(Buffer.concat([hello(), part(EPOCH)]));
    expect(seen).toEqual(["greeted", "frame 5 of 4"]);
  });

  it("drops frames of other epochs, and counts them", () => {
    const { peer, seen, bring } = connection();
    bring(Buffer.concat([hello(), part(EPOCH - 1), part(7), part(EPOCH, 6)]));
    expect(seen).toEqual(["greeted", "frame 5 of 6"]);
    expect(peer.dropped).toBe(2);
  });

  it("ends without blame when the other side has another epoch", () => {
    const { seen, bring } = connection();
    bring(hello(EPOCH + 1));
    expect(seen).toEqual(["destroyed", "ended"]);
  });

  it.each([
    ["a frame before HELLO", [part(EPOCH)]],
    ["a second HELLO", [hello(), hello()]],
    ["another plan", [hello(EPOCH, { planDigest: new Uint8Array(32) })]],
    ["no room", [hello(EPOCH, { rowsMax: 0 })]],
    ["a frame that is too long", [hello(), part(EPOCH, 9)]],
  ])("ends with a fault for %s, and looks at nothing after it", (_, frames) => {
    const { seen, bring } = connection();
    bring(Buffer.concat([...frames, part(EPOCH)]));
    bring(part(EPOCH));
    expect(seen.at(-1)).toMatch(/^fault MeshError/);
    expect(seen.filter((line) => line.startsWith("frame"))).toEqual([]);
  });
});
