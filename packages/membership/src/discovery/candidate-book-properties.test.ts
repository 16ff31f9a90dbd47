import type { NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { id } from "../testing/wire-fixtures.js";
import type { BookEvent } from "./book-events.js";
import { FOUND_METHODS } from "./candidate.js";
import { DIAL_BACKOFF_MAX_MS, DIALS_MAX, DIRECT_RETRY_MS } from "./limits.js";
import { BookHarness } from "./testing/book-harness.js";

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

function perform(harness: BookHarness, one: Action): void {
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
        const harness = new BookHarness({ dialsMax: 3, candidatesMax: 8, seed });
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
        const harness = new BookHarness({ dialsMax: 3, seed });
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
    const harness = new BookHarness();
    for (let number = 1; number <= 100; number++) harness.found(number, `10.0.0.${number}:1`);
    harness.failAllUntil(30_000);
    harness.step({ type: "network-changed" });
    harness.found(200, "10.0.0.200:1");
    expect(harness.underWay.size).toBe(DIALS_MAX);
    harness.fail([...harness.underWay.keys()][0]!);
    expect(harness.lastDial.expectedNodeId).toBe(id(200));
  });
});
