import { createServer, request } from "node:http";
import { type Duplex, PassThrough } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { LinkOptions, LinkStream } from "./link.js";
import { streamDuplex } from "./stream-duplex.js";
import { type LinkPair, linkPair, ManualClock, settle } from "./testing/index.js";

const pairs: LinkPair[] = [];
afterEach(() => {
  for (const { dialer } of pairs.splice(0)) dialer.destroy(new Error("the test is over"));
});

const NONE = new Uint8Array(0);
const SMALL_LIMITS = { streamBaseBytes: 700, streamWindowBytes: 3000, unreadBytesMax: 5000 };

interface Ends {
  readonly pair: LinkPair;
  readonly near: Duplex;
  readonly far: Duplex;
  readonly nearStream: LinkStream;
}

/** Two ends of one stream; the accepting handler waits until its end has closed. */
async function ends(limits: LinkOptions["limits"] = {}, highWaterBytes?: number): Promise<Ends> {
  const options = highWaterBytes === undefined ? {} : { highWaterBytes };
  let take: (far: Duplex) => void = () => {};
  const taken = new Promise<Duplex>((resolve) => {
    take = resolve;
  });
  const onStream = async (stream: LinkStream) => {
    const far = streamDuplex(stream, options);
    take(far);
    await finished(far).catch(() => {});
  };
  const pair = await linkPair({ limits }, { limits, handlers: { onStream } });
  pairs.push(pair);
  const nearStream = await pair.dialer.openStream("test.duplex", NONE);
  const near = streamDuplex(nearStream, options);
  const far = await taken;
  // A test that ends with an open stream loses its link, which is no failure.
  for (const end of [near, far]) end.on("error", () => {});
  return { pair, near, far, nearStream };
}

async function readAll(duplex: Duplex): Promise<Buffer> {
  const pieces: Buffer[] = [];
  duplex.on("data", (piece: Buffer) => pieces.push(piece));
  await finished(duplex, { writable: false });
  return Buffer.concat(pieces);
}

function pattern(length: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 7 + seed * 31) & 255));
}

function errorOn(duplex: Duplex): Promise<Error> {
  return new Promise((resolve) => duplex.once("error", resolve));
}

