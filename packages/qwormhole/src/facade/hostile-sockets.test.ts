/** Strangers and broken peers on real sockets: refused, counted, bounded, unnoticed by others. */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeFrame, FrameType, PREAMBLE, writeFrameHeader } from "../frames.js";
import { tcpTransport } from "../tcp-transport.js";
import { type TestNode, testAuthority } from "../testing/index.js";
import { RawPeer, type RawPeerOptions } from "../testing/raw-peer.js";
import { ALPN_PROTOCOL, tlsTransport } from "../tls-transport.js";
import { QWormholeClient } from "./client.js";
import type { QWormholeClientOptions, QWormholeServerOptions } from "./options.js";
import { QWormholeServer } from "./server.js";

const LOOPBACK = "127.0.0.1";
const MEBIBYTE = 1 << 20;
const authority = testAuthority();
const [home, member, mallory] = ["home", "member", "mallory"].map((name) =>
  authority.issue(name),
) as [TestNode, TestNode, TestNode];
vi.setConfig({ testTimeout: 30_000 });
const over: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of over.splice(0).reverse()) await end();
});

type Kind = "TCP" | "TLS";

async function serve(kind: Kind, options: QWormholeServerOptions = {}) {
  const tls = kind === "TLS" ? home.credentials : undefined;
  const server = new QWormholeServer({ tls, ...options });
  server.handle("echo", (value) => value);
  const { port } = await server.listen();
  over.push(() => server.close(50));
  const client = (changes: QWormholeClientOptions = {}) => {
    const own = kind === "TLS" ? member.credentials : undefined;
    const made = new QWormholeClient({ port, tls: own, ...changes });
    over.push(() => made.close("over", 50));
    return made;
  };
  /** Makes its part of the handshake, as far as it is told. */
  const meet = async (raw: RawPeerOptions = {}) => {
    const transport =
      kind === "TLS"
        ? tlsTransport({ credentials: () => mallory.credentials })
        : tcpTransport({ insecure: "loopback" });
    const identity = kind === "TLS" ? { identity: mallory.identity } : {};
    const peer = await RawPeer.dial(transport, { host: LOOPBACK, port }, { ...identity, ...raw });
    over.push(() => peer.channel.destroy());
    return peer;
  };
  const strangers = (count: number) => Array.from({ length: count }, () => stranger(port));
  return { server, port, client, meet, strangers };
}

function stranger(port: number): Socket {
  const socket = connectTcp({ host: LOOPBACK, port });
  socket.on("error", () => {});
  socket.resume();
  over.push(() => socket.destroy());
  return socket;
}

const until = (condition: () => boolean) =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 20_000, interval: 5 });

const sum = (counts: Record<string, number>) =>
  Object.values(counts).reduce((total, one) => total + one, 0);

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What is really held; the second collection waits for the end of the first one's sweep. */
function buffersNow(): number {
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}

