import { canonicalJson, type NodeId } from "@hearthmesh/core";
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { ServiceAnnouncement } from "../ports.js";
import { type RouteAnnouncement, signAnnouncement } from "./announcement.js";
import { ANNOUNCEMENT_LIFE_MS, DEAD_KEEP_MS, RENEWAL_MS, TOMBSTONE_MS } from "./limits.js";
import type { RouteEffect, RouteEvent } from "./route-events.js";
import { routeGraph } from "./route-graph.js";
import { RouteMachine } from "./route-machine.js";
import { RouteTable } from "./route-table.js";

const keys = Array.from({ length: 7 }, () => {
  const pair = generateKeyPair();
  const sign = signerOf(pair.privateKeyPem);
  return { nodeId: pair.nodeId, publicKey: publicKeyDerOf(pair.publicKeyPem), sign };
});
type Key = (typeof keys)[number];
const keyOf = (index: number) => keys[index] as Key;
const idOf = (index: number) => keyOf(index).nodeId;
const publicKeys = new Map(keys.map(({ nodeId, publicKey }) => [nodeId, publicKey]));
const web: ServiceAnnouncement = {
  name: "web",
  capabilities: [],
  protocol: "http",
  health: "ok",
  load: 0,
};

/** Machines, links between them, and a virtual clock; deliveries get lost, twice and reordered. */
class Mesh {
  readonly machines: RouteMachine[] = [];
  nowMs = 0;
  loss = 0;
  twice = 0;
  delayMsMax = 30;
  #state: number;
  readonly #up = new Set<string>();
  readonly #queue: { atMs: number; to: number; link: string; event: RouteEvent }[] = [];

  constructor(size: number, seed = 1) {
    this.#state = (Math.imul(seed + 1, 0x9e37_79b1) >>> 0) | 1;
    for (let index = 0; index < size; index++) this.start(index, 1_000_000);
  }

  random = () => {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) / 2 ** 32;
  };

  /** A new life, without links. */
  start(index: number, epoch: number): void {
    for (const link of [...this.#up]) {
      const [a, b] = link.split("-").map(Number) as [number, number];
      if (a === index || b === index) this.disconnect(a, b);
    }
    const { random } = this;
    const publicKeyOf = (nodeId: NodeId) => publicKeys.get(nodeId);
    const options = { self: keyOf(index), relays: true, epoch, publicKeyOf, random };
    this.machines[index] = new RouteMachine(options, this.nowMs);
  }

  connect(a: number, b: number, ms = 10): void {
    const link = nameOf(a, b);
    if (a === b || this.#up.has(link)) return;
    this.#up.add(link);
    const common = { type: "link-up", kind: "direct", roundTripMs: ms } as const;
    this.tell(a, { ...common, nodeId: idOf(b) });
    this.tell(b, { ...common, nodeId: idOf(a) });
  }

  disconnect(a: number, b: number): void {
    if (!this.#up.delete(nameOf(a, b))) return;
    this.tell(a, { type: "link-down", nodeId: idOf(b) });
    this.tell(b, { type: "link-down", nodeId: idOf(a) });
  }

  tell(index: number, event: RouteEvent): RouteEffect[] {
    const effects = this.machine(index).step(event, this.nowMs);
    for (const effect of effects) this.#perform(index, effect);
    return effects;
  }

  machine(index: number): RouteMachine {
    return this.machines[index] as RouteMachine;
  }

  run(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const wakes = this.machines.map(({ wakeMs }) => wakeMs);
      const wakeMs = Math.min(...wakes);
      const next = this.#queue[0];
      const isDelivery = next !== undefined && next.atMs <= wakeMs;
      const atMs = isDelivery ? next.atMs : wakeMs;
      if (atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (!isDelivery) this.tell(wakes.indexOf(wakeMs), { type: "wake" });
      else if (this.#queue.shift() && this.#up.has(next.link)) this.tell(next.to, next.event);
    }
    this.nowMs = untilMs;
  }

  view(index: number): string {
    const all = [...this.machine(index).announcements()].map((one) => ({
      ...one,
      neighbours: [...one.neighbours].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
    }));
    return canonicalJson(all.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)));
  }

  table(index: number): RouteTable {
    return new RouteTable(routeGraph(this.machine(index).announcements()));
  }

  #perform(from: number, effect: RouteEffect): void {
    if (effect.type === "changed") return;
    const to = keys.findIndex(({ nodeId }) => nodeId === effect.to);
    const event: RouteEvent =
      effect.type === "send"
        ? { type: "announcements", from: idOf(from), announcements: effect.announcements }
        : { ...effect, type: "digest", from: idOf(from) };
    const copies = this.random() < this.loss ? 0 : this.random() < this.twice ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const atMs = this.nowMs + 1 + this.random() * this.delayMsMax;
      this.#queue.push({ atMs, to, link: nameOf(from, to), event });
    }
    this.#queue.sort((a, b) => a.atMs - b.atMs);
  }
}

