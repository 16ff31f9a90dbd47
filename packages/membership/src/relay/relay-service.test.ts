import { createHash } from "node:crypto";
import { fromWireError, MeshError, type NodeId } from "@hearthmesh/core";
import { type Link, type LinkStream, memoryTransport } from "@hearthmesh/qwormhole";
import { ManualClock } from "@hearthmesh/qwormhole/testing";
import { afterEach, describe, expect, it } from "vitest";
import {
  type MeshNode,
  RelayMesh,
  type RelayMeshOptions,
  until,
} from "../links/testing/relay-mesh.js";
import { dialThroughRelays } from "./relay-dial.js";
import { encodeRelayHeader, RELAY_METHOD } from "./relay-header.js";
import type { RelayPolicy } from "./relay-policy.js";

const meshes: RelayMesh[] = [];
afterEach(() => {
  for (const mesh of meshes.splice(0)) mesh.close();
});

async function mesh(options: RelayMeshOptions = {}) {
  const made = new RelayMesh(options);
  meshes.push(made);
  return made;
}

/** Answers requests with what they sent, sends streams back, or counts them. */
const serving = () => ({
  onRequest: async ({ body }: { body: Uint8Array }) => body,
  async onStream(stream: LinkStream) {
    if (stream.method === "test.hold") await new Promise(() => {});
    if (stream.method === "test.hash") {
      const hash = createHash("sha256");
      for await (const piece of stream.readable) hash.update(piece);
      await stream.write(hash.digest());
      return;
    }
    for await (const piece of stream.readable) await stream.write(piece);
  },
});

/** `a` dials `hub`, which dials `b`; nobody else can dial. */
async function line(policy: Partial<RelayPolicy> = {}, relays = ["hub"], clock?: ManualClock) {
  const made = await mesh(clock === undefined ? { policy } : { policy, clock });
  const a = await made.node("a", serving());
  const hubs: MeshNode[] = [];
  for (const name of relays) hubs.push(await made.node(name));
  const b = await made.node("b", serving());
  const all = [a, ...hubs, b];
  for (const [at, node] of all.entries()) if (all[at + 1]) node.knows(all[at + 1]!);
  return { mesh: made, a, hubs, hub: hubs[0]!, b };
}

async function dial(a: MeshNode, path: MeshNode[], signal?: AbortSignal): Promise<Link> {
  const link = await a.table.directTo(path[0]!.id);
  const ids = path.map(({ id }) => id);
  const given = signal === undefined ? {} : { signal };
  return dialThroughRelays({ self: a.id, link, path: ids, dialer: a.dialer, ...given });
}

async function readAll(stream: LinkStream): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream.readable) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function errorOf(work: Promise<unknown>): Promise<MeshError> {
  return work.then(
    () => new MeshError("MESH_INTERNAL", { message: "nothing failed" }),
    (error: unknown) => fromWireError(error),
  );
}

const NONE = new Uint8Array(0);

/** A stream to the hub with any header, as a node that lies would open it. */
async function rawStream(a: MeshNode, hub: MeshNode, header: Uint8Array): Promise<LinkStream> {
  const link = await a.table.directTo(hub.id);
  return link.openStream(RELAY_METHOD, header);
}

