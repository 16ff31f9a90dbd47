import { describe, expect, it } from "vitest";
import { dialLink } from "./dial-link.js";
import { isQWormholeError } from "./errors.js";
import { encodeFrame, FrameType, PREAMBLE } from "./frames.js";
import type { Link, LinkOptions } from "./link.js";
import { type ListenLinksOptions, listenLinks } from "./listen-links.js";
import { memoryTransport } from "./memory-transport.js";
import { openLink } from "./open-link.js";
import { Probe } from "./testing/channel-probe.js";
import { ManualClock, settle, testIdentity } from "./testing/index.js";
import type { Channel } from "./transport.js";

const ADDRESS = { host: "door", port: 1 };

/** A listener with a manual clock that records whom it lets in and whom not. */
async function door(options: Partial<ListenLinksOptions> = {}) {
  const clock = new ManualClock();
  const transport = memoryTransport();
  const links: Link[] = [];
  const refused: string[] = [];
  const listener = await listenLinks(
    transport,
    ADDRESS,
    { identity: testIdentity(), handlers: {}, clock, ...options },
    (link) => links.push(link),
    (error) => refused.push(isQWormholeError(error) ? error.code : String(error)),
  );
  const dial = (changes: Partial<LinkOptions> = {}) =>
    dialLink(transport, ADDRESS, { identity: testIdentity(), handlers: {}, clock, ...changes });
  const stranger = async () => new Probe(await transport.dial(ADDRESS));
  return { clock, transport, links, refused, listener, dial, stranger };
}

