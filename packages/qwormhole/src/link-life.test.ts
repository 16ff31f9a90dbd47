import { afterEach, describe, expect, it } from "vitest";
import { encodeFrame, FrameType } from "./frames.js";
import type { LinkOptions } from "./link.js";
import { memoryTransport } from "./memory-transport.js";
import { type LinkPair, linkPair, ManualClock, settle, testIdentity } from "./testing/index.js";
import type { Channel, Transport } from "./transport.js";

const pairs: LinkPair[] = [];
async function open(
  dialer: Partial<LinkOptions> = {},
  listener: Partial<LinkOptions> = {},
  transport?: Transport,
) {
  const pair = await linkPair(dialer, listener, transport);
  pairs.push(pair);
  return pair;
}
afterEach(() => {
  for (const { dialer } of pairs.splice(0)) dialer.destroy(new Error("the test is over"));
});

/** A memory transport whose dialling ends the test can reach. */
function tapped(): { transport: Transport; dialled: Channel[] } {
  const inner = memoryTransport();
  const dialled: Channel[] = [];
  return {
    dialled,
    transport: {
      listen: (address, onChannel) => inner.listen(address, onChannel),
      async dial(address, options) {
        const channel = await inner.dial(address, options);
        dialled.push(channel);
        return channel;
      },
    },
  };
}

const NONE = new Uint8Array(0);

describe("liveness", () => {
  it("measures the round trip", async () => {
    const clock = new ManualClock();
    const transport = memoryTransport({ clock, latencyMs: 20 });
    const opening = open({ clock }, { clock }, transport);
    await clock.advance(200);
    const { dialer, listener } = await opening;
    expect(dialer.roundTripMs).toBe(40);
    expect(listener.roundTripMs).toBe(40);
  });

  it("notices a silent peer within three seconds", async () => {
    const clock = new ManualClock();
    const { transport, dialled } = tapped();
    const { dialer, listener } = await open({ clock }, { clock }, transport);
    await clock.advance(10_000);
    expect(dialer.isOpen && listener.isOpen).toBe(true);
    // The dialling end stops taking bytes in, as if the network lost them.
    dialled[0]?.pause();
    await clock.advance(2900);
    expect(dialer.isOpen).toBe(true);
    await clock.advance(101);
    expect((await dialer.closed).error).toMatchObject({ code: "QW_PEER_DEAD" });
    expect((await listener.closed).error).toMatchObject({ code: "QW_LINK_LOST" });
  });

  it("does not take a stall of its own process for the death of the peer", async () => {
    const clock = new ManualClock();
    const { dialer, listener } = await open({ clock }, { clock });
    await clock.advance(5000);
    clock.stall(20_000);
    await clock.advance(5000);
    expect(dialer.isOpen && listener.isOpen).toBe(true);
  });

  it("leaves no timer behind", async () => {
    const clock = new ManualClock();
    const { dialer, listener, server } = await open({ clock }, { clock });
    await dialer.request("x", NONE).catch(() => {});
    await server.closeLinks("done");
    await Promise.all([dialer.closed, listener.closed]);
    await clock.advance(5000);
    expect(clock.timers).toBe(0);
  });
});

