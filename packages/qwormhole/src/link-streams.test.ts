import { afterEach, describe, expect, it } from "vitest";
import { LINK_LIMITS_DEFAULT } from "./limits.js";
import type { LinkOptions, LinkStream } from "./link.js";
import { type LinkPair, linkPair, settle } from "./testing/index.js";

const pairs: LinkPair[] = [];
async function open(dialer: Partial<LinkOptions>, listener: Partial<LinkOptions>) {
  const pair = await linkPair(dialer, listener);
  pairs.push(pair);
  return pair;
}
afterEach(() => {
  for (const { dialer } of pairs.splice(0)) dialer.destroy(new Error("the test is over"));
});

const NONE = new Uint8Array(0);

/** Keeps the streams that it gets and lets the test use them. */
function keeping(): { streams: LinkStream[]; options: Partial<LinkOptions> } {
  const streams: LinkStream[] = [];
  return {
    streams,
    options: {
      handlers: {
        onStream: (stream) => {
          streams.push(stream);
          return new Promise(() => {});
        },
      },
    },
  };
}

async function readAll(stream: LinkStream): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream.readable) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  await settle();
  const settled = promise.then(
    () => undefined,
    () => undefined,
  );
  return (await Promise.race([settled, Promise.resolve(pending)])) === pending;
}