const nameOf = (a: number, b: number) => `${Math.min(a, b)}-${Math.max(a, b)}`;

function forge(change: Partial<RouteAnnouncement>, signer: Key): Uint8Array {
  const common = { epoch: 9_000_000, sequence: 1, relays: true, neighbours: [], services: [] };
  return signAnnouncement({ nodeId: signer.nodeId, ...common, ...change }, signer.sign);
}

const offer = (bytes: Uint8Array, from = idOf(1), ageMs = 0): RouteEvent => {
  return { type: "announcements", from, announcements: [{ bytes, ageMs }] };
};

describe("a flood", () => {
  it("reaches all, whatever is lost, doubled, reordered, cut and restarted on the way", () => {
    const pairs = fc.array(fc.tuple(fc.nat(6), fc.nat(6)), { minLength: 2, maxLength: 9 });
    const happenings = fc.array(
      fc.record({
        what: fc.constantFrom("cut", "heal", "restart", "measure", "serve", "jump"),
        a: fc.nat(6),
        b: fc.nat(6),
        afterMs: fc.integer({ min: 0, max: 4000 }),
      }),
      { maxLength: 12 },
    );
    const property = fc.property(pairs, happenings, fc.nat(), (extra, list, seed) => {
      const mesh = new Mesh(7, seed);
      mesh.loss = 0.3;
      mesh.twice = 0.2;
      mesh.delayMsMax = 400;
      const all = [...extra, ...[1, 2, 3, 4, 5, 6].map((to) => [to - 1, to] as [number, number])];
      for (const [a, b] of all) mesh.connect(a, b);
      for (const { what, a, b, afterMs } of list) {
        if (what === "cut") mesh.disconnect(a, b);
        if (what === "heal" && all.some(([c, d]) => nameOf(c, d) === nameOf(a, b))) {
          mesh.connect(a, b);
        }
        if (what === "restart") mesh.start(a, 1_000_000 + mesh.nowMs);
        // A clock that was set back by an hour, and by more than there was.
        if (what === "jump") mesh.start(a, b > 3 ? 1 : 1_000_000 - 3_600_000 + mesh.nowMs);
        if (what === "measure") mesh.tell(a, { type: "round-trip", nodeId: idOf(b), ms: 7 * b });
        if (what === "serve") mesh.tell(a, { type: "services", services: [{ ...web, load: b }] });
        mesh.run(afterMs);
      }
      for (const [a, b] of all) mesh.connect(a, b);
      mesh.loss = 0;
      // Each node compares its view with one neighbour in 30 s, and what was throttled or damped
      // comes meanwhile; the longest way has 6 links.
      mesh.run(7 * 60_000);
      const views = mesh.machines.map((_, index) => mesh.view(index));
      expect(new Set(views).size).toBe(1);
      expect(mesh.machine(0).announcements().length).toBe(7);
      for (const index of mesh.machines.keys()) {
        expect(mesh.table(index).routes().length).toBe(6);
        expect(mesh.machine(index).counters.forged).toBe(0);
      }
    });
    fc.assert(property, { numRuns: 25 });
  }, 60_000);

  it("without loss takes no more than the delays, and ends", () => {
    const mesh = new Mesh(5);
    for (const to of [1, 2, 3, 4]) mesh.connect(to - 1, to);
    mesh.run(1000);
    expect(new Set(mesh.machines.map((_, index) => mesh.view(index))).size).toBe(1);
    const sent = () => mesh.machines.reduce((sum, { counters }) => sum + counters.forwarded, 0);
    const before = sent();
    mesh.tell(0, { type: "services", services: [web] });
    mesh.run(300);
    expect(mesh.machine(4).services()).toEqual([{ nodeId: idOf(0), services: [web] }]);
    expect(sent() - before).toBe(4);
    mesh.run(10_000);
    expect(sent() - before).toBe(4);
  });

  it("heals after a partition at once, by the digests that new links exchange", () => {
    const mesh = new Mesh(4);
    for (const [a, b] of [
      [0, 1],
      [1, 2],
      [2, 3],
    ] as const)
      mesh.connect(a, b);
    mesh.run(1000);
    mesh.disconnect(1, 2);
    mesh.run(1000);
    expect(
      mesh
        .table(0)
        .routes()
        .map(({ target }) => target),
    ).toEqual([idOf(1)]);
    mesh.tell(3, { type: "services", services: [web] });
    mesh.run(5000);
    mesh.connect(1, 2);
    mesh.run(400);
    expect(mesh.machine(0).services()).toEqual([{ nodeId: idOf(3), services: [web] }]);
    expect(mesh.table(0).pathsTo(idOf(3))[0]?.path).toEqual([idOf(1), idOf(2), idOf(3)]);
  });
});