describe("closing", () => {
  it("lets what is under way finish, refuses new work, and ends both sides in order", async () => {
    let answer: (body: Uint8Array) => void = () => {};
    const handlers = {
      onRequest: () =>
        new Promise<Uint8Array>((resolve) => {
          answer = resolve;
        }),
    };
    const clock = new ManualClock();
    const { dialer, listener } = await open({ clock }, { clock, handlers });
    const request = dialer.request("slow", NONE);
    await settle();
    const closing = listener.close("restart");
    await settle();
    expect([dialer.isOpen, listener.isOpen]).toEqual([false, false]);
    await expect(dialer.request("new", NONE)).rejects.toMatchObject({ code: "QW_LINK_CLOSING" });
    await expect(dialer.openStream("new", NONE)).rejects.toMatchObject({ code: "QW_LINK_CLOSING" });
    expect(() => dialer.send(NONE)).toThrow(expect.objectContaining({ code: "QW_LINK_CLOSING" }));
    answer(Buffer.from("in time"));
    expect(Buffer.from(await request).toString()).toBe("in time");
    await closing;
    expect(await dialer.closed).toEqual({ error: undefined });
    expect(await listener.closed).toEqual({ error: undefined });
  });

  it("ends what is still under way when the time to drain is over", async () => {
    const clock = new ManualClock();
    const handlers = { onRequest: () => new Promise<Uint8Array>(() => {}) };
    const { dialer, listener } = await open({ clock }, { clock, handlers });
    const request = dialer.request("never", NONE).catch((error) => error);
    const stream = await listener.openStream("x", NONE);
    await settle();
    const closing = listener.close("restart", 500);
    await clock.advance(499);
    expect(dialer.inspect().openRequests).toBe(1);
    await clock.advance(2);
    await closing;
    expect(await request).toMatchObject({ code: "QW_LINK_CLOSED" });
    expect(stream.signal.aborted).toBe(true);
    expect(await dialer.closed).toEqual({ error: undefined });
  });

  it("fails everything at once when the link is destroyed", async () => {
    const handlers = { onRequest: () => new Promise<Uint8Array>(() => {}) };
    const { dialer, listener } = await open({}, { handlers });
    const request = dialer.request("never", NONE).catch((error) => error);
    await settle();
    const revoked = new Error("revoked");
    listener.destroy(revoked);
    expect(await listener.closed).toEqual({ error: revoked });
    expect(await request).toMatchObject({ code: "QW_LINK_LOST" });
    expect((await dialer.closed).error).toMatchObject({ code: "QW_LINK_LOST" });
    await expect(dialer.request("x", NONE)).rejects.toMatchObject({ code: "QW_LINK_CLOSED" });
  });

  it("ends the link, not the process, when a message handler throws", async () => {
    const handlers = {
      onMessage() {
        throw new Error("a mistake");
      },
    };
    const { dialer, listener } = await open({}, { handlers });
    dialer.send(Buffer.from("x"));
    expect((await listener.closed).error).toMatchObject({ code: "QW_HANDLER_FAILED" });
  });
});

describe("sending", () => {
  it("lets control overtake a large stream", async () => {
    const order: string[] = [];
    const { dialer } = await open(
      {},
      {
        handlers: {
          onMessage: (data) => void order.push(Buffer.from(data).toString()),
          async onStream(stream) {
            let got = 0;
            for await (const piece of stream.readable) got += piece.length;
            order.push(`stream of ${got}`);
          },
        },
      },
    );
    const stream = await dialer.openStream("bulk", NONE);
    const writing = stream.write(new Uint8Array(4 << 20)).then(() => stream.end());
    dialer.send(Buffer.from("gossip"), { priority: "gossip" });
    dialer.send(Buffer.from("control"), { priority: "control" });
    await writing;
    await settle();
    expect(order).toEqual(["control", "gossip", `stream of ${4 << 20}`]);
  });

  it("gives a lower priority its turn under a flood of a higher one", async () => {
    const { transport, dialled } = tapped();
    const order: string[] = [];
    const onMessage = (data: Uint8Array) => void order.push(data.length > 100 ? "rpc" : "bulk");
    const limits = { highWaterBytes: 32 << 20 };
    const { dialer } = await open({ limits }, { handlers: { onMessage } }, transport);
    expect(dialled).toHaveLength(1);
    for (let count = 0; count < 320; count++) dialer.send(new Uint8Array(1 << 16));
    dialer.send(new Uint8Array(10), { priority: "bulk" });
    for (let count = 0; count < 160; count++) dialer.send(new Uint8Array(1 << 16));
    await dialer.drained();
    await settle();
    expect(order).toHaveLength(481);
    expect(order.indexOf("bulk")).toBeLessThan(360);
  });

  it("answers false above the high-water mark, throws when full, and drains", async () => {
    const transport = memoryTransport();
    let got = 0;
    const limits = { highWaterBytes: 100_000, queueBytesMax: 1 << 20 };
    const onMessage = (data: Uint8Array) => {
      got += data.length;
    };
    const { dialer } = await open({ limits }, { handlers: { onMessage } }, transport);
    let accepted = 0;
    let answeredFalse = false;
    const fill = () => {
      for (let count = 0; count < 100; count++) {
        if (!dialer.send(new Uint8Array(50_000))) answeredFalse = true;
        accepted += 50_000;
      }
    };
    expect(fill).toThrow(expect.objectContaining({ code: "QW_QUEUE_FULL" }));
    expect(answeredFalse).toBe(true);
    await dialer.drained();
    await settle();
    expect(got).toBe(accepted);
    expect(dialer.isOpen).toBe(true);
  });

  it("writes what belongs to one tick together", async () => {
    const inner = memoryTransport();
    const writes: number[] = [];
    const transport: Transport = {
      listen: (address, onChannel) => inner.listen(address, onChannel),
      async dial(address, options) {
        const channel = await inner.dial(address, options);
        const write = channel.write.bind(channel);
        channel.write = (pieces) => {
          writes.push(pieces.length);
          return write(pieces);
        };
        return channel;
      },
    };
    const { dialer } = await open({}, { handlers: { onMessage() {} } }, transport);
    await settle();
    writes.length = 0;
    for (let count = 0; count < 100; count++) dialer.send(new Uint8Array(100));
    await settle();
    expect(writes.length).toBeLessThanOrEqual(2);
  });
});