describe("strangers", () => {
  it("who dribble their handshake keep no more than their places, and lose them", async () => {
    const limits = { halfOpenMax: 10, halfOpenPerAddressMax: 8, handshakeTimeoutMs: 400 };
    const { server, client, strangers } = await serve("TCP", limits);
    const hello = encodeFrame(FrameType.HELLO, 0, Buffer.alloc(10_000, 32));
    const words = Buffer.concat([PREAMBLE, hello]);
    const sockets = strangers(24);
    let at = 0;
    let halfOpenMost = 0;
    const dribble = setInterval(() => {
      for (const socket of sockets) socket.write(words.subarray(at, at + 1));
      at++;
      halfOpenMost = Math.max(halfOpenMost, server.metrics.handshakes);
    }, 5);
    over.push(() => clearInterval(dribble));
    await until(() => server.metrics.refused.QW_CONNECTIONS_LIMIT === 16);
    // While they are at it, somebody who tries again comes in.
    const good = client({ reconnect: { initialDelayMs: 20, maxDelayMs: 50 } });
    await good.connect();
    await until(() => server.metrics.refused.QW_HANDSHAKE_TIMEOUT === 8);
    await until(() => server.metrics.handshakes === 0);
    expect(halfOpenMost).toBe(8);
    expect(await good.request("echo", "here")).toBe("here");
  });

  it("who dribble leave room for others while there is some", async () => {
    const { server, client, strangers } = await serve("TCP", { handshakeTimeoutMs: 60_000 });
    for (const socket of strangers(31)) socket.write(PREAMBLE.subarray(0, 5));
    await until(() => server.metrics.handshakes === 31);
    const good = client();
    await good.connect();
    expect(await good.request("echo", "here")).toBe("here");
    expect(server.metrics.refused).toEqual({});
  });

  it.each<Kind>(["TCP", "TLS"])("who come 500 at once, over %s", async (kind) => {
    const { server, client, strangers } = await serve(kind);
    const before = buffersNow();
    let halfOpenMost = 0;
    server.on("refused", () => {
      halfOpenMost = Math.max(halfOpenMost, server.metrics.handshakes);
    });
    const sockets = strangers(500);
    await until(() => (server.metrics.refused.QW_CONNECTIONS_LIMIT ?? 0) >= 468);
    expect(halfOpenMost).toBeLessThanOrEqual(32);
    for (const socket of sockets) socket.destroy();
    await until(() => sum(server.metrics.refused) === 500 && server.metrics.handshakes === 0);
    expect(buffersNow() - before).toBeLessThan(4 * MEBIBYTE);
    const good = client();
    await good.connect();
    expect(await good.request("echo", "here")).toBe("here");
    expect(server.metrics).toMatchObject({ connections: 1, connectionsTotal: 1 });
  });

  it("of TLS have the places and the time that the options say", async () => {
    const limits = { halfOpenPerAddressMax: 3, handshakeTimeoutMs: 300 };
    const { server, strangers } = await serve("TLS", limits);
    strangers(10);
    await until(() => server.metrics.refused.QW_CONNECTIONS_LIMIT === 7);
    await until(() => server.metrics.refused.QW_TLS_FAILED === 3);
  });
});

describe("an unverified peer", () => {
  const stops = ["preamble", "HELLO", "AUTH", "READY", undefined] as const;
  it.each<Kind>(["TCP", "TLS"])("gets no byte of what is for members, over %s", async (kind) => {
    let open: () => void = () => {};
    const gate = new Promise<true>((resolve) => {
      open = () => resolve(true);
    });
    const { server, client, meet } = await serve(kind, {
      // Only the one that says everything is kept waiting by this side.
      verifyHandshake: ({ tags }) => (tags.waits === true ? gate : true),
      handshakeTimeoutMs: 60_000,
    });
    const good = client();
    const got: unknown[] = [];
    good.on("message", (value) => got.push(value));
    await good.connect();
    await until(() => server.getConnectionCount() === 1);
    const peers = await Promise.all(
      stops.map((stopBefore) =>
        stopBefore === undefined
          ? meet({ hello: { tags: { waits: true } }, stopBefore: "READY" })
          : meet({ stopBefore }),
      ),
    );
    const [last] = peers.slice(-1);
    last?.frame(FrameType.READY, 0);
    await until(() => server.metrics.handshakes === 5);
    for (let sent = 0; sent < 50; sent++) {
      expect(server.broadcast({ secret: "for members only", sent })).toBe(1);
      expect(server.publish("secret.topic", "for members only")).toBe(0);
    }
    await until(() => got.length === 50);
    for (const peer of peers) {
      const types = new Set(peer.frames.map(({ type }) => type));
      for (const type of [FrameType.HELLO, FrameType.AUTH, FrameType.READY]) types.delete(type);
      expect([...types]).toEqual([]);
      expect(peer.heard.includes("for members")).toBe(false);
    }
    expect(server.getConnectionCount()).toBe(1);
    open();
    await until(() => server.getConnectionCount() === 2);
    server.broadcast("now");
    await until(() => last?.heard.includes("now") === true);
  });
});

