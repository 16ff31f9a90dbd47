/** What clients of one server can do, and that the others notice nothing of it. */
import { afterEach, describe, expect, it } from "vitest";
import { FrameType } from "../frames.js";
import { SUBSCRIPTIONS_PER_PEER_MAX } from "../limits.js";
import { memoryTransport } from "../memory-transport.js";
import { ManualClock, settle } from "../testing/index.js";
import {
  CORPUS_LIMITS,
  MALFORMED_FRAMES,
  type MalformedFrames,
} from "../testing/malformed-frames.js";
import { malformedHandshakes } from "../testing/malformed-handshakes.js";
import { codeIn, RawPeer, type RawPeerOptions } from "../testing/raw-peer.js";
import { QWormholeClient } from "./client.js";
import type { QWormholeServerOptions } from "./options.js";
import { QWormholeServer } from "./server.js";

const AT = { host: "server", port: 1 };
const never = () => new Promise<never>(() => {});
const over: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of over.splice(0).reverse()) await end();
});

/** A server as the corpus has it, and a client that behaves and must not notice anything. */
async function world(options: QWormholeServerOptions = {}) {
  const transport = memoryTransport();
  const clock = new ManualClock();
  const server = new QWormholeServer({ ...AT, transport, clock, ...options });
  const seen: unknown[] = [];
  const invalid: unknown[] = [];
  server.handle("echo", (value) => value);
  server.handle("hold", never);
  server.handleStream("hold", never);
  server.subscribe(">", (value) => seen.push(value));
  server.on("message", ({ data }) => seen.push(data));
  server.on("invalidMessage", ({ error }) => invalid.push((error as { code?: string }).code));
  await server.listen();
  const good = new QWormholeClient({ ...AT, transport, clock });
  const got: unknown[] = [];
  const losses: unknown[] = [];
  good.on("message", (value) => got.push(value));
  good.on("disconnect", ({ error }) => losses.push(error));
  await good.connect();
  await good.subscribe("news.*", (value) => got.push(value));
  over.push(() => clock.advance(5000));
  over.push(() => void server.close(0));
  over.push(() => void good.close("over", 0));
  const meet = async (peer: RawPeerOptions = {}) => {
    const raw = await RawPeer.dial(transport, AT, peer);
    await settle();
    return raw;
  };
  let round = 0;
  /** All that the good client does, and all that is done for it, goes on. */
  const goesOn = async () => {
    const value = { round: ++round };
    got.length = 0;
    seen.length = 0;
    good.send(value);
    server.broadcast(value);
    server.publish("news.all", value);
    const answer = await good.request("echo", value);
    await settle();
    expect([answer, losses]).toEqual([value, []]);
    expect(got).toEqual([value, value]);
    expect(seen.filter((one) => (one as typeof value)?.round === round)).toHaveLength(2);
  };
  return { server, clock, transport, invalid, good, meet, goesOn };
}

/** What must have come of frames of the corpus. */
function checkOutcome(
  { server, invalid }: Awaited<ReturnType<typeof world>>,
  peer: RawPeer,
  outcome: MalformedFrames["outcome"],
): void {
  const ends = typeof outcome === "object" && "ends" in outcome;
  expect(server.metrics.closes).toEqual(ends ? { [outcome.ends]: 1 } : {});
  expect(server.getConnectionCount()).toBe(ends ? 1 : 2);
  if (ends) expect(peer.toldCode).toBe(outcome.ends);
  const drops = typeof outcome === "object" && "drops" in outcome;
  expect(invalid).toEqual(drops ? [outcome.drops] : []);
  expect(server.metrics.drops.invalid).toBe(drops ? 1 : 0);
  if (typeof outcome !== "object" || !("answers" in outcome)) return;
  const [answer] = peer.of(outcome.answers);
  expect(answer).toBeDefined();
  if (outcome.code !== undefined) expect(codeIn(answer!.payload)).toBe(outcome.code);
}

