import { encodeMessage, type NodeId, silentLogger } from "@hearthmesh/core";
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import { dialLink, type Link, listenLinks, memoryTransport } from "@hearthmesh/qwormhole";
import { ManualClock } from "@hearthmesh/qwormhole/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MeshLinks, OpenLink, ServiceAnnouncement } from "../ports.js";
import { signAnnouncement } from "./announcement.js";
import { RouteRuntime } from "./route-runtime.js";
import { encodeAnnounce, ROUTE_ANNOUNCE, ROUTE_DIGEST } from "./route-wire.js";

const web: ServiceAnnouncement = {
  name: "web",
  capabilities: ["ai"],
  protocol: "http",
  health: "ok",
  load: 0,
};

/** The links of one node, opened by the test. */
class TestLinks implements MeshLinks {
  readonly #open: OpenLink[] = [];
  readonly #listeners = new Set<(open: OpenLink, isOpen: boolean) => void>();

  add(link: Link, kind: "direct" | "relayed" = "direct"): void {
    const open: OpenLink = { link, kind, via: [] };
    this.#open.push(open);
    for (const listener of this.#listeners) listener(open, true);
    void link.closed.then(() => {
      this.#open.splice(this.#open.indexOf(open), 1);
      for (const listener of this.#listeners) listener(open, false);
    });
  }

  openLink(nodeId: NodeId): Link | undefined {
    return this.#open.find(({ link }) => link.peer.nodeId === nodeId)?.link;
  }

  async linkTo(nodeId: NodeId): Promise<Link> {
    const link = this.openLink(nodeId);
    if (link === undefined) throw new Error("no link");
    return link;
  }

  openLinks(): readonly OpenLink[] {
    return this.#open;
  }

  onLink(listener: (open: OpenLink, isOpen: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.5 };

class TestNode {
  readonly #pair = generateKeyPair();
  readonly nodeId = this.#pair.nodeId;
  readonly publicKey = publicKeyDerOf(this.#pair.publicKeyPem);
  readonly sign = signerOf(this.#pair.privateKeyPem);
  readonly links = new TestLinks();
  readonly runtime: RouteRuntime;
  changes = 0;

  constructor(
    readonly clock: ManualClock,
    keys: Map<NodeId, Uint8Array>,
    relays = true,
  ) {
    keys.set(this.nodeId, this.publicKey);
    this.runtime = new RouteRuntime({
      self: { nodeId: this.nodeId, sign: this.sign },
      relays,
      links: this.links,
      publicKeyOf: (nodeId) => keys.get(nodeId),
      clock,
      random,
      log: silentLogger,
    });
    this.runtime.onChange(() => this.changes++);
  }

  get options() {
    const identity = { publicKey: this.publicKey, sign: this.sign };
    return { identity, handlers: this.runtime.handlers, clock: this.clock, pingIntervalMs: 500 };
  }
}

async function connect(a: TestNode, b: TestNode, roundTripMs: number): Promise<Link> {
  const transport = memoryTransport({ clock: a.clock, latencyMs: roundTripMs / 2 });
  const address = { host: b.nodeId, port: 1 };
  await listenLinks(transport, address, b.options, (link) => b.links.add(link));
  const dialled = dialLink(transport, address, { ...a.options, expectedNodeId: b.nodeId });
  await a.clock.advance(roundTripMs * 5);
  const link = await dialled;
  a.links.add(link);
  return link;
}

describe("routes over links", () => {
  let clock: ManualClock;
  let nodes: TestNode[];
  let keys: Map<NodeId, Uint8Array>;
  let [a, b, c, d, e]: TestNode[] = [];

  beforeEach(async () => {
    clock = new ManualClock();
    keys = new Map();
    nodes = Array.from({ length: 5 }, () => new TestNode(clock, keys));
    [a, b, c, d, e] = nodes;
    for (const { runtime } of nodes) await runtime.start();
  });

  afterEach(async () => {
    for (const { runtime, links } of nodes) {
      await runtime.stop();
      for (const { link } of [...links.openLinks()]) link.destroy(new Error("the test is over"));
    }
    await clock.advance(100);
  });

  async function chain(): Promise<Link[]> {
    const links = [await connect(a!, b!, 10), await connect(b!, c!, 20), await connect(c!, d!, 30)];
    await clock.advance(8000);
    return links;
  }

  it("go along a chain, with next hop and measured cost, and services spread", async () => {
    d!.runtime.setServices([web]);
    await chain();
    const route = a!.runtime.routes().find(({ target }) => target === d!.nodeId);
    expect(route?.nextHop).toBe(b!.nodeId);
    expect(route?.path).toEqual([b!.nodeId, c!.nodeId, d!.nodeId]);
    expect(route?.costMs).toBeCloseTo(60, 0);
    expect(a!.runtime.costMsTo(b!.nodeId)).toBeCloseTo(10, 0);
    expect(a!.runtime.announcedServices()).toEqual([{ nodeId: d!.nodeId, services: [web] }]);
    expect(d!.runtime.announcedServices()).toEqual([{ nodeId: d!.nodeId, services: [web] }]);
    const changes = a!.changes;
    d!.runtime.setServices([{ ...web, health: "failing" }]);
    await clock.advance(1200);
    expect(a!.runtime.announcedServices()[0]?.services[0]?.health).toBe("failing");
    expect(a!.changes).toBeGreaterThan(changes);
    expect(a!.runtime.pathsTo(e!.nodeId)).toEqual([]);
    expect(a!.runtime.costMsTo(e!.nodeId)).toBeUndefined();
  });

  it("lead around a hop that is cut, for those far away too", async () => {
    const [, , last] = await chain();
    await connect(b!, e!, 50);
    await connect(e!, d!, 50);
    await clock.advance(8000);
    const nextHops = () => a!.runtime.pathsTo(d!.nodeId).map(({ path }) => path[1]);
    expect(nextHops()[0]).toBe(c!.nodeId);
    last!.destroy(new Error("cut"));
    await clock.advance(300);
    expect(nextHops()).toEqual([e!.nodeId]);
    expect(b!.runtime.pathsTo(d!.nodeId)[0]?.path).toEqual([e!.nodeId, d!.nodeId]);
    // A slow link that becomes the best way again.
    await connect(c!, d!, 30);
    await clock.advance(6000);
    expect(nextHops()[0]).toBe(c!.nodeId);
  });

  it("avoid a next hop that failed, for the time that was said", async () => {
    await connect(a!, b!, 10);
    await connect(b!, d!, 10);
    await connect(a!, c!, 30);
    await connect(c!, d!, 30);
    await clock.advance(8000);
    const nextHop = () => a!.runtime.pathsTo(d!.nodeId)[0]?.path[0];
    expect(nextHop()).toBe(b!.nodeId);
    a!.runtime.avoid(b!.nodeId, 5000);
    expect(nextHop()).toBe(c!.nodeId);
    expect(a!.runtime.pathsTo(d!.nodeId)[1]?.path[0]).toBe(b!.nodeId);
    await clock.advance(5001);
    expect(nextHop()).toBe(b!.nodeId);
  });

  it("do not lead through a node that membership calls dead", async () => {
    await chain();
    a!.runtime.memberChanged(c!.nodeId, "dead");
    expect(a!.runtime.pathsTo(d!.nodeId)).toEqual([]);
    a!.runtime.memberChanged(c!.nodeId, "alive");
    expect(a!.runtime.pathsTo(d!.nodeId).length).toBe(1);
  });

  it("do not lead to a node that is called dead, though its link has not broken yet", async () => {
    await chain();
    const isListed = () => a!.runtime.routes().some(({ target }) => target === b!.nodeId);
    expect(isListed()).toBe(true);
    a!.runtime.memberChanged(b!.nodeId, "dead");
    expect(isListed()).toBe(false);
    a!.runtime.memberChanged(b!.nodeId, "alive");
    expect(isListed()).toBe(true);
  });

  it("count a second link to the same node once, and a relayed link not at all", async () => {
    const first = await connect(a!, b!, 10);
    await connect(a!, b!, 10);
    await clock.advance(3000);
    first.destroy(new Error("one of two"));
    await clock.advance(100);
    expect(a!.runtime.pathsTo(b!.nodeId).length).toBe(1);
    expect(b!.runtime.pathsTo(a!.nodeId).length).toBe(1);
    const transport = memoryTransport();
    const address = { host: "e", port: 1 };
    await listenLinks(transport, address, e!.options, (link) => e!.links.add(link, "relayed"));
    a!.links.add(await dialLink(transport, address, a!.options), "relayed");
    await clock.advance(3000);
    expect(a!.runtime.pathsTo(e!.nodeId)).toEqual([]);
  });

  it("survive a neighbour that sends nonsense, forgeries and far too much", async () => {
    const link = await connect(b!, a!, 2);
    await clock.advance(3000);
    const refused = async (method: string, body: Uint8Array | Uint8Array[], code: string) => {
      const answer = expect(link.request(method, body)).rejects.toMatchObject({ remoteCode: code });
      await clock.advance(50);
      await answer;
    };
    await refused(ROUTE_ANNOUNCE, new Uint8Array(3), "MESH_PROTOCOL");
    await refused(ROUTE_ANNOUNCE, encodeMessage({ v: 2 }), "MESH_BAD_REQUEST");
    await refused(ROUTE_ANNOUNCE, new Uint8Array(600_000), "MESH_BAD_REQUEST");
    const endless = Uint8Array.from([0, 0, 0, 0, 255, 255, 255, 255]);
    await refused(ROUTE_ANNOUNCE, encodeMessage({ v: 1 }, endless), "MESH_BAD_REQUEST");
    await refused(ROUTE_DIGEST, encodeMessage({ v: 1 }), "MESH_BAD_REQUEST");
    await refused(ROUTE_DIGEST, encodeMessage({ v: 1, isAnswer: 1 }), "MESH_BAD_REQUEST");
    const many = new Uint8Array(44 * 1500);
    await refused(ROUTE_DIGEST, encodeMessage({ v: 1, isAnswer: true }, many), "MESH_BAD_REQUEST");
    await refused("route.other", new Uint8Array(0), "MESH_NOT_FOUND");
    const common = { epoch: 2 ** 40, sequence: 1, relays: true, neighbours: [], services: [web] };
    const forged = signAnnouncement({ nodeId: c!.nodeId, ...common }, b!.sign);
    const { pieces } = encodeAnnounce(
      Array.from({ length: 20 }, () => ({ bytes: forged, ageMs: 0 })),
    );
    for (let batch = 0; batch < 5; batch++) {
      const answer = link.request(ROUTE_ANNOUNCE, pieces);
      await clock.advance(20);
      await answer;
    }
    await refused(ROUTE_ANNOUNCE, pieces, "MESH_LIMIT");
    expect(a!.runtime.counters.forged).toBe(80);
    expect(a!.runtime.counters.requestsRefused).toBe(9);
    expect(a!.runtime.announcedServices()).toEqual([]);
    await clock.advance(20_000);
    b!.runtime.setServices([web]);
    await clock.advance(1500);
    expect(a!.runtime.announcedServices().length).toBe(1);
  });

  it("answer nothing before start and after stop, and can be started again", async () => {
    const link = await connect(b!, a!, 2);
    await clock.advance(1000);
    await a!.runtime.stop();
    await a!.runtime.stop();
    const answer = expect(link.request(ROUTE_ANNOUNCE, encodeAnnounce([]).pieces)).rejects;
    const stopping = answer.toMatchObject({ remoteCode: "MESH_STOPPING" });
    await clock.advance(50);
    await stopping;
    expect(a!.runtime.routes()).toEqual([]);
    await a!.runtime.start();
    await clock.advance(3000);
    expect(a!.runtime.routes().map(({ target }) => target)).toEqual([b!.nodeId]);
  });

  it("refuse services that are too many or of no form", () => {
    const limit = expect.objectContaining({ code: "MESH_LIMIT" });
    const many = Array.from({ length: 65 }, (_, index) => ({ ...web, name: `web-${index}` }));
    expect(() => a!.runtime.setServices(many)).toThrow(limit);
    expect(() => a!.runtime.setServices([{ ...web, load: -1 }])).toThrow(/load/);
    expect(a!.runtime.announcedServices()).toEqual([]);
  });
});
