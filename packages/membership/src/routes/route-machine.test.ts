import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ANNOUNCEMENT_LIFE_MS, DEAD_KEEP_MS, RENEWAL_MS, TOMBSTONE_MS } from "./limits.js";
import { forge, idOf, keyOf, nameOf, offer, RouteMesh, web } from "./testing/route-mesh.js";

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
      const mesh = new RouteMesh(7, seed);
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
      mesh.run(4 * 60_000);
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
    const mesh = new RouteMesh(5);
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

  it("that was lost is made up for by the next comparison of views", () => {
    const mesh = new RouteMesh(2);
    mesh.connect(0, 1);
    mesh.run(100_000);
    mesh.loss = 1;
    mesh.tell(0, { type: "services", services: [web] });
    mesh.run(100);
    mesh.loss = 0;
    mesh.run(31_000);
    expect(mesh.machine(1).services().length).toBe(1);
  });

  it("heals after a partition at once, by the digests that new links exchange", () => {
    const mesh = new RouteMesh(4);
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
    const mesh = new RouteMesh(3);
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
    const mesh = new RouteMesh(2);
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
    const mesh = new RouteMesh(2);
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

describe("nodes that are gone", () => {
  it("relay nothing from the moment they are dead, and are forgotten after a while", () => {
    const mesh = new RouteMesh(4);
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
    const mesh = new RouteMesh(3);
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