describe("own announcements", () => {
  it("go above those of an earlier life whose clock was ahead", () => {
    const mesh = new Mesh(3);
    for (const to of [1, 2]) mesh.connect(to - 1, to);
    mesh.run(1000);
    const before = mesh.machine(0).number.epoch;
    mesh.start(0, before - 3_600_000);
    mesh.tell(0, { type: "services", services: [web] });
    mesh.connect(0, 1);
    mesh.run(1000);
    expect(mesh.machine(0).number.epoch).toBe(before + 1);
    expect(mesh.machine(2).services()).toEqual([{ nodeId: idOf(0), services: [web] }]);
    expect(mesh.machine(0).counters.surpassed).toBe(1);
  });

  it("are gathered, damped and renewed", () => {
    const mesh = new Mesh(2);
    mesh.connect(0, 1, 10);
    mesh.run(1000);
    const issued = () => mesh.machine(0).counters.issued;
    const measure = (ms: number) => mesh.tell(0, { type: "round-trip", nodeId: idOf(1), ms });
    expect(issued()).toBe(1);
    measure(12.4);
    measure(8);
    mesh.run(10_000);
    expect(issued()).toBe(1);
    measure(20);
    mesh.run(100);
    expect(issued()).toBe(2);
    measure(40);
    mesh.run(4800);
    expect(issued()).toBe(2);
    mesh.run(200);
    expect(issued()).toBe(3);
    mesh.run(10_000);
    mesh.tell(0, { type: "services", services: [web] });
    mesh.run(100);
    expect(issued()).toBe(4);
    mesh.tell(0, { type: "services", services: [{ ...web, health: "failing" }] });
    mesh.run(800);
    expect(issued()).toBe(4);
    mesh.run(200);
    expect(issued()).toBe(5);
    mesh.tell(0, { type: "services", services: [{ ...web, health: "failing", load: 3 }] });
    mesh.run(8000);
    expect(issued()).toBe(5);
    mesh.run(2000);
    expect(issued()).toBe(6);
    mesh.run(RENEWAL_MS);
    expect(issued()).toBe(7);
  });

  it("of a link that flaps become few, and the last state is announced", () => {
    const mesh = new Mesh(2);
    for (let round = 0; round < 200; round++) {
      mesh.connect(0, 1);
      mesh.run(60);
      mesh.disconnect(0, 1);
      mesh.run(60);
    }
    expect(mesh.machine(0).counters.issued).toBeLessThanOrEqual(16 + 24 + 1);
    mesh.connect(0, 1);
    mesh.run(2000);
    expect(mesh.table(1).routes().length).toBe(1);
    expect(mesh.machine(1).announcements()[1]?.neighbours.length).toBe(1);
  });
});

