import { channel } from "node:diagnostics_channel";
import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { memoryTransport } from "../memory-transport.js";
import { jsonDeserializer, textSerializer } from "../serializers.js";
import { ManualClock, settle } from "../testing/index.js";
import { QWormholeClient } from "./client.js";
import { DIAGNOSTICS_CHANNELS } from "./diagnostics.js";
import type { QWormholeClientOptions, QWormholeServerOptions } from "./options.js";
import { QWormholeServer } from "./server.js";

const AT = { host: "server", port: 1 };
const over: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of over.splice(0).reverse()) await end();
});

/** A server in a network of its own, and clients of it; nothing needs time but the clock. */
async function world<T = unknown>(options: QWormholeServerOptions<T> = {}) {
  const transport = memoryTransport();
  const clock = new ManualClock();
  const server = new QWormholeServer<T>({ ...AT, transport, clock, ...options });
  await server.listen();
  const join = async <U = unknown>(changes: QWormholeClientOptions<U> = {}) => {
    const client = new QWormholeClient<U>({ ...AT, transport, clock, ...changes });
    const got: U[] = [];
    client.on("message", (value) => got.push(value));
    await client.connect();
    await settle();
    return { client, got };
  };
  over.push(() => clock.advance(5000));
  over.push(() => void server.close(0));
  return { server, clock, transport, join };
}