describe("a peer that breaks the rules of an open link", () => {
  it.each<[string, Uint8Array, string]>([
    ["a frame of 4 GiB", Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x10, 0, 0), "QW_FRAME_TOO_LARGE"],
    ["an unknown frame type", encodeFrame(0x7f, 0, NONE), "QW_FRAME_INVALID"],
    ["a second handshake", encodeFrame(FrameType.HELLO, 0, NONE), "QW_FRAME_INVALID"],
    ["a request that is cut short", encodeFrame(FrameType.REQ, 1, NONE), "QW_FRAME_INVALID"],
    [
      "a message above the limit",
      encodeFrame(FrameType.DATA, 0, new Uint8Array((1 << 20) + 1)),
      "QW_MESSAGE_TOO_LARGE",
    ],
    [
      "a stream with a number of the other side",
      encodeFrame(FrameType.STREAM_OPEN, 2, Uint8Array.of(3, 1, 65)),
      "QW_FRAME_INVALID",
    ],
  ])("is told and cut off for %s", async (_name, bytes, code) => {
    const { transport, dialled } = tapped();
    const handlers = { onStream: () => new Promise<void>(() => {}) };
    const { dialer, listener } = await open({}, { handlers }, transport);
    dialled[0]?.write([bytes]);
    expect((await listener.closed).error).toMatchObject({ code });
    expect((await dialer.closed).error).toMatchObject({ code: "QW_LINK_CLOSED", remoteCode: code });
  });

  it("is cut off when it sends more than its credit", async () => {
    const { transport, dialled } = tapped();
    const handlers = { onStream: () => new Promise<void>(() => {}) };
    const limits = { streamBaseBytes: 1000, streamWindowBytes: 1000 };
    const { listener } = await open({}, { handlers, limits }, transport);
    dialled[0]?.write([
      encodeFrame(FrameType.STREAM_OPEN, 1, Uint8Array.of(3, 1, 65)),
      encodeFrame(FrameType.STREAM_DATA, 1, new Uint8Array(1001)),
    ]);
    expect((await listener.closed).error).toMatchObject({ code: "QW_WINDOW_VIOLATED" });
  });

  it("may send skippable frames, late answers and frames of streams that are gone", async () => {
    const { transport, dialled } = tapped();
    const { listener } = await open({}, {}, transport);
    dialled[0]?.write([
      encodeFrame(0x80, 0, NONE),
      encodeFrame(FrameType.RES, 77, NONE),
      encodeFrame(FrameType.STREAM_DATA, 9, new Uint8Array(10)),
      encodeFrame(FrameType.WINDOW, 9, Uint8Array.of(1)),
    ]);
    await settle();
    expect(listener.isOpen).toBe(true);
  });

  it("cannot make this side queue answers without end", async () => {
    const { transport, dialled } = tapped();
    const limits = { queueBytesMax: 1 << 20, messageBytesMax: 1 << 20 };
    const onRequest = async () => new Uint8Array(500_000);
    const { listener } = await open({}, { limits, handlers: { onRequest } }, transport);
    const channel = dialled[0]!;
    channel.pause();
    for (let number = 1; number <= 1000; number++) {
      channel.write([encodeFrame(FrameType.REQ, number, Uint8Array.of(100, 1, 1, 65))]);
      if (number % 100 === 0) await settle();
    }
    expect(listener.inspect().queuedBytes).toBeLessThanOrEqual(limits.queueBytesMax);
  });
});

describe("options", () => {
  it("are refused when they contradict themselves", async () => {
    const identity = testIdentity();
    const limits = { streamBaseBytes: 100, streamWindowBytes: 10 };
    await expect(open({ identity, limits })).rejects.toMatchObject({ code: "QW_OPTIONS_INVALID" });
  });
});
