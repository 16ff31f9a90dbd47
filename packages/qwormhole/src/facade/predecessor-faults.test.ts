/**
 * Eleven faults that were measured in the library that the guide was written for. Each is a test
 * here, under its number.
 */
import { once } from "node:events";
import { connect as connectSocket, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FrameDecoder, FrameType, PREAMBLE, writeFrameHeader } from "../frames.js";
import { memoryTransport } from "../memory-transport.js";
import { ManualClock, settle } from "../testing/index.js";
import { QWormholeClient } from "./client.js";
import type { QWormholeClientOptions, QWormholeServerOptions } from "./options.js";
import { reconnectDelayMs } from "./reconnect.js";
import { QWormholeRuntime } from "./runtime.js";
import { QWormholeServer } from "./server.js";

const QUICK = { initialDelayMs: 5, maxDelayMs: 20 };
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function serverOf<T = unknown>(options: QWormholeServerOptions<T> = {}) {
  const server = new QWormholeServer<T>({ protocolVersion: "mesh-1.0", ...options });
  cleanUps.push(() => server.close(50));
  const { port } = await server.listen();
  return { server, port };
}

function clientOf<T = unknown>(port: number, options: QWormholeClientOptions<T> = {}) {
  const client = new QWormholeClient<T>({ port, protocolVersion: "mesh-1.0", ...options });
  cleanUps.push(() => client.disconnect("over", 50));
  return client;
}