describe("streamDuplex", () => {
  it("carries any bytes in any pieces both ways, with any windows, and ends in order", async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 12 });
    const bytesMax = fc.integer({ min: 1, max: 5000 });
    await fc.assert(
      fc.asyncProperty(sizes, sizes, bytesMax, fc.boolean(), async (up, down, high, corks) => {
        const { pair, near, far } = await ends(SMALL_LIMITS, high);
        const send = (duplex: Duplex, pieces: Buffer[]) => {
          if (corks) duplex.cork();
          for (const piece of pieces) duplex.write(piece);
          duplex.end();
        };
        const upPieces = up.map((size, index) => pattern(size, index));
        const downPieces = down.map((size, index) => pattern(size, index + 100));
        const reading = Promise.all([readAll(far), readAll(near)]);
        send(near, upPieces);
        send(far, downPieces);
        const [atFar, atNear] = await reading;
        expect(atFar.equals(Buffer.concat(upPieces))).toBe(true);
        expect(atNear.equals(Buffer.concat(downPieces))).toBe(true);
        await Promise.all([finished(near), finished(far)]);
        await settle();
        expect([near.errored, far.errored]).toEqual([null, null]);
        expect(pair.dialer.inspect().openStreams).toBe(0);
        expect(pair.listener.inspect().openStreams).toBe(0);
        pair.dialer.destroy(new Error("the run is over"));
      }),
      { numRuns: 60 },
    );
  });

  it("makes the writer wait for the reader, and holds no more than windows and marks", async () => {
    const { pair, near, far } = await ends(SMALL_LIMITS, 1000);
    expect(near.write(Buffer.alloc(100_000))).toBe(false);
    await settle();
    far.once("data", () => far.pause());
    await settle();
    // A window in the stream, a mark and the piece that passed it here; and the handshake.
    expect(far.readableLength).toBeLessThanOrEqual(1000 + 3000);
    expect(pair.listener.inspect().bytesIn).toBeLessThan(3 * 3000 + 1000 + 2000);
    near.end();
    far.resume();
    let bytes = 0;
    far.on("data", (piece: Buffer) => {
      bytes += piece.length;
    });
    await finished(far, { writable: false });
    expect(bytes).toBeGreaterThan(90_000);
  });

  it("takes a single write beyond every limit of the link's queue in parts", async () => {
    const limits = { queueBytesMax: 1 << 20, messageBytesMax: 1 << 20 };
    const { near, far } = await ends(limits);
    const reading = readAll(far);
    near.end(Buffer.alloc(5 << 20, 7));
    expect((await reading).length).toBe(5 << 20);
  });

  it("leaves one direction open when the other has ended", async () => {
    const { near, far } = await ends();
    near.end("question");
    expect((await readAll(far)).toString()).toBe("question");
    expect(far.writable).toBe(true);
    far.end("answer");
    expect((await readAll(near)).toString()).toBe("answer");
  });

  it("is destroyed with what the peer said when the peer resets", async () => {
    const { near, far } = await ends();
    const failing = errorOn(near);
    far.destroy(Object.assign(new Error("/secret/path"), { code: "ENOENT" }));
    const error = await failing;
    expect(error).toMatchObject({ code: "QW_STREAM_RESET", remoteCode: "ENOENT" });
    expect(error.message).not.toContain("secret");
    expect(near.destroyed).toBe(true);
  });

  it("resets the stream as cancelled when it is destroyed without an error", async () => {
    const { near, far } = await ends();
    const failing = errorOn(far);
    near.write("unread");
    await settle();
    near.destroy();
    expect(await failing).toMatchObject({ remoteCode: "QW_CANCELLED" });
    await settle();
    expect(near.errored).toBe(null);
  });

  it("resets when only its own direction has ended", async () => {
    const { near, far } = await ends();
    near.end("all");
    expect((await readAll(far)).toString()).toBe("all");
    const failing = errorOn(far);
    near.destroy();
    expect(await failing).toMatchObject({ remoteCode: "QW_CANCELLED" });
  });

  it("fails reads and writes under way when the link is lost", async () => {
    const { pair, near } = await ends(SMALL_LIMITS);
    const failing = errorOn(near);
    const writing = new Promise((resolve) => near.write(Buffer.alloc(50_000), resolve));
    pair.listener.destroy(new Error("gone"));
    expect(await failing).toMatchObject({ code: "QW_LINK_LOST" });
    expect(await writing).toMatchObject({ code: "QW_LINK_LOST" });
  });

  it("is destroyed at once over a stream that has failed before", async () => {
    const { nearStream } = await ends();
    nearStream.reset("GONE", "gone");
    const late = streamDuplex(nearStream);
    expect(await errorOn(late)).toMatchObject({ code: "QW_STREAM_RESET" });
  });

  it("lets its last frame go when that has to wait, after both directions have ended", async () => {
    const clock = new ManualClock();
    let isHeld = false;
    const gate = { waitMs: () => (isHeld ? 1 : 0), take() {} };
    let far: Duplex | undefined;
    const onStream = async (stream: LinkStream) => {
      far = streamDuplex(stream);
      await finished(far);
    };
    const pair = await linkPair({ clock, sendBuckets: [gate] }, { clock, handlers: { onStream } });
    pairs.push(pair);
    const near = streamDuplex(await pair.dialer.openStream("test.duplex", NONE));
    await settle();
    const failed: Error[] = [];
    far!.on("error", (error) => failed.push(error));
    far!.end("answer");
    expect((await readAll(near)).toString()).toBe("answer");
    isHeld = true;
    near.end();
    await finished(near);
    await settle();
    expect(far!.readableEnded).toBe(false);
    isHeld = false;
    far!.resume();
    await clock.advance(50);
    expect([far!.readableEnded, failed]).toEqual([true, []]);
  });

  it("leaves no listener on the stream's signal", async () => {
    const { nearStream } = await ends();
    let listeners = 0;
    const { signal } = nearStream;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...given: Parameters<typeof add>) => {
      listeners++;
      add(...given);
    };
    signal.removeEventListener = (...given: Parameters<typeof remove>) => {
      listeners--;
      remove(...given);
    };
    const second = streamDuplex(nearStream);
    expect(listeners).toBe(1);
    second.destroy();
    await settle();
    // Both of them have let go: the first one when the second reset the stream.
    expect(listeners).toBe(-1);
  });

  it("carries HTTP, and a pipeline with a slow part in it", async () => {
    const { near, far } = await ends();
    const server = createServer((incoming, response) => {
      pipeline(incoming, new PassThrough({ highWaterMark: 1 }), response).catch(() => {});
    });
    server.emit("connection", far);
    const body = Buffer.alloc(300_000, "body");
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const call = request({ method: "POST", createConnection: () => near as never });
      call.on("error", reject);
      call.on("response", (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("end", () => resolve(Buffer.concat(pieces)));
      });
      call.end(body);
    });
    expect(answer.equals(body)).toBe(true);
  });
});