describe("a server with a client that behaves, and one", () => {
  it.each(MALFORMED_FRAMES)("that sends $name", async ({ bytes, outcome }) => {
    const at = await world({ limits: CORPUS_LIMITS });
    const peer = await at.meet();
    await at.goesOn();
    peer.write(bytes);
    await at.clock.advance(1);
    checkOutcome(at, peer, outcome);
    await at.goesOn();
  });

  it("that says any of the malformed handshakes: refused, counted, and no connection", async () => {
    const { server, goesOn, transport } = await world();
    const expected: Record<string, number> = {};
    for (const { bytes, code } of malformedHandshakes()) {
      const peer = await RawPeer.dial(transport, AT, { stopBefore: "preamble" });
      peer.write(bytes);
      expected[code] = (expected[code] ?? 0) + 1;
      await settle();
      expect([server.metrics.refused, peer.isClosed]).toEqual([expected, true]);
    }
    expect(server.metrics).toMatchObject({ connections: 1, connectionsTotal: 1, handshakes: 0 });
    await goesOn();
  });

  it("that says it takes no message: what is for all goes to all others", async () => {
    const { server, goesOn, meet } = await world({ authorizePublish: () => true });
    const peer = await meet({ hello: { messageBytesMax: 0 } });
    const late = await meet();
    peer.frame(FrameType.REQ, 1, Buffer.from("\x7f\x01\x0cqw.subscribe>", "latin1"));
    await settle();
    expect(peer.of(FrameType.RES)).toHaveLength(1);
    // It was there before the late client, so what fails for it must not end the round.
    await goesOn();
    expect([peer, late].map((one) => one.of(FrameType.DATA).length)).toEqual([0, 1]);
    expect(server.metrics.drops.refused).toBeGreaterThan(0);
    expect(server.getConnectionCount()).toBe(3);
  });

  it("that makes its queue full of answers: what is for all goes to all others", async () => {
    const limits = { messageBytesMax: 100_000, queueBytesMax: 300_000, highWaterBytes: 300_000 };
    const { server, goesOn, meet, good } = await world({
      limits,
      channels: { rpc: { queueBytesMax: 200_000 } },
    });
    const peer = await meet();
    peer.channel.pause();
    // 256 KiB lie in the channel before anything waits in the link.
    for (let number = 1; number < 6; number++) {
      peer.frame(FrameType.REQ, number, echo(Buffer.alloc(99_000, 0)));
    }
    await settle();
    for (let sent = 0; sent < 20; sent++) {
      expect(server.broadcast(Buffer.alloc(50_000))).toBeGreaterThan(0);
      await settle();
    }
    expect(server.metrics.drops["queue-full"]).toBeGreaterThan(0);
    expect(good.metrics.messagesIn).toBe(20);
    await goesOn();
  });
});

/** A request body of kind 0, to be echoed within 127 ms. */
function echo(body: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from("\x7f\x01\x04echo\x00", "latin1"), body]);
}

/** How often each code was told in frames of a type. */
function told(peer: RawPeer, type: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { payload } of peer.of(type)) {
    const code = codeIn(payload);
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
}

describe("the limits of a client hold:", () => {
  it("requests without end", async () => {
    const { server, goesOn, meet } = await world({ limits: { requestsMax: 100 } });
    const peer = await meet();
    const hold = Buffer.from("\xff\xff\x7f\x01\x04hold\x00", "latin1");
    for (let number = 1; number <= 3000; number++) peer.frame(FrameType.REQ, number, hold);
    await settle();
    expect(told(peer, FrameType.ERR)).toEqual({ QW_REQUEST_LIMIT: 2900 });
    expect(server.metrics.peers[1]?.openRequests).toBe(100);
    await goesOn();
    for (let number = 1; number <= 100; number++) peer.frame(FrameType.CANCEL, number);
    await settle();
    expect(server.metrics.peers[1]?.openRequests).toBe(0);
  });

  it("streams without end", async () => {
    const { server, goesOn, meet } = await world({ limits: { streamsMax: 50 } });
    const peer = await meet();
    const hold = Buffer.from("\x03\x04hold");
    for (let number = 1; number <= 2000; number += 2) {
      peer.frame(FrameType.STREAM_OPEN, number, hold);
    }
    await settle();
    expect(told(peer, FrameType.STREAM_RESET)).toEqual({ QW_STREAM_LIMIT: 950 });
    expect(server.metrics.peers[1]?.openStreams).toBe(50);
    await goesOn();
  });

  it("unread bytes of streams", async () => {
    const limits = { streamsMax: 8, streamBaseBytes: 10_000, unreadBytesMax: 0 };
    const { server, goesOn, meet } = await world({ limits });
    const peer = await meet();
    for (let number = 1; number <= 15; number += 2) {
      peer.frame(FrameType.STREAM_OPEN, number, Buffer.from("\x03\x04hold"));
      peer.frame(FrameType.STREAM_DATA, number, new Uint8Array(10_000));
    }
    await settle();
    expect(server.metrics.closes).toEqual({});
    expect(peer.of(FrameType.WINDOW)).toEqual([]);
    peer.frame(FrameType.STREAM_DATA, 1, new Uint8Array(1));
    await settle();
    expect(server.metrics.closes).toEqual({ QW_WINDOW_VIOLATED: 1 });
    await goesOn();
  });

  it("subscriptions without end, which are gone with it", async () => {
    const { server, goesOn, meet } = await world();
    const peer = await meet();
    const asked = SUBSCRIPTIONS_PER_PEER_MAX + 500;
    for (let number = 1; number <= asked; number++) {
      const pattern = `flood.${number}`;
      const request = Buffer.from(`\x7f\x01\x0cqw.subscribe${pattern}`, "latin1");
      peer.frame(FrameType.REQ, number, request);
      if (number % 500 === 0) await settle();
    }
    await settle();
    expect(told(peer, FrameType.ERR)).toEqual({ QW_SUBSCRIPTION_LIMIT: 500 });
    expect(server.publish("flood.1", 1)).toBe(1);
    expect(server.publish(`flood.${asked}`, 1)).toBe(0);
    peer.channel.destroy();
    await settle();
    expect(server.publish("flood.1", 1)).toBe(0);
    await goesOn();
  });

  it("invalid messages without end: counted, and the server goes on between them", async () => {
    const { server, goesOn, meet, invalid } = await world();
    const peer = await meet();
    let rounds = 0;
    for (let batch = 0; batch < 10; batch++) {
      for (let sent = 0; sent < 2000; sent++) peer.frame(FrameType.DATA, 2, Buffer.from("{"));
      await goesOn();
      rounds++;
    }
    expect([rounds, invalid.length]).toEqual([10, 20_000]);
    expect(server.metrics.drops.invalid).toBe(20_000);
    expect(server.metrics.peers[1]?.channels.control.drops.invalid).toBe(20_000);
  });

  it("PINGs without end from one that does not read", async () => {
    const limits = { messageBytesMax: 10_000, queueBytesMax: 1 << 20 };
    const { server, goesOn, meet } = await world({ limits });
    const peer = await meet();
    peer.channel.pause();
    for (let sent = 0; sent < 500; sent++) {
      peer.frame(FrameType.PING, 0, new Uint8Array(10_000));
      if (sent % 20 === 0) await settle();
      expect(server.metrics.queuedBytes).toBeLessThanOrEqual((1 << 20) + 11_000);
    }
    await settle();
    expect(server.metrics.closes).toEqual({ QW_QUEUE_FULL: 1 });
    await goesOn();
  });
});