/** A socket that knows nothing of this protocol. */
function stranger(port: number): Socket {
  const socket = connectSocket({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  cleanUps.push(() => socket.destroy());
  return socket;
}

describe("faults of the predecessor", () => {
  it("1: the tags are there when `connection` fires", async () => {
    const { server, port } = await serverOf();
    const seen: unknown[] = [];
    server.on("connection", (peer) => seen.push(peer.handshake?.tags?.nodeId));
    await clientOf(port, { handshakeTags: { nodeId: "beta", region: "eu-central" } }).connect();
    await vi.waitFor(() => expect(seen).toEqual(["beta"]), { timeout: 20_000 });
  });

  it("2: tags may hold arrays and any other JSON", async () => {
    const { server, port } = await serverOf();
    const capabilities = ["gpu", "storage"];
    const connection = once(server, "connection");
    await clientOf(port, {
      handshakeTags: { capabilities, limits: { slots: 2 }, spare: null },
    }).connect();
    const [peer] = await connection;
    expect(peer.handshake.tags).toEqual({ capabilities, limits: { slots: 2 }, spare: null });
  });

  it("3: maxAttempts 0 is endless, and the client comes back", async () => {
    const { server, port } = await serverOf();
    const client = clientOf(port, { reconnect: { ...QUICK, maxAttempts: 0 } });
    await client.connect();
    const attempts: number[] = [];
    client.on("reconnecting", ({ attempt }) => attempts.push(attempt));
    await server.close();
    await vi.waitFor(() => expect(attempts.length).toBeGreaterThan(12), { timeout: 20_000 });
    const again = once(client, "connect");
    await serverOf({ port });
    await again;
    expect(client.isConnected).toBe(true);
  });

  it("4: a clean close of the server is no error", async () => {
    const { server, port } = await serverOf();
    const client = clientOf(port, { reconnect: { enabled: false } });
    await client.connect();
    const closed = once(client, "close");
    await server.close();
    expect((await closed)[0]).toEqual({ hadError: false, error: undefined });
  });

  it("4: a lost one is, and `close` comes once, when nothing is tried any more", async () => {
    const { server, port } = await serverOf();
    const client = clientOf(port, { reconnect: { ...QUICK, maxAttempts: 2 } });
    await client.connect();
    const closes: boolean[] = [];
    const attempts: number[] = [];
    client.on("close", ({ hadError }) => closes.push(hadError));
    client.on("reconnecting", ({ attempt }) => attempts.push(attempt));
    await server.close();
    await vi.waitFor(() => expect(closes).toEqual([true]), { timeout: 20_000 });
    expect(attempts).toEqual([1, 2]);
  });

  it("5: without a handshake nobody stays, and nobody gets a byte of a broadcast", async () => {
    const { server, port } = await serverOf({ handshakeTimeoutMs: 300 });
    const refused: unknown[] = [];
    server.on("refused", ({ error }) => refused.push((error as { code?: string }).code));
    const silent = stranger(port);
    const got: Buffer[] = [];
    silent.on("data", (bytes: Buffer) => got.push(bytes));
    const ended = once(silent, "close");
    await vi.waitFor(() => expect(server.metrics.handshakes).toBe(1), { timeout: 20_000 });
    expect(server.broadcast({ secret: "for members" })).toBe(0);
    await ended;
    expect(Buffer.concat(got).toString("latin1")).not.toContain("for members");
    expect(refused).toEqual(["QW_HANDSHAKE_TIMEOUT"]);
    expect(server.getConnectionCount()).toBe(0);
  });

  it("5: another version is refused on both sides, with its name", async () => {
    const { server, port } = await serverOf();
    const other = clientOf(port, { protocolVersion: "mesh-2.0" });
    await expect(other.connect()).rejects.toMatchObject({ code: "QW_PROTOCOL_MISMATCH" });
    await vi.waitFor(() => expect(server.metrics.refused).toEqual({ QW_PROTOCOL_MISMATCH: 1 }), {
      timeout: 20_000,
    });
  });

  it("6: verifying may take its time, delivers nothing meanwhile and disturbs nobody", async () => {
    let letIn: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      letIn = resolve;
    });
    const { server, port } = await serverOf({
      verifyHandshake: async ({ tags }) => {
        await gate;
        return tags.name !== "mallory";
      },
    });
    const messages: unknown[] = [];
    const closed: unknown[] = [];
    server.on("message", ({ data }) => messages.push(data));
    server.on("clientClosed", ({ client }) => closed.push(client.id));
    const client = clientOf(port, { handshakeTags: { name: "alice" } });
    const mallory = clientOf(port, { handshakeTags: { name: "mallory" } });
    const connected = client.connect();
    const refused = mallory.connect().catch((error) => error);
    client.send("hello");
    await vi.waitFor(() => expect(server.metrics.handshakes).toBe(2), { timeout: 20_000 });
    expect([messages, server.getConnectionCount()]).toEqual([[], 0]);
    letIn();
    await connected;
    expect(await refused).toMatchObject({ code: "QW_REFUSED_BY_PEER" });
    await vi.waitFor(() => expect(messages).toEqual(["hello"]), { timeout: 20_000 });
    await client.disconnect();
    await vi.waitFor(() => expect(closed).toHaveLength(1), { timeout: 20_000 });
  });

  it("7: a captured handshake cannot be used again", async () => {
    const { server, port } = await serverOf({ handshakeTimeoutMs: 500 });
    const captured: Buffer[] = [];
    const proxy = createServer((victim) => {
      const onward = stranger(port);
      victim.on("error", () => {});
      victim.on("data", (bytes: Buffer) => captured.push(bytes));
      victim.pipe(onward).pipe(victim);
    });
    cleanUps.push(() => proxy.close());
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    const client = clientOf((proxy.address() as { port: number }).port);
    await client.connect();
    await client.disconnect();
    const replay = stranger(port);
    const ended = once(replay, "close");
    replay.resume();
    for (const bytes of captured) replay.write(bytes);
    await ended;
    expect(server.metrics.connectionsTotal).toBe(1);
    expect(Object.keys(server.metrics.refused)).toEqual(["QW_SIGNATURE_INVALID"]);
  });

  it("8: 1,000,000 B/s are 1,000,000 B/s, within 2 %, with 64 KB messages", async () => {
    const clock = new ManualClock();
    const transport = memoryTransport();
    const rt = { transport, clock, limits: { queueBytesMax: 64 << 20 } };
    const server = new QWormholeServer({ ...rt, host: "server", port: 1 });
    await server.listen();
    let bytes = 0;
    server.on("message", ({ data }) => {
      bytes += (data as Uint8Array).length;
    });
    const client = new QWormholeClient({
      ...rt,
      host: "server",
      port: 1,
      sendRateLimit: { bytesPerSec: 1_000_000, burstBytes: 100_000 },
      channels: { rpc: { queueBytesMax: 64 << 20 } },
    });
    await client.connect();
    for (let sent = 0; sent < 500; sent++) client.send(Buffer.alloc(64_000));
    await clock.advance(20_000);
    expect(bytes).toBeGreaterThan(20_000_000 * 0.98);
    expect(bytes).toBeLessThan(20_000_000 * 1.02 + 100_000);
  });

  it("9: decoding copies each byte at most once, whatever the pieces", () => {
    const bytes = 16 << 20;
    let delivered = 0;
    const decoder = new FrameDecoder(
      {
        onFrame: (_type, _channel, _bytes, start, end) => {
          delivered += end - start;
        },
      },
      bytes + 16,
    );
    const head = new Uint8Array(16);
    const headBytes = writeFrameHeader(head, 0, FrameType.DATA, 0, bytes);
    const copied = vi.spyOn(Uint8Array.prototype, "set");
    decoder.push(PREAMBLE);
    decoder.push(head.slice(0, headBytes));
    const piece = new Uint8Array(1024);
    for (let sent = 0; sent < bytes; sent += piece.length) decoder.push(piece);
    const total = copied.mock.calls.reduce(
      (sum, [source]) => sum + (source as Uint8Array).length,
      0,
    );
    copied.mockRestore();
    expect(delivered).toBe(bytes);
    // And the header, once more.
    expect(total).toBeLessThanOrEqual(bytes + 32);
  });

  it.each([1024, 12 * 1024, 64 * 1024])(
    "10: no timer stands in the way of messages of %i bytes",
    async (size) => {
      const clock = new ManualClock();
      const parts = { transport: memoryTransport(), clock };
      const server = new QWormholeServer({ ...parts, host: "server", port: 1 });
      await server.listen();
      let got = 0;
      server.on("message", () => void got++);
      const client = new QWormholeClient({ ...parts, host: "server", port: 1 });
      const connected = client.connect();
      await settle();
      await connected;
      const payload = Buffer.alloc(size, 7);
      // The clock stands still for all of it.
      for (let sent = 0; sent < 2000; sent++) if (!client.send(payload)) await client.drained();
      await client.drained();
      await settle();
      expect(got).toBe(2000);
      expect(clock.nowMs()).toBe(0);
    },
  );

  describe("11", () => {
    it("clients of one server come back at different times", () => {
      const config = { initialDelayMs: 1000, maxDelayMs: 30_000, multiplier: 2 };
      const delays = Array.from({ length: 200 }, () => reconnectDelayMs(config, 5, Math.random()));
      expect(new Set(delays).size).toBeGreaterThan(150);
    });

    it("a silent peer is noticed on both sides, although no socket was closed", async () => {
      const life = { pingIntervalMs: 40, deadAfterMs: 200 };
      const { server, port } = await serverOf(life);
      const sockets: Socket[] = [];
      const proxy = createServer((victim) => {
        const onward = stranger(port);
        victim.on("error", () => {});
        sockets.push(victim, onward);
        victim.pipe(onward).pipe(victim);
      });
      cleanUps.push(() => proxy.close());
      await once(proxy.listen(0, "127.0.0.1"), "listening");
      const reconnect = { enabled: false };
      const proxyPort = (proxy.address() as { port: number }).port;
      const client = clientOf(proxyPort, { ...life, reconnect });
      await client.connect();
      const closes = Promise.all([once(client, "close"), once(server, "clientClosed")]);
      // From now on the network swallows everything.
      for (const socket of sockets) socket.unpipe().pause();
      const dead = { hadError: true, error: { code: "QW_PEER_DEAD" } };
      expect(await closes).toMatchObject([[dead], [dead]]);
      for (const socket of sockets) socket.destroy();
    });

    it("what is sent without a connection waits for one, in order, or fails aloud", async () => {
      const { server, port } = await serverOf();
      const got: unknown[] = [];
      server.on("message", ({ data }) => got.push(data));
      const client = clientOf(port, {
        channels: { gossip: { queueMessagesMax: 2, whenFull: "drop-oldest" } },
      });
      const drops: unknown[] = [];
      client.on("drop", (event) => drops.push(event));
      expect(client.send("one")).toBe(false);
      for (const text of ["a", "b", "c"]) client.send(text, { priority: "gossip" });
      client.send("two");
      expect(drops).toEqual([{ reason: "queue-full", messages: 1, priority: "gossip" }]);
      await client.connect();
      await vi.waitFor(() => expect(got).toEqual(["one", "two", "b", "c"]), { timeout: 20_000 });
      const strict = clientOf(port, { whileDisconnected: "error" });
      expect(() => strict.send("lost?")).toThrow(
        expect.objectContaining({ code: "QW_NOT_CONNECTED" }),
      );
    });

    it("the queue of a client is bounded", () => {
      const client = clientOf(9, { channels: { rpc: { queueBytesMax: 1000 } } });
      client.send(Buffer.alloc(900));
      expect(() => client.send(Buffer.alloc(200))).toThrow(
        expect.objectContaining({ code: "QW_QUEUE_FULL" }),
      );
      expect(client.metrics).toMatchObject({ queuedMessages: 1, queuedBytes: 900 });
    });

    it("the client sees what the server says about itself", async () => {
      const rt = new QWormholeRuntime({ handshakeTags: { nodeId: "alpha", roles: ["hub"] } });
      cleanUps.push(() => rt.close());
      const server = rt.createServer();
      const { port } = await server.listen();
      const client = clientOf(port, { protocolVersion: undefined });
      await client.connect();
      expect(client.handshake?.tags).toEqual({ nodeId: "alpha", roles: ["hub"] });
    });

    it("bytes are counted both ways, and telemetry tells them", async () => {
      const told: { connections: number; bytesIn: number; bytesOut: number }[] = [];
      const { server, port } = await serverOf({
        telemetryIntervalMs: 20,
        onTelemetry: (metrics) => told.push(metrics),
      });
      server.on("message", ({ client, data }) => void client.send(data));
      const client = clientOf(port);
      await client.connect();
      const echo = once(client, "message");
      client.send(Buffer.alloc(5000));
      await echo;
      await vi.waitFor(
        () => {
          const last = told.at(-1);
          expect(last?.connections).toBe(1);
          expect(last?.bytesIn).toBeGreaterThan(5000);
          expect(last?.bytesOut).toBeGreaterThan(5000);
        },
        { timeout: 20_000 },
      );
      expect(client.metrics.bytesOut).toBeGreaterThan(5000);
      expect(client.metrics.bytesIn).toBeGreaterThan(5000);
    });
  });
});
