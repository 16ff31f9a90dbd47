import { generateKeyPairSync } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { QWormholeError } from "./errors.js";
import { linkIdentityOf } from "./keys.js";
import type { Link, LinkStream } from "./link.js";
import {
  type LinkPair,
  linkPair,
  ManualClock,
  settle,
  type TestNode,
  testAuthority,
  transportContract,
} from "./testing/index.js";
import { linkOverStream, tlsOverStream } from "./tls-over-stream.js";
import type { Channel, Transport } from "./transport.js";

const authority = testAuthority();
const far = authority.issue("far");
const near = authority.issue("near");
const NONE = new Uint8Array(0);

const pairs: LinkPair[] = [];
afterEach(() => {
  for (const { dialer } of pairs.splice(0)) dialer.destroy(new Error("the test is over"));
});

/** Channels within streams of one link; `listen` has names of its own for who listens. */
async function transportOverLink(dialer: TestNode, listener: TestNode): Promise<Transport> {
  const doors = new Map<string, (channel: Channel) => void>();
  let nextPort = 1;
  const onStream = async (stream: LinkStream) => {
    const door = doors.get(Buffer.from(stream.header).toString());
    const channel = await tlsOverStream(stream, "listener", {
      credentials: () => listener.credentials,
    });
    door?.(channel);
    await new Promise<void>(() => {});
  };
  const pair = await linkPair({}, { handlers: { onStream } });
  pairs.push(pair);
  return {
    async listen(address, onChannel) {
      const bound = { ...address, port: address.port || nextPort++ };
      const key = `${bound.host}:${bound.port}`;
      if (doors.has(key)) {
        throw new QWormholeError("QW_ADDRESS_IN_USE", { message: `${key} is taken` });
      }
      doors.set(key, onChannel);
      return { address: bound, close: async () => void doors.delete(key) };
    },
    async dial(address, options = {}) {
      const key = `${address.host}:${address.port}`;
      if (options.signal?.aborted) throw new QWormholeError("QW_CANCELLED");
      if (!doors.has(key)) throw new QWormholeError("QW_DIAL_REFUSED");
      const stream = await pair.dialer.openStream("relay", Buffer.from(key));
      return tlsOverStream(stream, "dialer", { credentials: () => dialer.credentials });
    },
  };
}

transportContract(
  { describe, it },
  {
    name: "TLS over a stream",
    hasBinding: true,
    hasCertificates: true,
    open: async () => ({
      transport: await transportOverLink(near, far),
      address: { host: "far", port: 0 },
      nobody: { host: "nobody", port: 1 },
      dialerIdentity: near.identity,
      listenerIdentity: far.identity,
    }),
  },
);

/** The stream's far end is given to `serve`, which may be anything. */
async function openTo(serve: (stream: LinkStream) => Promise<void>): Promise<LinkStream> {
  const pair = await linkPair({}, { handlers: { onStream: serve } });
  pairs.push(pair);
  return pair.dialer.openStream("relay", NONE);
}

function optionsOf(node: TestNode) {
  return { credentials: () => node.credentials, identity: node.identity, handlers: {} };
}

function serving(node: TestNode, links: Link[] = []): (stream: LinkStream) => Promise<void> {
  return async (stream) => {
    const handlers = { onRequest: async ({ body }: { body: Uint8Array }) => body };
    const link = await linkOverStream(stream, "listener", { ...optionsOf(node), handlers });
    links.push(link);
    await link.closed;
  };
}