describe("a handshake", () => {
  it("that was recorded is of no use again, over TLS", async () => {
    const { server, meet } = await serve("TLS");
    const first = await meet();
    expect(first.isOpen).toBe(true);
    const again = await meet({ stopBefore: "preamble" });
    again.write(...first.said);
    await until(() => again.isClosed);
    expect(server.metrics.refused).toEqual({ QW_SIGNATURE_INVALID: 1 });
    expect(again.toldCode).toBe("QW_SIGNATURE_INVALID");
    expect(server.metrics.connectionsTotal).toBe(1);
  });

  it("cannot be passed on by one in between with a certificate of the same authority", async () => {
    const { server, port } = await serve("TLS");
    const { keyPem: key, certificatePem: cert } = mallory.credentials;
    const tls = { key, cert, ca: authority.caPem, ALPNProtocols: [ALPN_PROTOCOL] };
    const between = createTlsServer({ ...tls, requestCert: true }, (victim) => {
      const onward = connectTls({ ...tls, port, checkServerIdentity: () => undefined });
      for (const socket of [victim, onward]) socket.on("error", () => {});
      victim.pipe(onward).pipe(victim);
      over.push(() => [victim, onward].map((socket) => socket.destroy()));
    });
    over.push(() => between.close());
    await once(between.listen(0, LOOPBACK), "listening");
    const { port: trap } = between.address() as { port: number };
    const client = new QWormholeClient({ port: trap, tls: member.credentials });
    const refusal = await client.connect().catch((error: Error) => error);
    // Each side notices by itself; who is told first by the other is a matter of time.
    const codes = ["QW_KEY_MISMATCH", "QW_REFUSED_BY_PEER"];
    expect(codes).toContain((refusal as { code?: string }).code);
    await until(() => sum(server.metrics.refused) === 1);
    expect(codes).toContain(Object.keys(server.metrics.refused)[0]);
    expect(server.metrics.connectionsTotal).toBe(0);

    // Were the certificates not looked at, the binding alone would stop it: the one in between
    // signs nothing itself and says with the key of its own certificate what the victim said.
    const inner = tlsTransport({ credentials: () => member.credentials });
    const peer = await RawPeer.dial(inner, { host: LOOPBACK, port: trap }, mallory);
    await until(() => server.metrics.refused.QW_SIGNATURE_INVALID === 1);
    expect(peer.isOpen).toBe(false);
    expect(server.metrics.connectionsTotal).toBe(0);
  });
});

