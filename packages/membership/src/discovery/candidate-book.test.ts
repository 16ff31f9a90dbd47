import type { NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { id } from "../testing/wire-fixtures.js";
import type { BookEffect, BookEvent } from "./book-events.js";
import { FOUND_METHODS } from "./candidate.js";
import { CandidateBook } from "./candidate-book.js";
import { DIAL_BACKOFF_MAX_MS, DIALS_MAX, DIRECT_RETRY_MS } from "./limits.js";
import { seededRandom } from "./testing/test-node.js";

const SELF = id(999);
type Dial = Extract<BookEffect, { type: "dial" }>;

/** A book with the time and the dials that are under way. */
class Harness {
  readonly book: CandidateBook;
  nowMs = 0;
  readonly underWay = new Map<number, Dial>();
  readonly dials: { atMs: number; dial: Dial }[] = [];

  constructor(options: { dialsMax?: number; candidatesMax?: number; seed?: string } = {}) {
    const { seed = "book", ...rest } = options;
    this.book = new CandidateBook({ selfNodeId: SELF, random: seededRandom(seed), ...rest });
  }

  step(event: BookEvent): readonly BookEffect[] {
    const effects = this.book.step(event, this.nowMs);
    for (const effect of effects) {
      if (effect.type !== "dial") continue;
      this.underWay.set(effect.dialId, effect);
      this.dials.push({ atMs: this.nowMs, dial: effect });
    }
    return effects;
  }

  found(node: number, address: string, more: object = {}): void {
    this.step({ type: "found", method: "gossip", nodeId: id(node), addresses: [address], ...more });
  }

  place(address: string): void {
    this.step({ type: "found", method: "static", addresses: [address] });
  }

  fail(dialId: number): void {
    const addresses = this.underWay.get(dialId)?.addresses ?? [];
    this.underWay.delete(dialId);
    const failures = addresses.map((address) => ({ address, reason: "x", hint: "y" }));
    this.step({ type: "dial-failed", dialId, failures });
  }

  succeed(dialId: number, nodeId: NodeId): void {
    const address = this.underWay.get(dialId)?.addresses[0] ?? "";
    this.underWay.delete(dialId);
    this.step({ type: "link-opened", nodeId, kind: "direct" });
    this.step({ type: "dial-succeeded", dialId, nodeId, address });
  }

  /** Lets the time pass; every dial fails at once. */
  failAllUntil(untilMs: number): void {
    for (;;) {
      for (const dialId of [...this.underWay.keys()]) this.fail(dialId);
      const { wakeMs } = this.book;
      if (this.underWay.size > 0) continue;
      if (wakeMs === undefined || wakeMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, wakeMs);
      this.step({ type: "wake" });
    }
    this.nowMs = untilMs;
  }

  get lastDial(): Dial {
    return this.dials.at(-1)!.dial;
  }
}

describe("when a candidate is dialled", () => {
  it("is at once, then with waits that grow to a minute, for ever", () => {
    const harness = new Harness();
    harness.found(1, "10.0.0.1:9000");
    expect(harness.lastDial.expectedNodeId).toBe(id(1));
    harness.failAllUntil(24 * 3_600_000);
    const gaps = harness.dials.map(
      ({ atMs }, index) => atMs - (harness.dials[index - 1]?.atMs ?? 0),
    );
    expect(Math.max(...gaps)).toBeLessThanOrEqual(DIAL_BACKOFF_MAX_MS);
    expect(Math.min(...gaps.slice(1))).toBeGreaterThanOrEqual(1_000);
    const meanMs = gaps.slice(-500).reduce((sum, gap) => sum + gap, 0) / 500;
    expect(meanMs).toBeGreaterThan(DIAL_BACKOFF_MAX_MS * 0.4);
    expect(meanMs).toBeLessThan(DIAL_BACKOFF_MAX_MS * 0.6);
  });

  it("is soon again after a change of the network or a new start of the node", () => {
    for (const event of [
      { type: "network-changed" },
      { type: "found", method: "beacon", nodeId: id(1), addresses: [], boot: 2 },
    ] satisfies BookEvent[]) {
      const harness = new Harness();
      harness.found(1, "10.0.0.1:9000");
      harness.failAllUntil(3_600_000);
      const before = harness.dials.length;
      harness.step(event);
      harness.failAllUntil(harness.nowMs + 1_000);
      expect(harness.dials.length).toBeGreaterThan(before);
      expect(harness.book.report()[0]?.attempts).toBeLessThan(3);
    }
  });

  it("is not with every beacon of a node whose links do not answer", () => {
    const harness = new Harness();
    for (let beacon = 0; beacon < 720; beacon++) {
      harness.found(1, "10.0.0.1:9000", { method: "beacon", boot: 1 });
      harness.failAllUntil(harness.nowMs + 5_000);
    }
    expect(harness.dials.length).toBeGreaterThan(200);
    expect(harness.dials.length).toBeLessThan(700);
  });

  it("is not while a direct link is open, and soon after it closed", () => {
    const harness = new Harness();
    harness.found(1, "10.0.0.1:9000");
    harness.succeed(harness.lastDial.dialId, id(1));
    expect(harness.book.wakeMs).toBeUndefined();
    harness.found(1, "10.0.0.7:9000", { method: "beacon", boot: 3 });
    harness.failAllUntil(3_600_000);
    expect(harness.dials).toHaveLength(1);
    harness.step({ type: "link-closed", nodeId: id(1), kind: "direct" });
    harness.failAllUntil(harness.nowMs + 1_001);
    expect(harness.dials.length).toBeGreaterThan(1);
  });

  it("backs off from a link that opens and closes again and again", () => {
    const harness = new Harness();
    harness.found(1, "10.0.0.1:9000");
    while (harness.nowMs < 3_600_000) {
      for (const dialId of [...harness.underWay.keys()]) {
        harness.succeed(dialId, id(1));
        harness.step({ type: "link-closed", nodeId: id(1), kind: "direct" });
      }
      harness.nowMs = Math.max(harness.nowMs, harness.book.wakeMs ?? Number.POSITIVE_INFINITY);
      harness.step({ type: "wake" });
    }
    expect(harness.dials.length).toBeLessThan(200);
  });

  it("is now and then for a direct path, when the link is relayed or others see it alive", () => {
    for (const event of [
      { type: "link-opened", nodeId: id(1), kind: "relayed" },
      { type: "peer-state", nodeId: id(1), state: "alive" },
    ] satisfies BookEvent[]) {
      const harness = new Harness();
      harness.found(1, "10.0.0.1:9000");
      harness.fail(harness.lastDial.dialId);
      harness.step(event);
      harness.failAllUntil(3_600_000);
      const perHour = 3_600_000 / DIRECT_RETRY_MS;
      expect(harness.dials.length).toBeGreaterThan(perHour * 0.7);
      expect(harness.dials.length).toBeLessThan(perHour * 1.4);
      harness.step({ type: "network-changed" });
      harness.succeed(harness.lastDial.dialId, id(1));
      expect(harness.book.report()[0]?.link).toBe("direct");
    }
  });
});

describe("who left and who was removed", () => {
  it("is not dialled, until its own word or a person's comes", () => {
    const harness = new Harness();
    harness.found(1, "10.0.0.1:9000");
    expect(harness.step({ type: "left", nodeId: id(1) })[0]?.type).toBe("abort-dial");
    harness.fail(harness.lastDial.dialId);
    harness.found(1, "10.0.0.1:9000");
    harness.failAllUntil(3_600_000);
    expect(harness.dials).toHaveLength(1);
    harness.found(1, "10.0.0.1:9000", { method: "beacon", boot: 2 });
    expect(harness.dials).toHaveLength(2);
  });

  it("is tried slowly when somebody configured it", () => {
    const harness = new Harness();
    harness.found(1, "10.0.0.1:9000", { method: "invite" });
    harness.step({ type: "peer-state", nodeId: id(1), state: "left" });
    harness.failAllUntil(3_600_000);
    expect(harness.dials.length).toBeGreaterThan(20);
  });

  it("is gone for good once removed, also in the middle of a dial", () => {
    const harness = new Harness();
    harness.found(1, "10.0.0.1:9000");
    const { dialId } = harness.lastDial;
    expect(harness.step({ type: "removed", nodeId: id(1) })).toEqual([
      { type: "abort-dial", dialId },
    ]);
    for (const method of FOUND_METHODS) harness.found(1, "10.0.0.1:9000", { method, boot: 9 });
    harness.step({ type: "link-opened", nodeId: id(1), kind: "relayed" });
    harness.step({ type: "network-changed" });
    expect(harness.book.size).toBe(0);
    harness.found(2, "10.0.0.2:9000");
    expect(harness.lastDial.expectedNodeId).toBe(id(2));
    harness.fail(harness.lastDial.dialId);
    harness.step({ type: "left", nodeId: id(2) });
    harness.step({ type: "restored", nodeId: id(1) });
    harness.found(1, "10.0.0.1:9000");
    expect(harness.dials).toHaveLength(2);
    harness.fail(dialId);
    expect(harness.dials).toHaveLength(3);
  });
});

describe("places without a node id", () => {
  it("become the node's that answers, and stand alone again when it does not", () => {
    const harness = new Harness();
    harness.place("10.0.0.1:9000");
    expect(harness.lastDial.expectedNodeId).toBeUndefined();
    harness.succeed(harness.lastDial.dialId, id(1));
    expect(harness.book.report()).toHaveLength(1);
    expect(harness.book.report()[0]).toMatchObject({ nodeId: id(1), link: "direct" });
    harness.place("10.0.0.1:9000");
    expect(harness.book.size).toBe(1);
    harness.step({ type: "link-closed", nodeId: id(1), kind: "direct" });
    harness.failAllUntil(10_000);
    expect(harness.lastDial.expectedNodeId).toBeUndefined();
    expect(harness.book.report()[0]?.lastError).toBe("10.0.0.1:9000: x. y");
    harness.nowMs += 60_000;
    harness.step({ type: "wake" });
    harness.succeed(harness.lastDial.dialId, id(2));
    expect(harness.book.report()).toHaveLength(1);
    expect(harness.book.isLinked(id(2))).toBe(true);
  });

  it("are not dialled while the node that was there has a link", () => {
    const harness = new Harness();
    harness.place("10.0.0.1:9000");
    harness.succeed(harness.lastDial.dialId, id(1));
    harness.step({ type: "link-closed", nodeId: id(1), kind: "direct" });
    harness.failAllUntil(10_000);
    harness.step({ type: "link-opened", nodeId: id(1), kind: "direct" });
    const before = harness.dials.length;
    harness.failAllUntil(600_000);
    expect(harness.dials).toHaveLength(before);
    expect(harness.book.report()).toHaveLength(1);
  });

  it("are forgotten when they are withdrawn, and are taken from nobody but people", () => {
    const harness = new Harness();
    harness.step({ type: "found", method: "gossip", addresses: ["10.0.0.9:1"] });
    harness.step({ type: "found", method: "hub", addresses: ["10.0.0.1:1", "10.0.0.2:1"] });
    expect(harness.book.size).toBe(2);
    harness.step({ type: "withdrawn", method: "hub", addresses: ["10.0.0.1:1"] });
    expect(harness.book.report().map(({ addresses }) => addresses)).toEqual([["10.0.0.2:1"]]);
  });

  it("that lead to this node itself say so, and are tried once a minute at most", () => {
    const harness = new Harness();
    harness.place("10.0.0.1:9000");
    const { dialId } = harness.lastDial;
    harness.step({ type: "dial-failed", dialId, failures: [], isSelf: true });
    expect(harness.book.report()[0]?.lastError).toContain("is this node itself");
    expect(harness.book.wakeMs).toBeGreaterThanOrEqual(60_000);
  });
});

describe("bounds", () => {
  it("keeps eight addresses, the configured one among them, what worked first", () => {
    const harness = new Harness();
    harness.place("10.0.0.1:9000");
    harness.succeed(harness.lastDial.dialId, id(1));
    for (let port = 1; port <= 30; port++) {
      harness.nowMs += 1;
      harness.found(1, `10.0.0.2:${port}`);
    }
    const addresses = harness.book.report()[0]?.addresses;
    expect(addresses).toHaveLength(8);
    expect(addresses?.slice(0, 2)).toEqual(["10.0.0.1:9000", "10.0.0.2:30"]);
  });

  it("makes room for new candidates, and never at the cost of configured ones", () => {
    const harness = new Harness({ candidatesMax: 3 });
    harness.place("10.0.0.1:1");
    harness.found(1, "10.0.0.2:1");
    harness.found(2, "10.0.0.3:1");
    for (const dialId of [...harness.underWay.keys()]) harness.fail(dialId);
    for (let node = 3; node < 20; node++) {
      harness.found(node, "10.0.0.4:1");
      for (const dialId of [...harness.underWay.keys()]) harness.fail(dialId);
    }
    expect(harness.book.size).toBe(3);
    expect(harness.book.report()[0]?.addresses).toEqual(["10.0.0.1:1"]);
  });
});

/** Events about six nodes, of which node 6 gets removed; answers of dials are by their place. */
type Action =
  | { kind: "event"; event: BookEvent }
  | { kind: "end"; index: number; answer: number }
  | { kind: "time"; ms: number };

const node = fc.integer({ min: 1, max: 6 }).map(id);
const address = fc.integer({ min: 1, max: 9 }).map((host) => `10.0.0.${host}:9000`);
const link = fc.constantFrom("direct" as const, "relayed" as const);
const event: fc.Arbitrary<BookEvent> = fc.oneof(
  fc.record({
    type: fc.constant("found" as const),
    method: fc.constantFrom(...FOUND_METHODS),
    addresses: fc.array(address, { maxLength: 3 }),
    nodeId: node,
    boot: fc.nat(3),
  }),
  fc.record({
    type: fc.constant("found" as const),
    method: fc.constantFrom(...FOUND_METHODS),
    addresses: fc.array(address, { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constantFrom("left" as const, "removed" as const, "restored" as const),
    nodeId: node,
  }),
  fc.record({
    type: fc.constant("peer-state" as const),
    nodeId: node,
    state: fc.constantFrom("alive" as const, "suspect" as const, "dead" as const, "left" as const),
  }),
  fc.record({
    type: fc.constantFrom("link-opened" as const, "link-closed" as const),
    nodeId: node,
    kind: link,
  }),
  fc.record({
    type: fc.constant("withdrawn" as const),
    method: fc.constantFrom(...FOUND_METHODS),
    addresses: fc.array(address, { maxLength: 3 }),
  }),
  fc.constant({ type: "network-changed" as const }),
);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: event.map((one) => ({ kind: "event" as const, event: one })) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      index: fc.nat(9),
      answer: fc.nat(8),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.nat(90_000) }) },
);