describe("a link over a stream", { timeout: 20_000 }, () => {
  it("knows its peer by key and certificate, and says that it came through a relay", async () => {
    const links: Link[] = [];
    const stream = await openTo(serving(far, links));
    const link = await linkOverStream(stream, "dialer", optionsOf(near));
    expect(link.peer.remoteAddress).toBe(`relay:${stream.peer.remoteAddress}`);
    expect(link.peer.certificates.length).toBeGreaterThan(0);
    expect(Buffer.from(link.peer.publicKey).equals(Buffer.from(far.identity.publicKey))).toBe(true);
    expect(Buffer.from(await link.request("echo", Buffer.from("hello"))).toString()).toBe("hello");
    await link.close();
    expect((await links[0]!.closed).error).toBeUndefined();
    await settle();
    await expect(stream.write(Buffer.from("x"))).rejects.toThrow();
  });

  it("refuses both ends whose certificate another authority signed", async () => {
    const stranger = testAuthority("other").issue("stranger");
    const toStranger = await openTo(serving(stranger));
    const refusal = linkOverStream(toStranger, "dialer", optionsOf(near));
    await expect(refusal).rejects.toMatchObject({ code: "QW_TLS_FAILED" });
    const served: Promise<void>[] = [];
    const fromStranger = await openTo((stream) => {
      const serve = serving(far)(stream);
      served.push(serve);
      return serve.catch(() => {});
    });
    const trusting = { ...stranger.credentials, caPem: authority.caPem };
    const dialling = linkOverStream(fromStranger, "dialer", {
      ...optionsOf({ ...stranger, credentials: trusting }),
    });
    await expect(dialling).rejects.toMatchObject({ name: "QWormholeError" });
    await expect(served[0]).rejects.toMatchObject({ code: "QW_TLS_FAILED" });
  });

  it("refuses a key that is not that of the certificate, and an unexpected node", async () => {
    const otherKey = linkIdentityOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
    const toLiar = await openTo(serving({ ...far, identity: otherKey }));
    await expect(linkOverStream(toLiar, "dialer", optionsOf(near))).rejects.toThrow();
    const toFar = await openTo(serving(far));
    const expectedNodeId = "a".repeat(52);
    const dialling = linkOverStream(toFar, "dialer", { ...optionsOf(near), expectedNodeId });
    await expect(dialling).rejects.toMatchObject({ code: "QW_UNEXPECTED_PEER" });
  });

  it("passes on why the stream was refused", async () => {
    const stream = await openTo(async () => {
      throw Object.assign(new Error("no relay here"), { code: "MESH_RELAY_REFUSED" });
    });
    const dialling = linkOverStream(stream, "dialer", optionsOf(near));
    await expect(dialling).rejects.toMatchObject({ remoteCode: "MESH_RELAY_REFUSED" });
  });

  it("gives up at its time, at an abort, and when the far end is no TLS", async () => {
    const silent = () => new Promise<void>(() => {});
    const clock = new ManualClock();
    const options = { credentials: () => near.credentials, clock, handshakeTimeoutMs: 700 };
    for (const side of ["dialer", "listener"] as const) {
      const late = tlsOverStream(await openTo(silent), side, options);
      const refused = expect(late).rejects.toMatchObject({ code: "QW_HANDSHAKE_TIMEOUT" });
      await clock.advance(701);
      await refused;
      const controller = new AbortController();
      const { signal } = controller;
      const given = tlsOverStream(await openTo(silent), side, { ...options, signal });
      controller.abort();
      await expect(given).rejects.toMatchObject({ code: "QW_CANCELLED" });
    }
    expect(clock.timers).toBe(0);
    const noise = await openTo(async (stream) => {
      await stream.write(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
      await silent();
    });
    const dialling = linkOverStream(noise, "dialer", optionsOf(near));
    await expect(dialling).rejects.toMatchObject({ code: "QW_TLS_FAILED" });
  });

  it("breaks with an error when a byte is changed or left out on the way", async () => {
    for (const harm of ["change", "drop"]) {
      const target = await openTo(serving(far));
      const forward = async (from: LinkStream, to: LinkStream, harms: boolean) => {
        let bytes = 0;
        for await (const piece of from.readable) {
          bytes += piece.length;
          const copy = Buffer.from(piece);
          const harmed = harms && bytes > 100_000;
          if (harmed && harm === "change") copy.writeUInt8(copy.readUInt8(40) ^ 1, 40);
          await to.write(harmed && harm === "drop" ? copy.subarray(1) : copy);
        }
        to.end();
      };
      const stream = await openTo(async (from) => {
        await Promise.all([forward(from, target, true), forward(target, from, false)]);
      });
      const link = await linkOverStream(stream, "dialer", optionsOf(near));
      const asking = link.request("echo", Buffer.alloc(500_000));
      await expect(asking).rejects.toMatchObject({ code: "QW_LINK_LOST" });
      expect((await link.closed).error).toMatchObject({ code: "QW_LINK_LOST" });
    }
  });

  it("ends with the link that carries it", async () => {
    const stream = await openTo(serving(far));
    const link = await linkOverStream(stream, "dialer", optionsOf(near));
    pairs[0]!.listener.destroy(new Error("cable"));
    expect((await link.closed).error).toMatchObject({ code: "QW_LINK_LOST" });
  });
});