describe("listening for links", () => {
  it("tells the dialler the code with which it was refused", async () => {
    const { dial, links, refused } = await door({
      verifyPeer: async () => {
        throw Object.assign(new Error("the certificate was revoked"), { code: "MESH_REVOKED" });
      },
    });
    await expect(dial()).rejects.toMatchObject({
      code: "QW_REFUSED_BY_PEER",
      remoteCode: "MESH_REVOKED",
    });
    expect(links).toEqual([]);
    expect(refused).toEqual(["QW_PEER_REFUSED"]);
  });

  it("says nothing of a refusal without a code", async () => {
    const { dial } = await door({
      verifyPeer: () => {
        throw new Error("secret reason");
      },
    });
    const error = await dial().catch((reason: Error) => reason);
    expect(error).toMatchObject({ code: "QW_REFUSED_BY_PEER", remoteCode: "QW_PEER_REFUSED" });
    expect(String(error)).not.toContain("secret");
  });

  it("gives what verifyPeer answered as the peer's identity", async () => {
    const { dial, links } = await door({ verifyPeer: async (peer) => ({ of: peer.nodeId }) });
    const link = await dial();
    await settle();
    expect(links[0]?.peer.identity).toEqual({ of: links[0]?.peer.nodeId });
    expect(link.isOpen).toBe(true);
  });

  it("refuses itself, and a node that was not expected", async () => {
    const identity = testIdentity();
    const { dial } = await door({ identity });
    await expect(dial({ identity })).rejects.toMatchObject({ code: "QW_SELF_CONNECT" });
    await expect(dial({ expectedNodeId: "a".repeat(52) })).rejects.toMatchObject({
      code: "QW_UNEXPECTED_PEER",
    });
  });

  it("ends a handshake that is too slow, or stops in mid-frame", async () => {
    const { clock, stranger, refused, listener } = await door();
    const silent = await stranger();
    const stopping = await stranger();
    const hello = encodeFrame(FrameType.HELLO, 0, Buffer.alloc(500, 32));
    stopping.channel.write([PREAMBLE, hello.subarray(0, 100)]);
    await settle();
    expect(listener.halfOpenCount).toBe(2);
    await clock.advance(4999);
    expect(silent.closes + stopping.closes).toBe(0);
    await clock.advance(2);
    await Promise.all([silent.closed, stopping.closed]);
    expect(refused).toEqual(["QW_HANDSHAKE_TIMEOUT", "QW_HANDSHAKE_TIMEOUT"]);
    expect([listener.halfOpenCount, listener.refusedCount]).toEqual([0, 2]);
  });

  it("ends slow verification by the same timeout", async () => {
    const { clock, dial, refused } = await door({ verifyPeer: () => new Promise(() => {}) });
    const refusedDial = dial({ handshakeTimeoutMs: 60_000 }).catch((error) => error);
    await clock.advance(5001);
    expect(await refusedDial).toMatchObject({ remoteCode: "QW_HANDSHAKE_TIMEOUT" });
    expect(refused).toEqual(["QW_HANDSHAKE_TIMEOUT"]);
  });

  it("bounds the handshakes under way, in all and from one address", async () => {
    const { stranger, refused, listener, dial } = await door({ halfOpenMax: 3 });
    const strangers = [await stranger(), await stranger(), await stranger()];
    const fourth = await stranger();
    await fourth.closed;
    expect(refused).toEqual(["QW_CONNECTIONS_LIMIT"]);
    strangers[0]?.channel.destroy();
    await settle();
    expect(listener.halfOpenCount).toBe(2);
    expect((await dial()).isOpen).toBe(true);

    const narrow = await door({ halfOpenPerAddressMax: 1 });
    await narrow.stranger();
    const second = await narrow.stranger();
    await second.closed;
    expect(narrow.refused).toEqual(["QW_CONNECTIONS_LIMIT"]);
  });

  it("ends a link whose `onLink` throws, and says why", async () => {
    const transport = memoryTransport();
    const refused: unknown[] = [];
    const identity = testIdentity();
    const fail = () => {
      throw new Error("a mistake");
    };
    const onRefused = (error: Error) => void refused.push(error);
    await listenLinks(transport, ADDRESS, { identity, handlers: {} }, fail, onRefused);
    await dialLink(transport, ADDRESS, { identity: testIdentity(), handlers: {} }).catch(() => {});
    await settle();
    expect(refused).toMatchObject([{ code: "QW_HANDLER_FAILED" }]);
  });

  it("bounds the links", async () => {
    const { dial, listener } = await door({ linksMax: 1 });
    const first = await dial();
    await expect(dial()).rejects.toMatchObject({ code: "QW_LINK_LOST" });
    expect(listener.links.size).toBe(1);
    first.destroy(new Error("the test is over"));
  });

  it.each<[string, Uint8Array, string]>([
    ["another protocol", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "QW_NOT_A_LINK"],
    [
      "another wire version",
      Uint8Array.of(0x51, 0x57, 0x52, 0x4d, 9, 0, 0, 0),
      "QW_VERSION_UNSUPPORTED",
    ],
    [
      "a frame of 4 GiB",
      Buffer.concat([PREAMBLE, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 0, 0)]),
      "QW_FRAME_TOO_LARGE",
    ],
    [
      "a HELLO of 1 MiB",
      Buffer.concat([PREAMBLE, encodeFrame(FrameType.HELLO, 0, Buffer.alloc(1 << 20))]),
      "QW_FRAME_TOO_LARGE",
    ],
    [
      "a HELLO that is not JSON",
      Buffer.concat([PREAMBLE, encodeFrame(FrameType.HELLO, 0, Buffer.from([0xff]))]),
      "QW_HANDSHAKE_INVALID",
    ],
    [
      "a request before the handshake",
      Buffer.concat([PREAMBLE, encodeFrame(FrameType.REQ, 1, Buffer.from([0, 1, 1, 65]))]),
      "QW_HANDSHAKE_INVALID",
    ],
  ])("refuses a stranger that sends %s", async (_name, bytes, code) => {
    let delivered = 0;
    const handlers = {
      onRequest: async () => {
        delivered++;
        return new Uint8Array(0);
      },
    };
    const { stranger, refused, listener, clock } = await door({ handlers });
    const probe = await stranger();
    probe.channel.write([bytes]);
    await clock.advance(1001);
    await probe.closed;
    expect(refused).toEqual([code]);
    expect(delivered).toBe(0);
    expect(listener.links.size).toBe(0);
  });

  it("delivers nothing before the peer has accepted too, and nothing to a stranger", async () => {
    const seen: string[] = [];
    const { dial, links } = await door({
      handlers: { onMessage: (data) => void seen.push(Buffer.from(data).toString()) },
    });
    const link = await dial();
    link.send(Buffer.from("first"));
    await settle();
    expect(links).toHaveLength(1);
    expect(seen).toEqual(["first"]);
  });

  it("cannot be fooled by a machine in between that passes the handshake on", async () => {
    const { transport } = await door();
    // The machine in between has two connections and joins them; their bindings differ.
    const outer = memoryTransport();
    const join = (a: Channel, b: Channel) => {
      a.setHandlers({
        onData: (bytes) => void b.write([bytes]),
        onDrain() {},
        onClose: () => b.destroy(),
      });
    };
    await outer.listen(ADDRESS, async (victim) => {
      const onward = await transport.dial(ADDRESS);
      join(victim, onward);
      join(onward, victim);
    });
    const dialled = await outer.dial(ADDRESS);
    await expect(
      openLink(dialled, "dialer", { identity: testIdentity(), handlers: {} }),
    ).rejects.toSatisfy(
      (error) =>
        isQWormholeError(error, "QW_SIGNATURE_INVALID") ||
        isQWormholeError(error, "QW_REFUSED_BY_PEER"),
    );
  });

  it("gives up a dial whose signal is aborted during the handshake", async () => {
    const { dial, clock } = await door({ verifyPeer: () => new Promise(() => {}) });
    const stop = new AbortController();
    const options: Partial<LinkOptions> & { signal: AbortSignal } = { signal: stop.signal };
    const dialling = dial(options).catch((error) => error);
    await settle();
    stop.abort();
    expect(await dialling).toMatchObject({ code: "QW_CANCELLED" });
    await clock.advance(10_000);
  });
});