describe("streams", () => {
  it("carry method, header and bytes both ways; each direction ends on its own", async () => {
    const { streams, options } = keeping();
    const { dialer } = await open({}, options);
    const mine = await dialer.openStream("chunk.put", Buffer.from("head"));
    await mine.write(Buffer.from("up"));
    mine.end();
    await settle();
    const theirs = streams[0]!;
    expect([theirs.method, Buffer.from(theirs.header).toString()]).toEqual(["chunk.put", "head"]);
    expect((await readAll(theirs)).toString()).toBe("up");
    await theirs.write(Buffer.from("down"));
    theirs.end();
    expect((await readAll(mine)).toString()).toBe("down");
    await settle();
    expect(dialer.inspect().openStreams).toBe(0);
    await expect(mine.write(Buffer.from("more"))).rejects.toMatchObject({
      code: "QW_STREAM_ENDED",
    });
  });

  it("make a writer wait for its reader, and hold no more than the window", async () => {
    const { streams, options } = keeping();
    const { dialer, listener } = await open({}, options);
    const stream = await dialer.openStream("up", NONE);
    const { streamWindowBytes } = LINK_LIMITS_DEFAULT;
    const writing = stream.write(new Uint8Array(3 * streamWindowBytes));
    expect(await isPending(writing)).toBe(true);
    expect(listener.inspect().bytesIn).toBeLessThan(1.1 * streamWindowBytes);
    stream.end();
    expect(await readAll(streams[0]!)).toHaveLength(3 * streamWindowBytes);
    await writing;
  });

  it("send pieces of a round size in whole frames, with no small one at the end", async () => {
    const { streams, options } = keeping();
    const { dialer } = await open({}, options);
    const stream = await dialer.openStream("up", NONE);
    await stream.write(Buffer.from("first"));
    await settle();
    const framesFor = async (bytes: number) => {
      const before = dialer.inspect().framesOut;
      await stream.write(new Uint8Array(bytes));
      await settle();
      return dialer.inspect().framesOut - before;
    };
    const reading = readAll(streams[0]!);
    const sizes = [64 * 1024, 256 * 1024, 1 << 20];
    const frames: number[] = [];
    for (const size of sizes) frames.push(await framesFor(size));
    expect(frames).toEqual([1, 4, 16]);
    stream.end();
    expect(await reading).toHaveLength(5 + sizes.reduce((sum, size) => sum + size, 0));
  });

  it("are not held up by a slow reader of another stream", async () => {
    const { streams, options } = keeping();
    const { dialer } = await open({}, options);
    const slow = await dialer.openStream("slow", NONE);
    slow.write(new Uint8Array(5 << 20)).catch(() => {});
    const quick = await dialer.openStream("quick", NONE);
    const writing = quick.write(new Uint8Array(5 << 20)).then(() => quick.end());
    await settle();
    expect(await readAll(streams[1]!)).toHaveLength(5 << 20);
    await writing;
  });

  it("keep all unread bytes of a link within its budget, and still go on", async () => {
    const { streams, options } = keeping();
    const limits = { streamBaseBytes: 10_000, streamWindowBytes: 100_000, unreadBytesMax: 150_000 };
    const { dialer, listener } = await open({}, { ...options, limits });
    const writing: Promise<void>[] = [];
    for (let count = 0; count < 10; count++) {
      const stream = await dialer.openStream("up", NONE);
      writing.push(stream.write(new Uint8Array(200_000)).then(() => stream.end()));
    }
    await settle();
    const held = 10 * limits.streamBaseBytes + limits.unreadBytesMax;
    expect(listener.inspect().bytesIn).toBeLessThan(held + 5000);
    const sizes = await Promise.all(streams.map(async (stream) => (await readAll(stream)).length));
    expect(sizes).toEqual(Array.from({ length: 10 }, () => 200_000));
    await Promise.all(writing);
  });

  it("throw at both ends when one resets, with code and details", async () => {
    const { streams, options } = keeping();
    const { dialer, listener } = await open({}, options);
    const mine = await dialer.openStream("up", NONE);
    const writing = mine.write(new Uint8Array(5 << 20)).catch((error) => error);
    await settle();
    const theirs = streams[0]!;
    const { signal } = mine;
    theirs.reset("MESH_DISK_FULL", "no room", Buffer.from("{}"));
    await expect(readAll(theirs)).rejects.toMatchObject({ code: "QW_STREAM_RESET" });
    const remote = { code: "QW_STREAM_RESET", remoteCode: "MESH_DISK_FULL", message: "no room" };
    expect(await writing).toMatchObject(remote);
    await expect(readAll(mine)).rejects.toMatchObject(remote);
    expect(signal.aborted).toBe(true);
    expect(theirs.signal.aborted).toBe(true);
    expect([dialer.inspect().openStreams, listener.inspect().openStreams]).toEqual([0, 0]);
  });

  it("end when their handler returns, and reset with its error", async () => {
    const { dialer } = await open(
      {},
      {
        handlers: {
          async onStream(stream) {
            if (stream.method === "fails") {
              throw Object.assign(new Error("not allowed"), { code: "MESH_DENIED" });
            }
            await stream.write(Buffer.from("bye"));
          },
        },
      },
    );
    const stream = await dialer.openStream("leaves", NONE);
    // The handler reads nothing; what it is sent is dropped and the writer does not hang.
    const writing = stream.write(new Uint8Array(5 << 20)).then(() => stream.end());
    expect((await readAll(stream)).toString()).toBe("bye");
    await writing;
    const failing = await dialer.openStream("fails", NONE);
    await expect(readAll(failing)).rejects.toMatchObject({ remoteCode: "MESH_DENIED" });
  });

  it("are reset by their signal", async () => {
    const { streams, options } = keeping();
    const { dialer } = await open({}, options);
    const stop = new AbortController();
    const stream = await dialer.openStream("up", NONE, { signal: stop.signal });
    await settle();
    stop.abort();
    await expect(readAll(stream)).rejects.toMatchObject({ code: "QW_STREAM_RESET" });
    await settle();
    await expect(readAll(streams[0]!)).rejects.toMatchObject({ remoteCode: "QW_CANCELLED" });
    await expect(dialer.openStream("up", NONE, { signal: stop.signal })).rejects.toMatchObject({
      code: "QW_CANCELLED",
    });
  });

  it("are refused above the peer's limit, and when the peer serves none", async () => {
    const { options } = keeping();
    const { dialer, listener } = await open({}, { ...options, limits: { streamsMax: 2 } });
    const first = await dialer.openStream("up", NONE);
    await dialer.openStream("up", NONE);
    await expect(dialer.openStream("up", NONE)).rejects.toMatchObject({ code: "QW_STREAM_LIMIT" });
    first.reset("DONE", "");
    await dialer.openStream("up", NONE);
    const back = await listener.openStream("down", NONE);
    await expect(readAll(back)).rejects.toMatchObject({ remoteCode: "QW_NO_HANDLER" });
  });

  it("may be read on after a loop was broken off", async () => {
    const { streams, options } = keeping();
    const { dialer } = await open({}, options);
    const stream = await dialer.openStream("up", NONE);
    await stream.write(Buffer.alloc(20_000, 1));
    await settle();
    await stream.write(Buffer.alloc(20_000, 2));
    stream.end();
    await settle();
    let first = 0;
    for await (const piece of streams[0]!.readable) {
      first = piece.length;
      break;
    }
    expect(first).toBeGreaterThan(0);
    expect(first + (await readAll(streams[0]!)).length).toBe(40_000);
  });

  it("pack small pieces together, so that each does not hold a receive buffer", async () => {
    const { streams, options } = keeping();
    const { dialer } = await open({}, options);
    const stream = await dialer.openStream("up", NONE);
    for (let count = 0; count < 3000; count++) await stream.write(Uint8Array.of(count & 255));
    stream.end();
    await settle();
    const pieces: Uint8Array[] = [];
    for await (const piece of streams[0]!.readable) pieces.push(piece);
    const joined = Buffer.concat(pieces);
    expect(joined).toHaveLength(3000);
    expect(joined.every((byte, index) => byte === (index & 255))).toBe(true);
    expect(pieces.length).toBeLessThan(10);
  });
});