describe("what others send", () => {
  let mesh: Mesh;
  beforeEach(() => {
    mesh = new Mesh(4);
    for (const to of [1, 2, 3]) mesh.connect(to - 1, to);
    mesh.run(1000);
  });
  const counters = () => mesh.machine(0).counters;

  it("is refused and not passed on when its node did not sign it", () => {
    const view = mesh.view(0);
    const bytes = signAnnouncement({ ...forgedBase(idOf(3)), epoch: 9_000_000 }, keyOf(1).sign);
    expect(mesh.tell(0, offer(bytes))).toEqual([]);
    expect(counters().forged).toBe(1);
    expect(mesh.view(0)).toBe(view);
  });

  it("is refused when it claims to be this node's own next life", () => {
    const before = mesh.machine(0).number;
    const bytes = signAnnouncement({ ...forgedBase(idOf(0)), epoch: 2 ** 47 }, keyOf(1).sign);
    mesh.tell(0, offer(bytes));
    expect(mesh.machine(0).number).toEqual(before);
    expect(counters().surpassed).toBe(0);
  });

  it("changes nothing when it is a replay of an older one", () => {
    const old = forge({ epoch: 999_999, sequence: 77 }, keyOf(3));
    const oldSequence = forge({ epoch: 1_000_000, sequence: 0 + 1 }, keyOf(3));
    mesh.tell(3, { type: "services", services: [web] });
    mesh.run(1000);
    const view = mesh.view(0);
    for (const bytes of [old, oldSequence]) expect(mesh.tell(0, offer(bytes))).toEqual([]);
    expect(mesh.view(0)).toBe(view);
    expect(counters().stale).toBeGreaterThanOrEqual(2);
  });

  it("attracts no ways by links that the other end does not announce", () => {
    const neighbours = [idOf(0), idOf(2), idOf(3)].map((nodeId) => {
      return { nodeId, roundTripMs: 0.1, kind: "direct" as const };
    });
    const before = mesh.table(0).pathsTo(idOf(3));
    mesh.tell(0, offer(forge({ neighbours }, keyOf(1))));
    expect(mesh.table(0).pathsTo(idOf(3))).toEqual(before);
    expect(before[0]?.path).toEqual([idOf(1), idOf(2), idOf(3)]);
  });

  it("is dropped when it is huge or no announcement, and a bad batch is not read to its end", () => {
    const bad = [new Uint8Array(40_000), new Uint8Array(0), new Uint8Array(500).fill(1)];
    for (const bytes of bad) expect(mesh.tell(0, offer(bytes))).toEqual([]);
    expect(counters().malformed).toBe(3);
    const announcements = Array.from({ length: 40 }, () => ({ bytes: bad[1]!, ageMs: 0 }));
    mesh.tell(0, { type: "announcements", from: idOf(1), announcements });
    expect(counters().malformed).toBe(3 + 16);
  });

  it("is held back when one node announces without end", () => {
    for (let sequence = 1; sequence <= 200; sequence++) {
      mesh.tell(0, offer(forge({ sequence }, keyOf(3))));
    }
    expect(counters().throttled).toBeGreaterThan(100);
    const held = mesh.machine(0).numbers.find(({ nodeId }) => nodeId === idOf(3));
    mesh.nowMs += 10_000;
    mesh.tell(0, offer(forge({ sequence: 500 }, keyOf(3))));
    expect(held?.sequence).toBeLessThan(100);
    const { sequence } = mesh.machine(0).numbers.find(({ nodeId }) => nodeId === idOf(3))!;
    expect(sequence).toBe(500);
  });

  it("waits for a key, and counts once the key is known", () => {
    const stranger = generateKeyPair();
    const signer = {
      nodeId: stranger.nodeId,
      publicKey: publicKeyDerOf(stranger.publicKeyPem),
      sign: signerOf(stranger.privateKeyPem),
    };
    expect(mesh.tell(0, offer(forge({ services: [web] }, signer)))).toEqual([]);
    expect(mesh.machine(0).sizes.waiting).toBe(1);
    publicKeys.set(stranger.nodeId, signer.publicKey);
    const effects = mesh.tell(0, { type: "key-known", nodeId: stranger.nodeId });
    publicKeys.delete(stranger.nodeId);
    expect(effects.map(({ type }) => type)).toEqual(["send", "changed"]);
    expect(
      mesh
        .machine(0)
        .services()
        .map(({ nodeId }) => nodeId),
    ).toEqual([stranger.nodeId]);
    expect(mesh.machine(0).sizes.waiting).toBe(0);
  });

  it("never waits in greater number than the limit", () => {
    for (let index = 0; index < 200; index++) {
      const nodeId = `${"abcdefghijklmnop"[index % 16]}${"abcdefghijklmnop"[index >> 4]}`;
      const bytes = signAnnouncement(
        forgedBase(nodeId.repeat(26).slice(0, 51).concat("a") as NodeId),
        keyOf(1).sign,
      );
      mesh.tell(0, offer(bytes));
    }
    expect(mesh.machine(0).sizes.waiting).toBe(128);
  });
});