describe("RelayService", { timeout: 20_000 }, () => {
  it("carries a full link to a node behind it, and names the relay on both ends", async () => {
    const { a, hub, b } = await line();
    const link = await dial(a, [hub, b]);
    expect(link.peer.nodeId).toBe(b.id);
    const body = Buffer.alloc(300_000, "body");
    expect(Buffer.from(await link.request("echo", body)).equals(body)).toBe(true);
    await until(() => b.table.openLinks().some(({ kind }) => kind === "relayed"));
    const [open] = b.table.openLinks().filter(({ kind }) => kind === "relayed");
    expect(open).toMatchObject({ via: [hub.id] });
    expect(open!.link.peer.nodeId).toBe(a.id);
    const { all, peers } = hub.relay.status();
    expect(all).toMatchObject({ openStreams: 1, streams: 1, refused: {} });
    expect(all.bytes).toBeGreaterThan(600_000);
    expect(peers).toMatchObject([{ nodeId: a.id, openStreams: 1 }]);
    await link.close();
    await until(() => hub.relay.status().all.openStreams === 0);
  });

  it("goes through two and four relays in a row, and not through five", async () => {
    for (const count of [2, 4]) {
      const names = Array.from({ length: count }, (_, index) => `hub-${index}`);
      const { a, hubs, b } = await line({}, names);
      const link = await dial(a, [...hubs, b]);
      expect(await link.request("echo", Buffer.from("far"))).toHaveLength(3);
      await until(() => b.table.openLinks().some(({ kind }) => kind === "relayed"));
      const [open] = b.table.openLinks().filter(({ kind }) => kind === "relayed");
      expect(open!.via).toEqual(hubs.map(({ id }) => id).reverse());
    }
    const { a, hubs, b } = await line({}, ["1", "2", "3", "4", "5"]);
    expect(await errorOf(dial(a, [...hubs, b]))).toMatchObject({ code: "MESH_BAD_REQUEST" });
  });

  it("carries fifty links at once, each with the bytes of its own, both ways", async () => {
    const { a, hub, b } = await line();
    // A table would keep one of them.
    b.adoptRelayed = () => {};
    const links = await Promise.all(Array.from({ length: 50 }, () => dial(a, [hub, b])));
    const digests = links.map(async (link, index) => {
      const stream = await link.openStream("test.hash", NONE);
      const bytes = Buffer.alloc(200_000 + index, index);
      await stream.write(bytes);
      stream.end();
      expect((await readAll(stream)).equals(createHash("sha256").update(bytes).digest())).toBe(
        true,
      );
    });
    await Promise.all(digests);
    expect(hub.relay.status().all).toMatchObject({ openStreams: 50, streams: 50 });
  });

  it("sees no plaintext", async () => {
    const { a, hub, b } = await line();
    const seen: Buffer[] = [];
    const link = await a.table.directTo(hub.id);
    const path = [hub.id, b.id];
    const stream = await link.openStream(
      RELAY_METHOD,
      encodeRelayHeader({ path, origin: a.id, via: [] }),
    );
    // All that the relay is given and gives back, taken where it enters and leaves the stream.
    const watched: LinkStream = {
      method: stream.method,
      header: stream.header,
      peer: stream.peer,
      signal: stream.signal,
      readable: (async function* () {
        for await (const piece of stream.readable) {
          seen.push(Buffer.from(piece));
          yield piece;
        }
      })(),
      write: (bytes) => {
        seen.push(Buffer.from(bytes));
        return stream.write(bytes);
      },
      end: () => stream.end(),
      reset: (...told) => stream.reset(...told),
    };
    const inner = await a.dialer.dialOver(watched, { expectedNodeId: b.id });
    const secret = "a sentence that nobody in between may read. ".repeat(200);
    const answer = await inner.request("echo", Buffer.from(secret));
    expect(Buffer.from(answer).toString()).toBe(secret);
    const all = Buffer.concat(seen);
    expect(all.length).toBeGreaterThan(2 * secret.length);
    expect(all.includes("nobody in between")).toBe(false);
    expect(all.includes("echo")).toBe(false);
    expect(hub.relay.status().all.bytes).toBe(all.length);
  });

  it("says so when it is none, and still takes what ends there", async () => {
    const { a, hub, b } = await line({ enabled: false });
    const error = await errorOf(dial(a, [hub, b]));
    expect(error).toMatchObject({ code: "MESH_RELAY_REFUSED" });
    expect(hub.relay.status().all.refused).toEqual({ disabled: 1 });
    hub.relay.setPolicy({ ...hub.relay.status().policy, enabled: true });
    const link = await dial(a, [hub, b]);
    expect(await link.request("echo", NONE)).toHaveLength(0);
  });

  it("names the hop that it cannot reach, and the one that was lost on the way", async () => {
    const { a, hub, hubs, b } = await line({}, ["hub", "far-hub"]);
    hubs[1]!.stop();
    const error = await errorOf(dial(a, [hub, hubs[1]!, b]));
    expect(error).toMatchObject({ code: "MESH_UNREACHABLE" });
    expect(error.message).toContain(hubs[1]!.id);
    expect(hub.relay.status().peers).toMatchObject([{ refused: { unreachable: 1 } }]);
    const other = await line();
    const link = await dial(other.a, [other.hub, other.b]);
    const asking = link.request("test.never", Buffer.alloc(10));
    await asking;
    const stream = await link.openStream("test.hold", NONE);
    other.b.stop();
    await expect(readAll(stream)).rejects.toThrow();
    const { error: closed } = await link.closed;
    expect(closed).toBeInstanceOf(Error);
    await until(() => other.hub.relay.status().all.openStreams === 0);
  });

  it("refuses loops, paths of others, origins that lie, and broken headers", async () => {
    const { a, hub, b } = await line();
    const other = "b".repeat(52) as NodeId;
    const origin = a.id;
    const headers = [
      encodeRelayHeader({ path: [hub.id, a.id], origin, via: [] }),
      encodeRelayHeader({ path: [hub.id, b.id, hub.id], origin, via: [] }),
      encodeRelayHeader({ path: [b.id], origin, via: [] }),
      encodeRelayHeader({ path: [hub.id, b.id], origin: other, via: [] }),
      encodeRelayHeader({ path: [hub.id, b.id], origin, via: [hub.id] }),
      encodeRelayHeader({ path: [hub.id, b.id], origin: other, via: [b.id, a.id] }),
      encodeRelayHeader({ path: [], origin, via: [] }),
      Buffer.from("nonsense"),
      Buffer.alloc(5000),
    ];
    for (const header of headers) {
      const error = await errorOf(readAll(await rawStream(a, hub, header)));
      expect(error).toMatchObject({ code: "MESH_BAD_REQUEST" });
    }
    const { all } = hub.relay.status();
    expect(all).toMatchObject({ streams: 0, refused: { path: 6, header: 3 } });
  });

  it("finds out who says it is another node, and counts it for the neighbour", async () => {
    const { a, hub, b } = await line();
    const claimed = "c".repeat(52) as NodeId;
    // To the hub it looks like a stream that `a` only passes on.
    const header = encodeRelayHeader({ path: [hub.id, b.id], origin: claimed, via: [a.id] });
    const stream = await rawStream(a, hub, header);
    const link = await a.dialer.dialOver(stream, { expectedNodeId: b.id });
    expect((await link.closed).error).toBeInstanceOf(Error);
    expect(b.table.openLinks().filter(({ kind }) => kind === "relayed")).toEqual([]);
    await until(() => b.relay.status().all.refused.origin === 1);
    expect(hub.relay.status().peers).toMatchObject([{ nodeId: a.id, streams: 1 }]);
  });

  it("holds streams to their number, of one neighbour and of all, and says whose", async () => {
    const { a, hub, b } = await line({ streamsPerPeerMax: 2 });
    const first = await dial(a, [hub, b]);
    await dial(a, [hub, b]);
    const refused = await errorOf(dial(a, [hub, b]));
    expect(refused).toMatchObject({
      code: "MESH_LIMIT",
      details: { limit: "streams", of: a.id, max: 2 },
    });
    await first.close();
    await until(() => hub.relay.status().all.openStreams === 1);
    await dial(a, [hub, b]);
    const small = await line({ streamsMax: 1 });
    await dial(small.a, [small.hub, small.b]);
    expect(await errorOf(dial(small.a, [small.hub, small.b]))).toMatchObject({
      details: { limit: "streams", of: "all", max: 1 },
    });
  });

  it("ends a stream at its bytes, with the limit in the error", async () => {
    const { a, hub, b } = await line({ streamBytesMax: 100_000 });
    const link = await dial(a, [hub, b]);
    await expect(link.request("echo", Buffer.alloc(90_000))).rejects.toThrow();
    const { error } = await link.closed;
    const cause = (error as Error & { cause?: unknown }).cause;
    expect(fromWireError(cause)).toMatchObject({ code: "MESH_LIMIT", details: { limit: "bytes" } });
    expect(hub.relay.status().all.refused.bytes).toBeGreaterThan(0);
  });

  it("passes on no faster than the rate, and all of it in the end", async () => {
    const clock = new ManualClock();
    const { a, hub, b } = await line({ bytesPerSecPerPeerMax: 100_000 }, ["hub"], clock);
    const link = await dial(a, [hub, b]);
    const moved = () => hub.relay.status().all.bytes;
    const asking = link.request("echo", Buffer.alloc(400_000), { timeoutMs: 60_000 });
    let isDone = false;
    void asking.then(() => {
      isDone = true;
    });
    let steps = 0;
    for (; !isDone; steps++) {
      await clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 3));
      // The rate, the burst, and a piece of each direction.
      expect(moved()).toBeLessThanOrEqual(clock.nowMs() * 100 + 65_536 + 2 * 66_000);
    }
    expect(moved()).toBeGreaterThan(800_000);
    expect(steps).toBeGreaterThan(50);
    expect(await asking).toHaveLength(400_000);
  });

  it("ends a stream at its time and when nothing moves, and tells both ends why", async () => {
    for (const [limit, policy] of [
      ["time", { streamMsMax: 60_000, idleMsMax: 0 }],
      ["idle", { idleMsMax: 60_000 }],
    ] as const) {
      const clock = new ManualClock();
      const { a, hub, b } = await line(policy, ["hub"], clock);
      const link = await dial(a, [hub, b]);
      await until(() => b.table.openLinks().some(({ kind }) => kind === "relayed"));
      const atTarget = b.table.openLinks().find(({ kind }) => kind === "relayed")!.link;
      await clock.advance(59_000);
      expect(link.isOpen).toBe(true);
      await clock.advance(2000);
      for (const end of [link, atTarget]) {
        const { error } = await end.closed;
        const told = fromWireError((error as Error & { cause?: unknown }).cause);
        expect(told).toMatchObject({ code: "MESH_LIMIT", details: { limit, of: a.id } });
      }
      await until(() => hub.relay.status().all.openStreams === 0);
      expect(hub.relay.status().all.refused).toEqual({ [limit]: 1 });
    }
  });

  it("makes the writer wait when the reader is slow, and holds only its windows", async () => {
    const { a, hub, b } = await line();
    const link = await dial(a, [hub, b]);
    const stream = await link.openStream("test.hold", NONE);
    let written = 0;
    const writing = (async () => {
      for (let count = 0; count < 256; count++) {
        await stream.write(Buffer.alloc(1 << 18));
        written += 1 << 18;
      }
    })().catch(() => {});
    let before = -1;
    while (written !== before) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // One window of the inner link, two of the outer ones, and what is on its way.
    expect(written).toBeLessThan(16 << 20);
    stream.reset("DONE", "enough");
    await writing;
    expect(await link.request("echo", Buffer.from("still"))).toHaveLength(5);
  });

  it("holds only its windows of bytes that nobody takes, whatever the ends are", async () => {
    const { a, hub, b } = await line();
    // The link inside would hold the writer back by itself; these ends have none.
    b.acceptOver = () => new Promise(() => {});
    const header = encodeRelayHeader({ path: [hub.id, b.id], origin: a.id, via: [] });
    const stream = await rawStream(a, hub, header);
    let written = 0;
    const writing = (async () => {
      for (; written < 48 << 20; written += 1 << 18) await stream.write(Buffer.alloc(1 << 18));
    })().catch(() => {});
    for (let before = -1; written !== before; ) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(hub.relay.status().all.bytes).toBeLessThanOrEqual((4 << 20) + 2 * (1 << 18));
    expect(written).toBeLessThan(10 << 20);
    stream.reset("DONE", "enough");
    await writing;
  });

  it("ends each direction on its own", async () => {
    const { a, hub, b } = await line();
    const link = await dial(a, [hub, b]);
    const stream = await link.openStream("test.hash", NONE);
    await stream.write(Buffer.from("all of it"));
    stream.end();
    expect(await readAll(stream)).toHaveLength(32);
  });

  it("passes on a half that has ended, also of bytes that are no TLS", async () => {
    const { a, hub, b } = await line();
    const header = encodeRelayHeader({ path: [hub.id, b.id], origin: a.id, via: [] });
    const stream = await rawStream(a, hub, header);
    stream.end();
    await expect(readAll(stream)).rejects.toMatchObject({ name: "QWormholeError" });
    await until(() => hub.relay.status().all.openStreams === 0);
  });

  it("breaks off what it passes on when it closes, and takes nothing more", async () => {
    const { a, hub, b } = await line();
    const link = await dial(a, [hub, b]);
    hub.relay.close();
    expect((await link.closed).error).toBeInstanceOf(Error);
    expect(await errorOf(dial(a, [hub, b]))).toMatchObject({ code: "MESH_STOPPING" });
  });

  it("gives a dial up when it is aborted, and frees the stream", async () => {
    const { a, hub, b } = await line();
    await dial(a, [hub, b]);
    const controller = new AbortController();
    const dialling = dial(a, [hub, b], controller.signal);
    controller.abort();
    expect(await errorOf(dialling)).toMatchObject({ code: "MESH_CANCELLED" });
    await until(() => hub.relay.status().all.openStreams === 1);
  });

  it("runs over links in memory as well", async () => {
    const made = await mesh({ transport: memoryTransport() });
    const a = await made.node("a");
    const hub = await made.node("hub");
    const b = await made.node("b", serving());
    a.knows(hub);
    hub.knows(b);
    const link = await dial(a, [hub, b]);
    expect(await link.request("echo", Buffer.alloc(100_000))).toHaveLength(100_000);
  });
});