describe("a verified peer", () => {
  it.each<Kind>(["TCP", "TLS"])("that claims 4 GiB gets no memory, over %s", async (kind) => {
    const { server, client, meet } = await serve(kind);
    const good = client();
    await good.connect();
    const claim = new Uint8Array(11);
    writeFrameHeader(claim, 0, FrameType.DATA, 0, 2 ** 32 - 4);
    const before = buffersNow();
    const peers = await Promise.all(Array.from({ length: 16 }, () => meet()));
    for (const peer of peers) peer.write(claim);
    await until(() => server.metrics.closes.QW_FRAME_TOO_LARGE === 16);
    // Before the handshake it is no different.
    const early = await Promise.all(
      Array.from({ length: 16 }, () => meet({ stopBefore: "HELLO" })),
    );
    for (const peer of early) peer.write(claim);
    await until(() => server.metrics.refused.QW_FRAME_TOO_LARGE === 16);
    expect(buffersNow() - before).toBeLessThan(4 * MEBIBYTE);
    for (const peer of [...peers, ...early]) {
      await until(() => peer.toldCode === "QW_FRAME_TOO_LARGE");
    }
    expect(await good.request("echo", "here")).toBe("here");
  });

  it("that stops in the middle of a frame is dead, whatever is missing", async () => {
    const { server, client, meet } = await serve("TCP", { pingIntervalMs: 50, deadAfterMs: 300 });
    const good = client({ pingIntervalMs: 50 });
    await good.connect();
    const peer = await meet();
    peer.write(encodeFrame(FrameType.DATA, 0, new Uint8Array(1000)).subarray(0, 500));
    await until(() => server.metrics.closes.QW_PEER_DEAD === 1);
    expect(await good.request("echo", "here")).toBe("here");
    expect(good.metrics.connectionsTotal).toBe(1);
  });

  it.each<[Kind, "QW_PEER_DEAD" | "QW_QUEUE_FULL"]>([
    ["TCP", "QW_PEER_DEAD"],
    ["TLS", "QW_PEER_DEAD"],
    ["TCP", "QW_QUEUE_FULL"],
    ["TLS", "QW_QUEUE_FULL"],
  ])("that never reads costs what its queue may hold, over %s: %s", async (kind, code) => {
    const queueBytesMax = MEBIBYTE;
    const whenFull = code === "QW_QUEUE_FULL" ? "disconnect" : "drop-newest";
    const { server, client, meet } = await serve(kind, {
      deadAfterMs: code === "QW_QUEUE_FULL" ? 60_000 : 1000,
      pingIntervalMs: 200,
      limits: { highWaterBytes: MEBIBYTE / 4 },
      channels: { bulk: { whenFull, queueBytesMax } },
    });
    const good = client({ pingIntervalMs: 200 });
    let got = 0;
    good.on("message", () => void got++);
    await good.connect();
    const peer = await meet();
    await until(() => server.getConnectionCount() === 2);
    peer.channel.pause();
    const before = buffersNow();
    let queuedMost = 0;
    let buffersMost = 0;
    for (let sent = 1; sent <= 400; sent++) {
      server.broadcast(Buffer.alloc(64 * 1024, 7), { priority: "bulk" });
      queuedMost = Math.max(queuedMost, server.metrics.queuedBytes);
      // The one that reads is never far behind.
      if (sent % 8 === 0) await until(() => got === sent);
      if (sent % 80 === 0) buffersMost = Math.max(buffersMost, buffersNow());
    }
    expect(got).toBe(400);
    expect(queuedMost).toBeLessThan(queueBytesMax + MEBIBYTE);
    // 25 MiB were meant for it.
    expect(buffersMost - before).toBeLessThan(12 * MEBIBYTE);
    await until(() => server.metrics.closes[code] === 1);
    expect(server.metrics.drops["queue-full"] + server.metrics.drops.closed).toBeGreaterThan(0);
    expect([server.getConnectionCount(), good.metrics.connectionsTotal]).toEqual([1, 1]);
  });

  it("that sends 16 MiB is cut off, or served when that is allowed, and nobody waits", async () => {
    const { server, client, meet } = await serve("TCP");
    const large = encodeFrame(FrameType.DATA, 0, new Uint8Array(16 * MEBIBYTE));
    (await meet()).write(large);
    await until(() => server.metrics.closes.QW_FRAME_TOO_LARGE === 1);
    const wide = await serve("TCP", { limits: { messageBytesMax: 16 * MEBIBYTE } });
    let bytes = 0;
    wide.server.on("message", ({ data }) => {
      bytes += (data as Uint8Array).length;
    });
    const before = buffersNow();
    const sender = await wide.meet();
    const good = wide.client();
    await good.connect();
    for (let sent = 0; sent < 6; sent++) {
      sender.write(large);
      expect(await good.request("echo", sent)).toBe(sent);
    }
    await until(() => bytes === 96 * MEBIBYTE);
    expect(wide.server.metrics.closes).toEqual({});
    expect(buffersNow() - before).toBeLessThan(72 * MEBIBYTE);
    const other = client();
    await other.connect();
    expect(await other.request("echo", "here")).toBe("here");
  });

  it("that comes in a crowd finds no more places than there are", async () => {
    const { server, meet } = await serve("TCP", { connectionsMax: 5 });
    const peers = await Promise.all(
      Array.from({ length: 25 }, () => meet().catch(() => undefined)),
    );
    await until(() => server.metrics.handshakes === 0);
    expect(server.getConnectionCount()).toBe(5);
    expect(server.metrics.refused).toEqual({ QW_CONNECTIONS_LIMIT: 20 });
    expect(server.broadcast("for those inside")).toBe(5);
    await until(() => peers.filter((peer) => peer?.of(FrameType.DATA).length === 1).length === 5);
  });
});