function perform(harness: Harness, one: Action): void {
  if (one.kind === "event") {
    harness.step(one.event);
    return;
  }
  if (one.kind === "time") {
    harness.nowMs += one.ms;
    harness.step({ type: "wake" });
    return;
  }
  const dialId = [...harness.underWay.keys()][one.index % (harness.underWay.size || 1)];
  if (dialId === undefined) return;
  const expected = harness.underWay.get(dialId)?.expectedNodeId;
  if (one.answer === 0 || one.answer > 6) harness.fail(dialId);
  else harness.succeed(dialId, expected ?? id(one.answer));
}

describe("for any row of events", () => {
  it("keeps the invariants", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), fc.string(), (actions, seed) => {
        const harness = new Harness({ dialsMax: 3, candidatesMax: 8, seed });
        const removed = new Set<NodeId>();
        for (const one of actions) {
          const before = harness.dials.length;
          if (one.kind === "event" && one.event.type === "removed") removed.add(one.event.nodeId);
          if (one.kind === "event" && one.event.type === "restored") {
            removed.delete(one.event.nodeId);
          }
          perform(harness, one);
          for (const { dial } of harness.dials.slice(before)) {
            expect(removed.has(dial.expectedNodeId as NodeId)).toBe(false);
            expect(dial.addresses.length).toBeGreaterThan(0);
            if (dial.expectedNodeId) expect(harness.book.isLinked(dial.expectedNodeId)).toBe(false);
          }
          const ids = [...harness.underWay.values()].flatMap((dial) => dial.expectedNodeId ?? []);
          expect(new Set(ids).size).toBe(ids.length);
          expect(harness.underWay.size).toBeLessThanOrEqual(3);
          expect(harness.book.dialsUnderWay).toBe(harness.underWay.size);
          expect(harness.book.size).toBeLessThanOrEqual(8 + 9);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("tries every candidate again that is neither linked nor gone", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), fc.string(), (actions, seed) => {
        const harness = new Harness({ dialsMax: 3, seed });
        for (const one of actions) perform(harness, one);
        harness.failAllUntil(harness.nowMs + 1);
        const wanted = harness.book.report().filter(({ nextAttemptMs }) => nextAttemptMs);
        const before = harness.dials.length;
        harness.failAllUntil(harness.nowMs + 2 * DIAL_BACKOFF_MAX_MS + DIRECT_RETRY_MS);
        const tried = new Set(harness.dials.slice(before).flatMap(({ dial }) => dial.addresses));
        for (const { addresses } of wanted) {
          expect(addresses.every((text) => tried.has(text))).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("lets no crowd of dead candidates keep a new one waiting", () => {
    const harness = new Harness();
    for (let number = 1; number <= 100; number++) harness.found(number, `10.0.0.${number}:1`);
    harness.failAllUntil(30_000);
    harness.step({ type: "network-changed" });
    harness.found(200, "10.0.0.200:1");
    expect(harness.underWay.size).toBe(DIALS_MAX);
    harness.fail([...harness.underWay.keys()][0]!);
    expect(harness.lastDial.expectedNodeId).toBe(id(200));
  });
});
