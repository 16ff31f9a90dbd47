import { createHash, randomBytes } from "node:crypto";
import net, { type AddressInfo } from "node:net";
import {
  encodeMessage,
  MeshError,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { linkPair, ManualClock } from "@hearthmesh/qwormhole/testing";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { LoadMeter } from "./load-meter.js";
import { ServiceAccess, type ServiceAccessOptions } from "./service-access.js";
import type { ServiceInput } from "./service-definition.js";
import { ServiceRegistry } from "./service-registry.js";
import { ServiceStreams } from "./service-streams.js";
import { findCandidates, type ServiceCandidate } from "./service-target.js";

const A = "a".repeat(52) as NodeId;
const B = "b".repeat(52) as NodeId;
const C = "c".repeat(52) as NodeId;
const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.5 };

function candidate(more: Partial<ServiceCandidate> = {}): ServiceCandidate {
  return {
    nodeId: B,
    nodeName: "barn",
    service: "ollama",
    protocol: "http",
    capabilities: ["ai"],
    health: "ok",
    load: 0,
    costMs: 1,
    local: false,
    ...more,
  };
}

const all = [
  candidate(),
  candidate({ nodeId: A, nodeName: "attic", local: true, costMs: 0 }),
  candidate({ nodeId: A, nodeName: "attic", service: "wiki", capabilities: [], local: true }),
  candidate({ nodeId: C, nodeName: "cellar", service: "ai", capabilities: [] }),
];
const found = (target: string) =>
  findCandidates(target, all, random).map(({ nodeName, service }) => `${nodeName}:${service}`);

describe("a target", () => {
  it("is a service, a capability, a node, or a service of a node", () => {
    expect(found("ollama")).toEqual(["attic:ollama", "barn:ollama"]);
    // The name of a service goes before a capability of the same name.
    expect(found("ai")).toEqual(["cellar:ai"]);
    expect(found("barn")).toEqual(["barn:ollama"]);
    expect(found(B)).toEqual(["barn:ollama"]);
    for (const target of ["attic:wiki", "wiki@attic", `${A}:wiki`, `wiki@${A}`]) {
      expect(found(target)).toEqual(["attic:wiki"]);
    }
  });

  it("that fits nobody, or a node with several services, says what there is", () => {
    for (const target of [
      "nobody",
      "",
      "barn:wiki",
      "nowhere:ollama",
      "x".repeat(1000),
      ":",
      "@",
    ]) {
      expect(() => found(target)).toThrow(
        expect.objectContaining({
          code: "MESH_SERVICE_UNKNOWN",
          hint: expect.stringMatching(/ollama/),
        }),
      );
    }
    expect(() => found("attic")).toThrow(
      expect.objectContaining({
        code: "MESH_SERVICE_UNKNOWN",
        hint: expect.stringMatching(/attic:wiki/),
      }),
    );
  });

  it("has the healthy first, then the nearest by classes, then the least loaded", () => {
    const health = fc.constantFrom("ok", "unknown", "failing");
    const costMs = fc.option(fc.double({ min: 0, max: 40, noNaN: true }), { nil: undefined });
    const one = fc.record({ health, costMs, load: fc.nat(5), local: fc.boolean() });
    const rank = { ok: 0, unknown: 1, failing: 2 };
    const key = ({ health, costMs, load, local }: ServiceCandidate) => [
      rank[health],
      local ? -1 : costMs === undefined ? 1e9 : Math.floor(costMs / 5),
      load,
    ];
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), (list) => {
        const many = list.map((more) => candidate(more as Partial<ServiceCandidate>));
        const order = findCandidates("ollama", many, systemRandom()).map(key);
        const sorted = [...order].sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]! || a[2]! - b[2]!);
        expect(order).toEqual(sorted);
      }),
    );
  });
});

describe("the load of a service", () => {
  it("counts connections on which something is under way", () => {
    let nowMs = 0;
    const meter = new LoadMeter({ monotonicMs: () => nowMs });
    const listeners: (() => void)[] = [];
    const socket = {
      bytesRead: 0,
      bytesWritten: 0,
      once: (_event: "close", listener: () => void) => listeners.push(listener),
    };
    const look = () => {
      nowMs += 1_000;
      return meter.loadOf("x");
    };
    meter.add("x", socket);
    expect(meter.loadOf("x")).toBe(1);
    expect(look()).toBe(0);
    socket.bytesWritten = 10;
    expect([look(), look(), look()]).toEqual([1, 1, 1]);
    socket.bytesRead = 10;
    expect([look(), look()]).toEqual([1, 0]);
    socket.bytesWritten = 20;
    expect(look()).toBe(1);
    for (const listener of listeners) listener();
    expect(meter.loadOf("x")).toBe(0);
  });
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const closer of closers.splice(0).reverse()) await closer();
});

