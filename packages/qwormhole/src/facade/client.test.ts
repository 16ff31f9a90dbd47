import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { memoryTransport } from "../memory-transport.js";
import { ManualClock, settle } from "../testing/index.js";
import { QWormholeClient } from "./client.js";
import type { QWormholeClientOptions, QWormholeServerOptions } from "./options.js";
import { QWormholeRuntime } from "./runtime.js";
import { QWormholeServer } from "./server.js";

const over: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of over.splice(0).reverse()) await end();
});

/** Servers with names in one network, whose clients live by one clock. */
function network() {
  const transport = memoryTransport();
  const clock = new ManualClock();
  over.push(() => clock.advance(60_000));
  const serve = async (host: string, options: QWormholeServerOptions = {}) => {
    const server = new QWormholeServer({ host, port: 1, transport, clock, ...options });
    await server.listen();
    over.push(() => void server.close(0));
    return server;
  };
  const clientOf = (hosts: string[], options: QWormholeClientOptions = {}) => {
    const endpoints = hosts.map((host) => ({ host, port: 1 }));
    const client = new QWormholeClient({ endpoints, transport, clock, ...options });
    over.push(() => void client.disconnect("over", 0));
    const events: string[] = [];
    client.on("connect", () => events.push(`connect ${client.metrics.endpoint}`));
    client.on("reconnecting", ({ attempt }) => events.push(`reconnecting ${attempt}`));
    client.on("failback", ({ endpoint }) => events.push(`failback ${endpoint.host}`));
    client.on("disconnect", ({ hadError }) => events.push(`disconnect ${hadError}`));
    client.on("close", ({ hadError }) => events.push(`close ${hadError}`));
    return { client, events };
  };
  return { transport, clock, serve, clientOf };
}

async function gone(server: QWormholeServer): Promise<void> {
  const closed = server.close(0);
  for (const connection of server.connections()) connection.destroy(new Error("crashed"));
  await closed;
  await settle();
}

