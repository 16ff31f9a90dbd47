/** What strangers and verified peers of one link can do with frames. */
import { describe, expect, it } from "vitest";
import { encodeFrame, FrameType } from "./frames.js";
import type { Link } from "./link.js";
import { type LinkListener, listenLinks } from "./listen-links.js";
import { memoryTransport } from "./memory-transport.js";
import { Probe } from "./testing/channel-probe.js";
import { settle, testIdentity } from "./testing/index.js";
import { CORPUS_LIMITS, MALFORMED_FRAMES } from "./testing/malformed-frames.js";
import { malformedHandshakes } from "./testing/malformed-handshakes.js";
import { RawPeer } from "./testing/raw-peer.js";

const ADDRESS = { host: "door", port: 1 };
const never = () => new Promise<never>(() => {});

/** A listener with the handlers and limits that the corpus speaks of. */
async function door(limits = CORPUS_LIMITS) {
  const transport = memoryTransport();
  const links: Link[] = [];
  const refused: unknown[] = [];
  const delivered: Uint8Array[] = [];
  const listener: LinkListener = await listenLinks(
    transport,
    ADDRESS,
    {
      identity: testIdentity(),
      protocol: "qwormhole/1",
      limits,
      handlers: {
        onMessage: (data) => void delivered.push(data),
        onRequest: async ({ method, body }) => (method === "hold" ? never() : body),
        onStream: ({ method }) => (method === "hold" ? never() : undefined),
      },
    },
    (link) => links.push(link),
    (error) => refused.push((error as { code?: string }).code),
  );
  const meet = () => RawPeer.dial(transport, ADDRESS);
  return { transport, links, refused, delivered, listener, meet };
}

describe("an open link", () => {
  it("is held to a corpus of a hundred cases, each with a name of its own", () => {
    expect(MALFORMED_FRAMES.length).toBeGreaterThan(100);
    expect(new Set(MALFORMED_FRAMES.map(({ name }) => name)).size).toBe(MALFORMED_FRAMES.length);
  });

  it.each(MALFORMED_FRAMES)("meets $name, whole and byte by byte", async ({ bytes, outcome }) => {
    const whole = [bytes];
    const single = Array.from(bytes, (_byte, at) => bytes.slice(at, at + 1));
    for (const pieces of bytes.length > 5000 ? [whole] : [whole, single]) {
      const { links, delivered, meet } = await door();
      const peer = await meet();
      await settle();
      for (const piece of pieces) peer.write(piece);
      await settle();
      const [link] = links;
      if (typeof outcome === "object" && "ends" in outcome) {
        expect((await link?.closed)?.error).toMatchObject({ code: outcome.ends });
        expect(peer.toldCode).toBe(outcome.ends);
        expect(link?.inspect()).toMatchObject({ openRequests: 0, openStreams: 0 });
      } else {
        // What a message holds is no matter of the link.
        expect(link?.isOpen).toBe(true);
        expect(delivered).toHaveLength(typeof outcome === "object" && "drops" in outcome ? 1 : 0);
      }
      link?.destroy(new Error("the test is over"));
    }
  });

  it("tells a breach that comes with the last word of the handshake", async () => {
    const { transport, links } = await door();
    const peer = await RawPeer.dial(transport, ADDRESS, { stopBefore: "READY" });
    const ready = encodeFrame(FrameType.READY, 0, new Uint8Array(0));
    peer.write(ready, encodeFrame(0x7f, 0, new Uint8Array(0)));
    await settle();
    expect((await links[0]?.closed)?.error).toMatchObject({ code: "QW_FRAME_INVALID" });
    expect(peer.toldCode).toBe("QW_FRAME_INVALID");
  });

  it("says why it was ended when the peer says so", async () => {
    const { links, meet } = await door();
    const peer = await meet();
    await settle();
    peer.frame(FrameType.GOAWAY, 0, Buffer.from("\x0dMESH_REVOKED!\x02go"));
    const error = (await links[0]?.closed)?.error;
    expect(error).toMatchObject({ code: "QW_LINK_CLOSED", remoteCode: "MESH_REVOKED!" });
  });

  it("takes one answer to a request and drops the second, and one after an error", async () => {
    const { links, meet } = await door();
    const peer = await meet();
    await settle();
    const [link] = links;
    const first = link?.request("ask", new Uint8Array(0));
    const second = link?.request("ask", new Uint8Array(0)).catch((error: Error) => error);
    await settle();
    const [one, two] = peer.of(FrameType.REQ).map(({ channel }) => channel);
    peer.frame(FrameType.RES, one ?? 0, Buffer.from("yes"));
    peer.frame(FrameType.RES, one ?? 0, Buffer.from("no"));
    peer.frame(FrameType.ERR, one ?? 0, Buffer.from("\x01X\x00"));
    peer.frame(FrameType.ERR, two ?? 0, Buffer.from("\x04FAIL\x00"));
    peer.frame(FrameType.RES, two ?? 0, Buffer.from("after all"));
    await settle();
    expect(Buffer.from((await first) ?? []).toString()).toBe("yes");
    expect(await second).toMatchObject({ code: "QW_REMOTE_ERROR", remoteCode: "FAIL" });
    expect([link?.isOpen, link?.inspect().openRequests]).toEqual([true, 0]);
    link?.destroy(new Error("the test is over"));
  });
});

describe("a listener", () => {
  it.each(malformedHandshakes())("refuses a stranger that says $name", async ({ bytes, code }) => {
    const whole = [bytes];
    const single = Array.from(bytes, (_byte, at) => bytes.slice(at, at + 1));
    for (const pieces of bytes.length > 5000 ? [whole] : [whole, single]) {
      const { transport, refused, links, delivered, listener } = await door();
      const stranger = new Probe(await transport.dial(ADDRESS));
      for (const piece of pieces) stranger.channel.write([piece]);
      await settle();
      expect(refused).toEqual([code]);
      expect([links, delivered]).toEqual([[], []]);
      expect([listener.halfOpenCount, listener.refusedCount]).toEqual([0, 1]);
      expect(stranger.closes).toBe(1);
    }
  });

  it("never has more links than it may, however many finish their handshake at once", async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const transport = memoryTransport();
    const links: Link[] = [];
    const refused: unknown[] = [];
    const options = { identity: testIdentity(), handlers: {}, verifyPeer: () => gate };
    const listener = await listenLinks(
      transport,
      ADDRESS,
      { ...options, protocol: "qwormhole/1", linksMax: 3 },
      (link) => links.push(link),
      (error) => refused.push((error as { code?: string }).code),
    );
    const peers = await Promise.all(
      Array.from({ length: 8 }, async () => new RawPeer(await transport.dial(ADDRESS))),
    );
    await settle();
    expect(listener.halfOpenCount).toBe(8);
    open();
    await settle();
    expect([listener.links.size, links.length, listener.halfOpenCount]).toEqual([3, 3, 0]);
    expect(refused).toEqual(Array(5).fill("QW_CONNECTIONS_LIMIT"));
    expect(peers.filter(({ isClosed }) => isClosed)).toHaveLength(5);
    for (const link of links) link.destroy(new Error("the test is over"));
  });
});