describe("a client", () => {
  it("waits for a link that is full, and does not spin", async () => {
    const clock = new ManualClock();
    const transport = memoryTransport({ clock, latencyMs: 10, highWaterBytes: 1000 });
    const server = new QWormholeServer({ ...AT, transport, clock });
    const sizes: number[] = [];
    server.on("message", ({ data }) => sizes.push((data as Uint8Array).length));
    await server.listen();
    const limits = { queueBytesMax: 1 << 20 };
    const client = new QWormholeClient({ ...AT, transport, clock, limits, reconnect: {} });
    for (const size of [300_000, 200_000, 900_000, 5]) client.send(Buffer.alloc(size));
    void client.connect();
    await clock.advance(1000);
    expect(sizes).toEqual([300_000, 200_000, 900_000, 5]);
    void client.close("over", 0);
    void server.close(0);
    await clock.advance(5000);
  });

  it("drops what can never fit into its link, and goes on with the rest", async () => {
    const clock = new ManualClock();
    const transport = memoryTransport({ clock, latencyMs: 10 });
    const server = new QWormholeServer({
      ...AT,
      transport,
      clock,
      limits: { messageBytesMax: 2 << 20 },
    });
    const sizes: number[] = [];
    server.on("message", ({ data }) => sizes.push((data as Uint8Array).length));
    await server.listen();
    const limits = { queueBytesMax: 1 << 20 };
    const client = new QWormholeClient({ ...AT, transport, clock, limits, reconnect: {} });
    for (const size of [10, 2 << 20, 20]) client.send(Buffer.alloc(size));
    void client.connect();
    await clock.advance(1000);
    expect(sizes).toEqual([10, 20]);
    expect(client.metrics.drops.refused).toBe(1);
    void client.close("over", 0);
    void server.close(0);
    await clock.advance(5000);
  });

  it("that is disconnecting keeps no connection that a probe brings meanwhile", async () => {
    const clock = new ManualClock();
    const transport = memoryTransport();
    const serve = async (host: string) => {
      const server = new QWormholeServer({ host, port: 1, transport, clock });
      server.handle("hold", never);
      await server.listen();
      return server;
    };
    const beta = await serve("beta");
    const endpoints = ["alpha", "beta"].map((host) => ({ host, port: 1 }));
    const client = new QWormholeClient({ endpoints, transport, clock, failBackMs: 500 });
    await client.connect();
    const alpha = await serve("alpha");
    // What is under way holds the end up for as long as it may.
    const held = client.request("hold", null).catch((error: Error) => error);
    const disconnected = client.disconnect("enough", 1000);
    await clock.advance(2000);
    await disconnected;
    await clock.advance(2000);
    expect(await held).toMatchObject({ name: "QWormholeError" });
    expect([client.isConnected, client.connection]).toEqual([false, undefined]);
    expect([alpha.getConnectionCount(), beta.getConnectionCount()]).toEqual([0, 0]);
    void alpha.close(0);
    void beta.close(0);
    await clock.advance(5000);
  });
});