describe("a client", () => {
  it("fails at once when nobody is there and no policy was named", async () => {
    const { clientOf } = network();
    const { client, events } = clientOf(["nobody"]);
    await expect(client.connect()).rejects.toMatchObject({ code: "QW_DIAL_REFUSED" });
    expect(events).toEqual(["close true"]);
    expect(client.metrics.failedDials).toEqual({ QW_DIAL_REFUSED: 1 });
  });

  it("with a policy it waits for a server that comes later", async () => {
    const { clientOf, serve, clock } = network();
    const { client, events } = clientOf(["late"], { reconnect: { initialDelayMs: 1000 } });
    const connected = client.connect();
    await clock.advance(2500);
    await serve("late");
    await clock.advance(30_000);
    await connected;
    expect(events.at(-1)).toBe("connect late:1");
    expect(events.length).toBeGreaterThan(1);
  });

  it("comes back after a loss, with what was sent meanwhile and its subscriptions", async () => {
    const { clientOf, serve, clock } = network();
    const first = await serve("home");
    const { client, events } = clientOf(["home"]);
    await client.connect();
    const heard: unknown[] = [];
    await client.subscribe("peers.*", (value, { topic }) => heard.push([topic, value]));
    await gone(first);
    expect(client.isConnected).toBe(false);
    expect(client.send("while down")).toBe(false);
    const second = await serve("home");
    const got: unknown[] = [];
    second.on("message", ({ data }) => got.push(data));
    await clock.advance(10_000);
    second.publish("peers.up", { name: "attic" });
    second.publish("other.up", { name: "attic" });
    await settle();
    expect(got).toEqual(["while down"]);
    expect(heard).toEqual([["peers.up", { name: "attic" }]]);
    expect(events).toContain("disconnect true");
    expect(client.metrics.connectionsTotal).toBe(2);
    expect(Object.values(client.metrics.reconnects)).toEqual([1]);
  });

  it("drops what waited too long, and says so", async () => {
    const { clientOf, serve, clock } = network();
    const { client } = clientOf(["late"], {
      queueWaitMs: 5000,
      reconnect: { initialDelayMs: 1000, maxDelayMs: 1000 },
    });
    const drops: unknown[] = [];
    client.on("drop", ({ reason, messages }) => drops.push([reason, messages]));
    const connected = client.connect();
    client.send("old");
    client.send("old too");
    await clock.advance(6000);
    client.send("fresh");
    const got: unknown[] = [];
    const server = await serve("late");
    server.on("message", ({ data }) => got.push(data));
    await clock.advance(2000);
    await connected;
    expect(got).toEqual(["fresh"]);
    expect(drops).toEqual([["expired", 2]]);
    expect(client.metrics.drops.expired).toBe(2);
  });

  it("drops what the next server does not take, and goes on with the rest", async () => {
    const { clientOf, serve, clock } = network();
    const { client } = clientOf(["late"], { reconnect: {} });
    void client.connect();
    client.send(Buffer.alloc(5000));
    client.send("small");
    const server = await serve("late", { limits: { messageBytesMax: 1000 } });
    const got: unknown[] = [];
    server.on("message", ({ data }) => got.push(data));
    await clock.advance(2000);
    expect(got).toEqual(["small"]);
    expect(client.metrics.drops.refused).toBe(1);
  });

  it("fails over to the next endpoint, and back to the first when it is there again", async () => {
    const { clientOf, serve, clock } = network();
    const [alpha, beta] = [await serve("alpha"), await serve("beta")];
    const { client, events } = clientOf(["alpha", "beta", "gamma"], { failBackMs: 10_000 });
    await client.connect();
    await gone(alpha);
    await clock.advance(1000);
    expect(events.at(-1)).toBe("connect beta:1");
    expect(client.endpoint).toEqual({ host: "beta", port: 1 });
    await serve("alpha");
    const ended = once(beta, "clientClosed");
    await clock.advance(12_000);
    expect(events.slice(-2)).toEqual(["failback alpha", "connect alpha:1"]);
    expect((await ended)[0]).toMatchObject({ hadError: false });
    expect(beta.getConnectionCount()).toBe(0);
  });

  it("the guide's own failover leaves no client behind", async () => {
    const { transport, clock, serve } = network();
    const servers = [await serve("10.0.0.1"), await serve("10.0.0.2"), await serve("10.0.0.3")];
    let currentIndex = 0;
    const clients: QWormholeClient[] = [];
    const connectToMesh = async () => {
      const client = new QWormholeClient({
        host: `10.0.0.${currentIndex + 1}`,
        port: 1,
        transport,
        clock,
        reconnect: { enabled: true, initialDelayMs: 1000, maxDelayMs: 30_000, maxAttempts: 5 },
      });
      clients.push(client);
      client.on("close", async ({ hadError }) => {
        if (!hadError) return;
        currentIndex = (currentIndex + 1) % 3;
        await connectToMesh();
      });
      await client.connect();
      return client;
    };
    await connectToMesh();
    await gone(servers[0] as QWormholeServer);
    await gone(servers[1] as QWormholeServer);
    await clock.advance(150_000);
    expect(clients.map((client) => client.isConnected)).toEqual([false, false, true]);
    await serve("10.0.0.1");
    await clock.advance(150_000);
    expect(clients.map((client) => client.isConnected)).toEqual([false, false, true]);
    for (const client of clients) void client.disconnect("over", 0);
  });

  it("asks again what may be done twice when the connection is lost", async () => {
    const { clientOf, serve, clock } = network();
    const first = await serve("home");
    first.handle("read", () => new Promise(() => {}));
    const { client } = clientOf(["home"]);
    await client.connect();
    const once = client.request("read", 1, { timeoutMs: 60_000 }).catch((error) => error.code);
    const again = client.request("read", 1, { timeoutMs: 60_000, idempotent: true });
    await settle();
    await gone(first);
    const second = await serve("home");
    second.handle("read", (value) => `${value} read`);
    await clock.advance(5000);
    expect(await once).toBe("QW_LINK_LOST");
    expect(await again).toBe("1 read");
  });

  it("holds a request until there is a connection, or its time is over", async () => {
    const { clientOf, serve, clock } = network();
    const { client } = clientOf(["late"], { reconnect: { initialDelayMs: 500, maxDelayMs: 500 } });
    await expect(client.request("x", 1)).rejects.toMatchObject({ code: "QW_NOT_CONNECTED" });
    void client.connect();
    const short = client.request("hello", 1, { timeoutMs: 100 }).catch((error) => error.code);
    const long = client.request("hello", 2, { timeoutMs: 9000 });
    await clock.advance(200);
    expect(await short).toBe("QW_NOT_CONNECTED");
    const server = await serve("late");
    server.handle("hello", (value) => value);
    await clock.advance(2000);
    expect(await long).toBe(2);
  });

  it("sends in order when it waits for room", async () => {
    const { clientOf, serve } = network();
    const server = await serve("home", {});
    const got: unknown[] = [];
    server.on("message", ({ data }) => got.push((data as Uint8Array)[0]));
    const { client } = clientOf(["home"], { limits: { highWaterBytes: 10_000 } });
    await client.connect();
    const sends = Array.from({ length: 100 }, (_, index) =>
      client.sendWhenReady(Buffer.alloc(8000, index)),
    );
    await Promise.all(sends);
    await client.drained();
    await settle();
    expect(got).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(client.metrics.drops["queue-full"]).toBe(0);
    expect(client.metrics.backpressureEvents).toBe(client.metrics.drainEvents);
  });

  it("gives up a dial whose signal is aborted", async () => {
    const { clientOf } = network();
    const { client, events } = clientOf(["nobody"], { reconnect: {} });
    const stop = new AbortController();
    const dialling = client.connect({ signal: stop.signal });
    await settle();
    stop.abort();
    await expect(dialling).rejects.toMatchObject({ code: "QW_CANCELLED" });
    expect(events.at(-1)).toBe("close false");
  });

  it("may be connected again after it was closed", async () => {
    const { clientOf, serve } = network();
    const server = await serve("home");
    const got: unknown[] = [];
    server.on("message", ({ data }) => got.push(data));
    const { client } = clientOf(["home"]);
    await client.connect();
    client.send(1);
    await client.disconnect();
    expect(() => client.send("closed")).toThrow();
    await client.connect();
    client.send(2);
    await client.disconnect();
    await settle();
    expect(got).toEqual([1, 2]);
    expect(client.metrics.messagesOut).toBe(2);
  });

  it("insists on the node that it expects", async () => {
    const { clientOf, serve } = network();
    await serve("home");
    const { client } = clientOf(["home"], { expectedNodeId: "a".repeat(52) });
    await expect(client.connect()).rejects.toMatchObject({ code: "QW_UNEXPECTED_PEER" });
  });

  it("refuses endpoints that cannot be", () => {
    const make = (options: QWormholeClientOptions) => () => new QWormholeClient(options);
    expect(make({ host: "a" })).toThrow("`port` is NaN");
    expect(make({ endpoints: [] })).toThrow("`endpoints` holds 0");
    expect(make({ endpoints: [{ host: "a", port: 1 }], port: 2 })).toThrow("instead of");
    expect(make({ port: 1, reconnect: { multiplier: 0.5 } })).toThrow("`reconnect.multiplier`");
  });
});