async function listen(onSocket: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

async function nodeWith(services: ServiceInput[], more: Partial<ServiceAccessOptions> = {}) {
  const registry = new ServiceRegistry({
    storage: { load: async () => [], save: async () => {} },
    ownPorts: () => [],
    log: silentLogger,
  });
  for (const service of services) await registry.add(service);
  const failed: string[] = [];
  const access = new ServiceAccess({
    self: A,
    registry,
    health: {
      healthOf: () => ({ health: "ok", failures: 0, reason: undefined }),
      connectFailed: (name, reason) => void failed.push(`${name}: ${reason}`),
    },
    announced: () => [],
    links: { linkTo: () => Promise.reject(new MeshError("MESH_NO_ROUTE")) },
    costMsTo: () => undefined,
    nameOf: () => undefined,
    clock: systemClock(),
    random: systemRandom(),
    log: silentLogger,
    ...more,
  });
  return { registry, access, failed };
}

/** The first node with a link to the second, which has the services. */
async function twoNodes(services: ServiceInput[]) {
  const far = await nodeWith(services, { self: B });
  const { dialer } = await linkPair({}, { handlers: far.access.handlers });
  closers.push(() => dialer.close("over", 0));
  const near = await nodeWith([], {
    announced: () => [{ nodeId: B, services: far.access.localServices() }],
    links: { linkTo: async () => dialer },
    nameOf: () => "barn",
  });
  return { near, far, link: dialer };
}

const hashServer = (socket: net.Socket) => {
  const hash = createHash("sha256");
  socket.write("who is there?");
  socket.on("data", (piece) => hash.update(piece));
  socket.on("end", () => socket.end(hash.digest("hex")));
};

describe("a connection to a service", () => {
  it.each(["here", "there"] as const)(
    "%s carries bytes both ways and half-closes",
    async (where) => {
      const service = { name: "sums", port: await listen(hashServer), protocol: "tcp" as const };
      const access =
        where === "here"
          ? (await nodeWith([service])).access
          : (await twoNodes([service])).near.access;
      const [place] = access.resolve("sums");
      const { duplex, authority } = await access.openConnection(place!, { requestId: "r1" });
      expect(authority).toBe(`127.0.0.1:${service.port}`);
      const body = randomBytes(3 << 20);
      duplex.end(body);
      let text = "";
      for await (const piece of duplex) text += piece;
      expect(text).toBe(`who is there?${createHash("sha256").update(body).digest("hex")}`);
    },
  );

  it("counts as load where the service runs, and only while it is open", async () => {
    const { near, far } = await twoNodes([{ name: "sums", port: await listen(() => {}) }]);
    const duplex = await near.access.open(near.access.resolve("sums")[0]!);
    expect(far.access.localServices()).toMatchObject([{ name: "sums", load: 1 }]);
    duplex.destroy();
    while (far.access.localServices()[0]?.load !== 0) await new Promise((r) => setTimeout(r, 5));
  });

  it("that cannot be opened says why, marks the service, and comes last next time", async () => {
    const { near, far } = await twoNodes([
      { name: "gone", port: await listen(() => {}) },
      { name: "other", port: 9 },
    ]);
    for (const closer of closers.splice(0, 1)) await closer();
    const [place] = near.access.resolve("gone");
    await expect(near.access.open(place!)).rejects.toMatchObject({
      code: "MESH_SERVICE_UNAVAILABLE",
      message: expect.stringContaining("nothing listens there"),
    });
    expect(far.failed).toHaveLength(1);
    expect(near.access.resolve("gone")[0]?.health).toBe("failing");
    await expect(near.access.open({ ...place!, service: "never-added" })).rejects.toMatchObject({
      code: "MESH_SERVICE_UNAVAILABLE",
      details: { reason: "MESH_SERVICE_UNKNOWN" },
    });
    const lost = await nodeWith([]);
    await expect(lost.access.open(place!)).rejects.toMatchObject({
      code: "MESH_SERVICE_UNAVAILABLE",
      details: { reason: "MESH_NO_ROUTE" },
    });
  });

  it("gives up when it is told to, or when nobody answers", async () => {
    const never = { links: { linkTo: () => new Promise<Link>(() => {}) } };
    const { access } = await nodeWith([], never);
    const stop = new AbortController();
    const opening = access.open(candidate(), { signal: stop.signal });
    stop.abort();
    await expect(opening).rejects.toMatchObject({ code: "MESH_CANCELLED" });
    const clock = new ManualClock();
    const patient = await nodeWith([], { ...never, clock });
    const waiting = patient.access.open(candidate());
    const result = expect(waiting).rejects.toMatchObject({ details: { reason: "MESH_TIMEOUT" } });
    await clock.advance(15_001);
    await result;
  });

  it("of a node that breaks off in the middle is destroyed on both sides", async () => {
    let accepted: net.Socket | undefined;
    const port = await listen((socket) => {
      accepted = socket;
      socket.resume();
    });
    const { near, link } = await twoNodes([{ name: "x", port }]);
    const duplex = await near.access.open(near.access.resolve("x")[0]!);
    duplex.write("hello");
    duplex.resume();
    duplex.on("error", () => {});
    const closed = new Promise<void>((resolve) => duplex.once("close", resolve));
    link.destroy(new Error("pulled"));
    await closed;
    // By a reset: a service must not take what came for the whole.
    while (accepted?.closed !== true) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(accepted.errored).toMatchObject({ code: "ECONNRESET" });
  });
});

describe("what another node may ask for", () => {
  it("is a registered service, by name, in a message of the right form", async () => {
    const { link } = await twoNodes([{ name: "x", port: await listen(() => {}) }]);
    const wrong: [string, Uint8Array, string][] = [
      ["service.open", Buffer.from("junk"), "MESH_PROTOCOL"],
      [
        "service.open",
        Buffer.concat(encodeMessage({ service: 7, requestId: "" })),
        "MESH_PROTOCOL",
      ],
      ["service.open", Buffer.concat(encodeMessage({ service: "x" })), "MESH_PROTOCOL"],
      [
        "service.open",
        Buffer.concat(encodeMessage({ service: "x", requestId: "r".repeat(2_000) })),
        "MESH_PROTOCOL",
      ],
      [
        "service.open",
        Buffer.concat(encodeMessage({ service: "127.0.0.1:22", requestId: "" })),
        "MESH_SERVICE_UNKNOWN",
      ],
      [
        "service.other",
        Buffer.concat(encodeMessage({ service: "x", requestId: "" })),
        "MESH_PROTOCOL",
      ],
    ];
    for (const [method, header, code] of wrong) {
      const stream = await link.openStream(method, header);
      await expect(stream.readable[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        remoteCode: code,
      });
    }
  });

  it("is limited for each node and in all, and places come back", async () => {
    const port = await listen((socket) => void socket.resume());
    const { registry } = await nodeWith([{ name: "x", port }]);
    const streams = new ServiceStreams({
      registry,
      health: { connectFailed() {} },
      load: new LoadMeter(systemClock()),
      connect: (await import("./service-network.js")).connectService,
      clock: systemClock(),
      log: silentLogger,
      streamsPerPeerMax: 2,
      streamsMax: 3,
    });
    const one = await linkPair({}, { handlers: streams.handlers });
    const other = await linkPair({}, { handlers: streams.handlers });
    closers.push(
      () => one.dialer.close("over", 0),
      () => other.dialer.close("over", 0),
    );
    const header = Buffer.concat(encodeMessage({ service: "x", requestId: "" }));
    const open = async (link: Link) => {
      const stream = await link.openStream("service.open", header);
      const first = await stream.readable[Symbol.asyncIterator]().next();
      expect(first.done).toBe(false);
      return stream;
    };
    const first = await open(one.dialer);
    await open(one.dialer);
    await expect(open(one.dialer)).rejects.toMatchObject({ remoteCode: "MESH_LIMIT" });
    await open(other.dialer);
    await expect(open(other.dialer)).rejects.toMatchObject({ remoteCode: "MESH_LIMIT" });
    expect(streams.count).toBe(3);
    first.reset("MESH_CANCELLED", "over");
    while (streams.count !== 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await open(other.dialer);
  });
});