describe("nodes that are gone", () => {
  it("relay nothing from the moment they are dead, and are forgotten after a while", () => {
    const mesh = new Mesh(4);
    for (const [a, b] of [
      [0, 1],
      [1, 3],
      [0, 2],
      [2, 3],
    ] as const)
      mesh.connect(a, b, 5 + a + b);
    mesh.run(1000);
    mesh.tell(1, { type: "services", services: [web] });
    mesh.run(1000);
    expect(mesh.table(0).pathsTo(idOf(3))[0]?.path[0]).toBe(idOf(1));
    mesh.tell(0, { type: "member", nodeId: idOf(1), state: "dead" });
    expect(
      mesh
        .table(0)
        .pathsTo(idOf(3))
        .map(({ path }) => path[0]),
    ).toEqual([idOf(2)]);
    expect(mesh.machine(0).services()).toEqual([]);
    mesh.tell(0, { type: "member", nodeId: idOf(1), state: "alive" });
    expect(mesh.machine(0).services().length).toBe(1);
    mesh.tell(0, { type: "member", nodeId: idOf(1), state: "left" });
    mesh.run(DEAD_KEEP_MS + 20_000);
    mesh.tell(0, { type: "member", nodeId: idOf(1), state: "alive" });
    expect(mesh.machine(0).services()).toEqual([]);
  });

  it("end 15 minutes after their last word, also where it came late, and do not come back", () => {
    const mesh = new Mesh(3);
    mesh.connect(0, 1);
    mesh.run(1000);
    const bytes = forge({}, keyOf(3));
    mesh.tell(0, offer(bytes));
    const knows = (index: number) =>
      mesh
        .machine(index)
        .announcements()
        .some(({ nodeId }) => nodeId === idOf(3));
    mesh.run(ANNOUNCEMENT_LIFE_MS - 60_000);
    // A newcomer learns of it late, with its age.
    mesh.connect(1, 2);
    mesh.run(1000);
    expect([0, 1, 2].map(knows)).toEqual([true, true, true]);
    mesh.run(80_000);
    expect([0, 1, 2].map(knows)).toEqual([false, false, false]);
    expect(mesh.tell(0, offer(bytes))).toEqual([]);
    expect(knows(0)).toBe(false);
    mesh.run(TOMBSTONE_MS + 20_000);
    expect(mesh.machine(0).numbers.some(({ nodeId }) => nodeId === idOf(3))).toBe(false);
  });
});

function forgedBase(nodeId: NodeId): RouteAnnouncement {
  return { nodeId, epoch: 5, sequence: 5, relays: true, neighbours: [], services: [web] };
}