describe("topics", () => {
  it("reach the server's listeners; other clients only when the server allows it", async () => {
    const { clientOf, serve } = network();
    const closed = await serve("closed");
    const open = await serve("open", {
      authorizePublish: (_client, topic) => topic.startsWith("chat."),
      authorizeSubscribe: (_client, pattern) => pattern !== ">",
    });
    const heard: string[] = [];
    for (const [name, server] of Object.entries({ closed, open })) {
      server.subscribe("chat.>", (value, { client }) =>
        heard.push(`${name} server: ${value} of ${client?.handshake.tags.name}`),
      );
      const [ann, bob] = ["ann", "bob"].map((tag) => {
        return clientOf([name], { handshakeTags: { name: tag } }).client;
      }) as [QWormholeClient, QWormholeClient];
      await ann.connect();
      await bob.connect();
      await bob.subscribe("*.garden", (value) => heard.push(`${name} bob: ${value}`));
      await ann.subscribe("*.garden", (value) => heard.push(`${name} ann: ${value}`));
      ann.publish("chat.garden", "hi");
      ann.publish("log.garden", "secret");
      await settle();
    }
    expect(heard).toEqual(["closed server: hi of ann", "open server: hi of ann", "open bob: hi"]);
    const { client } = clientOf(["open"]);
    await client.connect();
    await expect(client.subscribe(">", () => {})).rejects.toMatchObject({
      remoteCode: "QW_TOPIC_REFUSED",
    });
    await expect(client.subscribe("a..b", () => {})).rejects.toMatchObject({
      code: "QW_TOPIC_INVALID",
    });
    expect(() => client.publish("a.*", 1)).toThrow();
  });

  it("end with the last listener of a pattern", async () => {
    const { clientOf, serve } = network();
    const server = await serve("home");
    const { client } = clientOf(["home"]);
    await client.connect();
    const leave = await client.subscribe("a", () => {});
    const leaveToo = await client.subscribe("a", () => {});
    leave();
    leave();
    await settle();
    expect(server.publish("a", 1)).toBe(1);
    leaveToo();
    await settle();
    expect(server.publish("a", 1)).toBe(0);
  });
});

describe("a runtime", () => {
  it("hands its options and one key to what it makes, and closes it", async () => {
    const { transport, clock } = network();
    const shared = { transport, clock, protocolVersion: "mesh-1.0" };
    const alpha = new QWormholeRuntime({ ...shared, handshakeTags: { nodeId: "alpha" } });
    const beta = new QWormholeRuntime({ ...shared, handshakeTags: { nodeId: "beta", a: 1 } });
    const server = alpha.createServer({ host: "alpha", port: 1 });
    await server.listen();
    const clients = [1, 2].map(() =>
      beta.createClient({ host: "alpha", port: 1, handshakeTags: { a: 2 } }),
    );
    for (const client of clients) await client.connect();
    await settle();
    const peers = [...server.connections()];
    expect(peers.map((peer) => peer.handshake.tags)).toEqual([
      { nodeId: "beta", a: 2 },
      { nodeId: "beta", a: 2 },
    ]);
    expect(new Set(peers.map((peer) => peer.handshake.nodeId)).size).toBe(1);
    await beta.close();
    await settle();
    expect(server.getConnectionCount()).toBe(0);
    const loop = alpha.createClient({ host: "alpha", port: 1 });
    await expect(loop.connect()).rejects.toMatchObject({ code: "QW_SELF_CONNECT" });
    await alpha.close();
  });
});