describe("a server", () => {
  it("gives values as they were sent, without any deserializer", async () => {
    const { server, join } = await world();
    const got: unknown[] = [];
    server.on("message", ({ data }) => got.push(data));
    const { client } = await join();
    const values = [{ type: "register", capabilities: ["compute"] }, "text", 7, null, [1, "2"]];
    for (const value of values) client.send(value);
    client.send(Uint8Array.of(1, 2, 3));
    await settle();
    expect(got.slice(0, 5)).toEqual(values);
    expect([...(got[5] as Uint8Array)]).toEqual([1, 2, 3]);
  });

  it("reads text of others as JSON with jsonDeserializer, and counts what is none", async () => {
    const { server, join } = await world<{ type: string }>({ deserializer: jsonDeserializer });
    const got: unknown[] = [];
    const invalid: unknown[] = [];
    server.on("message", ({ data }) => got.push(data.type));
    server.on("invalidMessage", ({ error }) => invalid.push((error as { code?: string }).code));
    const { client } = await join({ serializer: textSerializer });
    client.send('{"type":"one"}');
    client.send("not JSON");
    client.send('{"type":"two"}');
    await settle();
    expect([got, invalid]).toEqual([["one", "two"], ["QW_MESSAGE_INVALID"]]);
    expect(server.metrics.drops.invalid).toBe(1);
    expect(server.getConnectionCount()).toBe(1);
  });

  it("broadcasts to all, to all but one, and to some", async () => {
    const { server, join } = await world();
    const [a, b, c] = [await join(), await join(), await join()];
    const [first] = server.connections();
    expect(server.broadcast("all")).toBe(3);
    expect(server.broadcast("others", { except: first })).toBe(2);
    expect(server.broadcast("one", { filter: (client) => client === first })).toBe(1);
    await settle();
    expect([a.got, b.got, c.got]).toEqual([
      ["all", "one"],
      ["all", "others"],
      ["all", "others"],
    ]);
  });

  it("finds a connection by its id while it is open", async () => {
    const { server, join } = await world();
    const { client, got } = await join();
    const [peer] = server.connections();
    const id = peer?.id ?? "";
    expect(server.getConnection(id)?.send({ to: id })).toBe(true);
    await settle();
    expect(got).toEqual([{ to: id }]);
    const closed = once(server, "clientClosed");
    await client.disconnect();
    expect((await closed)[0]).toMatchObject({ hadError: false, error: undefined });
    expect(server.getConnection(id)).toBeUndefined();
    expect(server.getConnectionCount()).toBe(0);
  });

  it("answers requests, with typed errors, cancelled by their caller", async () => {
    const { server, join } = await world();
    const { client } = await join();
    let aborted = false;
    server.handle("sum", (value) => (value as number[]).reduce((a, b) => a + b, 0));
    server.handle("fail", () => {
      throw Object.assign(new Error("no such pool"), { code: "POOL_UNKNOWN" });
    });
    server.handle("wait", (_value, { signal }) => {
      return new Promise(() => signal.addEventListener("abort", () => (aborted = true)));
    });
    expect(await client.request("sum", [1, 2, 3])).toBe(6);
    await expect(client.request("fail", null)).rejects.toMatchObject({
      code: "QW_REMOTE_ERROR",
      remoteCode: "POOL_UNKNOWN",
      message: "no such pool",
    });
    await expect(client.request("nothing", null)).rejects.toMatchObject({
      remoteCode: "QW_NO_HANDLER",
    });
    const stop = new AbortController();
    const waiting = client.request("wait", null, { signal: stop.signal });
    await settle();
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: "QW_CANCELLED" });
    await settle();
    expect(aborted).toBe(true);
    expect(() => server.handle("sum", () => 0)).toThrow("has a handler already");
    expect(() => server.handle("qw.subscribe", () => 0)).toThrow("belongs to the protocol");
  });

  it("asks its clients, and opens streams to them", async () => {
    const { server, join } = await world();
    const { client } = await join();
    client.handle("whoami", (_value, { client: asker }) => asker.id);
    client.handleStream("upper", async (stream) => {
      for await (const piece of stream.readable) {
        await stream.write(Buffer.from(Buffer.from(piece).toString().toUpperCase()));
      }
    });
    const [peer] = server.connections();
    expect(await peer?.request("whoami", null)).toBe(client.connection?.id);
    const stream = await peer?.openStream("upper");
    await stream?.write(Buffer.from("both ways"));
    stream?.end();
    const pieces: string[] = [];
    for await (const piece of stream?.readable ?? []) pieces.push(Buffer.from(piece).toString());
    expect(pieces.join("")).toBe("BOTH WAYS");
  });

  it("ends the connection of a listener that throws, and no other", async () => {
    const { server, join } = await world<{ type: string }>();
    const errors: unknown[] = [];
    const types: unknown[] = [];
    const closed: unknown[] = [];
    server.on("error", (error) => errors.push((error as { code?: string }).code));
    server.on("message", ({ data }) => types.push(data.type.toUpperCase()));
    server.on("clientClosed", ({ error }) =>
      closed.push((error as { code?: string } | undefined)?.code),
    );
    const bad = await join({ reconnect: { enabled: false } });
    const good = await join();
    bad.client.send(null);
    await settle();
    good.client.send({ type: "fine" });
    await settle();
    expect(errors).toEqual(["QW_HANDLER_FAILED"]);
    expect(closed).toEqual(["QW_HANDLER_FAILED"]);
    expect(types).toEqual(["FINE"]);
    expect(server.metrics.closes).toEqual({ QW_HANDLER_FAILED: 1 });
  });

  it("outlives listeners that throw, and ends what they would have served", async () => {
    const { server, clock, join } = await world({
      telemetryIntervalMs: 10,
      onTelemetry: () => {
        throw new Error("telemetry");
      },
    });
    const errors: string[] = [];
    server.on("error", (error) => errors.push(error.message));
    server.once("connection", () => {
      throw new Error("connection");
    });
    server.once("clientClosed", () => {
      throw new Error("clientClosed");
    });
    await join({ reconnect: { enabled: false } });
    await clock.advance(20);
    expect(server.getConnectionCount()).toBe(0);
    await join();
    expect(server.getConnectionCount()).toBe(1);
    expect([...new Set(errors)].sort()).toEqual(["clientClosed", "connection", "telemetry"]);
  });

  it("does not let a slow reader hold up the others, nor grow", async () => {
    const policy = { queueBytesMax: 100_000, queueMessagesMax: 1000 };
    const { server, transport, join } = await world({
      limits: { highWaterBytes: 64_000 },
      channels: { rpc: policy },
    });
    const { got } = await join();
    // A verified client that does not read any more.
    const slow = new QWormholeClient({
      ...AT,
      transport: {
        ...transport,
        dial: async (address, options) => {
          const channel = await transport.dial(address, options);
          queueMicrotask(() => setImmediate(() => channel.pause()));
          return channel;
        },
      },
      clock: new ManualClock(),
    });
    await slow.connect();
    await settle();
    const drops: unknown[] = [];
    const pressed: unknown[] = [];
    server.on("drop", ({ reason }) => drops.push(reason));
    server.on("backpressure", ({ client }) => pressed.push(client.peer.nodeId));
    const payload = Buffer.alloc(10_000);
    for (let sent = 0; sent < 500; sent++) {
      server.broadcast(payload);
      if (sent % 5 === 0) await settle();
    }
    await settle();
    expect(got).toHaveLength(500);
    expect(drops.length).toBeGreaterThan(400);
    expect(server.metrics.drops["queue-full"]).toBe(drops.length);
    expect(new Set(pressed)).toContain(
      slow.connection && [...server.connections()][1]?.peer.nodeId,
    );
    expect(server.metrics.queuedBytes).toBeLessThan(64_000 + 100_000 + 300_000);
  });

  it("disconnects a client that lags, when the channel says so", async () => {
    const { server, join } = await world({
      channels: { gossip: { whenFull: "disconnect", queueMessagesMax: 10 } },
      sendRateLimit: { messagesPerSec: 1, burstMessages: 1 },
    });
    await join({ reconnect: { enabled: false } });
    const closed = once(server, "clientClosed");
    for (let sent = 0; sent < 20; sent++) server.broadcast({ sent }, { priority: "gossip" });
    expect((await closed)[0]).toMatchObject({ error: { code: "QW_QUEUE_FULL" } });
  });

  it("holds messages to their rate, and the total to its own", async () => {
    const { server, clock, join } = await world({
      sendRateLimit: { messagesPerSec: 100, burstMessages: 10 },
      channels: { rpc: { queueMessagesMax: 5000 } },
    });
    const { got } = await join();
    for (let sent = 0; sent < 2000; sent++) server.broadcast(sent);
    await clock.advance(10_000);
    expect(got.length).toBeGreaterThanOrEqual(980);
    expect(got.length).toBeLessThanOrEqual(1030);
    expect(server.metrics.channels.rpc.sendWaitMsMax).toBeGreaterThan(9000);
  });

  it("shares a total rate between its clients, none left out", async () => {
    const { server, clock, join } = await world({
      totalSendRateLimit: { bytesPerSec: 100_000, burstBytes: 10_000 },
    });
    const clients = [await join(), await join(), await join(), await join()];
    for (let sent = 0; sent < 2000; sent++) server.broadcast(Buffer.alloc(1000));
    await clock.advance(20_000);
    const counts = clients.map(({ got }) => got.length);
    const total = counts.reduce((sum, part) => sum + part, 0);
    expect(total).toBeGreaterThan(1900);
    expect(total).toBeLessThan(2100);
    expect(Math.min(...counts)).toBeGreaterThan(total / 8);
  });

  it("stops reading at its receive rate, and the peer stays alive", async () => {
    const { server, clock, join } = await world({
      receiveRateLimit: { bytesPerSec: 50_000, burstBytes: 10_000 },
    });
    let bytes = 0;
    server.on("message", ({ data }) => {
      bytes += (data as Uint8Array).length;
    });
    const { client } = await join({ channels: { rpc: { queueBytesMax: 8 << 20 } } });
    for (let sent = 0; sent < 300; sent++) client.send(Buffer.alloc(10_000));
    await clock.advance(20_000);
    expect(bytes).toBeGreaterThan(1_000_000 * 0.75);
    expect(bytes).toBeLessThan(1_000_000 * 1.02 + 300_000);
    expect(client.isConnected).toBe(true);
    expect(Object.values(server.metrics.drops)).toEqual([0, 0, 0, 0, 0]);
  });

  it("tells telemetry in the guide's words, by peer and by channel", async () => {
    const told: string[] = [];
    const { server, clock, join } = await world({
      telemetryIntervalMs: 1000,
      onTelemetry: (metrics) => {
        told.push(`Connections: ${metrics.connections}`);
        told.push(`Bytes in/out: ${metrics.bytesIn}/${metrics.bytesOut}`);
      },
    });
    server.on("message", () => {});
    const { client } = await join();
    client.send("x", { priority: "gossip" });
    await clock.advance(1000);
    expect(told[0]).toBe("Connections: 1");
    expect(told.at(-1)).toMatch(/^Bytes in\/out: [1-9]\d*\/[1-9]\d*$/);
    expect(server.metrics.peers[0]?.channels.gossip.messagesIn).toBe(1);
    expect(client.metrics.channels.gossip).toMatchObject({ messagesOut: 1, messageBytesOut: 3 });
    expect(JSON.stringify(server.inspect())).toContain('"gossip":{"messagesIn":1');
  });

  it("publishes what happens on diagnostics_channel", async () => {
    const seen: string[] = [];
    for (const name of Object.values(DIAGNOSTICS_CHANNELS)) {
      const listen = (_facts: unknown, of: string | symbol) => void seen.push(String(of));
      channel(name).subscribe(listen);
      over.push(() => channel(name).unsubscribe(listen));
    }
    const { join } = await world({ verifyHandshake: ({ tags }) => tags.name !== "mallory" });
    const { client } = await join();
    await client.disconnect();
    await settle();
    await expect(join({ handshakeTags: { name: "mallory" } })).rejects.toThrow();
    expect([...new Set(seen)].sort()).toEqual([
      DIAGNOSTICS_CHANNELS.close,
      DIAGNOSTICS_CHANNELS.open,
      DIAGNOSTICS_CHANNELS.refused,
    ]);
  });

  it.each<[string, QWormholeServerOptions]>([
    ["port", { port: 70_000 }],
    ["protocolVersion", { protocolVersion: "two words" }],
    ["channels.rpc.queueBytesMax", { channels: { rpc: { queueBytesMax: -1 } } }],
    ["deadAfterMs", { deadAfterMs: 1, pingIntervalMs: 10 }],
    ["sendRateLimit.bytesPerSec", { sendRateLimit: { bytesPerSec: 0 } }],
    ["totalReceiveRateLimit.burstBytes", { totalReceiveRateLimit: { burstBytes: Number.NaN } }],
    ["telemetryIntervalMs", { telemetryIntervalMs: 0 }],
    ["tls", { tls: { keyPem: "", certificatePem: "", caPem: "" }, insecure: "loopback" }],
    ["pin", { pins: ["sha256/short"] }],
  ])("refuses a `%s` that cannot work, when it is made", (name, options) => {
    expect(() => new QWormholeServer(options)).toThrow(name);
  });

  it("cannot listen twice, and tells when the port is taken", async () => {
    const { server, transport } = await world();
    await expect(server.listen()).rejects.toMatchObject({ code: "QW_OPTIONS_INVALID" });
    const second = new QWormholeServer({ ...AT, transport });
    await expect(second.listen()).rejects.toMatchObject({ code: "QW_ADDRESS_IN_USE" });
  });

  it("warns when a listener rejects and nobody listens to errors", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const { server, join } = await world();
    server.on("message", async () => {
      throw new Error("a mistake");
    });
    const { client } = await join();
    client.send("x");
    await settle();
    expect(warn.mock.calls[0]?.[0]).toMatchObject({ message: "a mistake" });
    warn.mockRestore();
    expect(server.getConnectionCount()).toBe(1);
  });
});
