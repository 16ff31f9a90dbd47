import { describe, expect, it } from "vitest";
import { id } from "../testing/wire-fixtures.js";
import type { BookEvent } from "./book-events.js";
import { FOUND_METHODS } from "./candidate.js";
import { DIAL_BACKOFF_MAX_MS, DIRECT_RETRY_MS } from "./limits.js";
import { BookHarness } from "./testing/book-harness.js";

describe("when a candidate is dialled", () => {
  it("is at once, then with waits that grow to a minute, for ever", () => {
    const harness = new BookHarness();
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
      { type: "needed", nodeId: id(1) },
      { type: "found", method: "beacon", nodeId: id(1), addresses: [], boot: 2 },
    ] satisfies BookEvent[]) {
      const harness = new BookHarness();
      harness.found(1, "10.0.0.1:9000");
      harness.failAllUntil(3_600_000);
      const before = harness.dials.length;
      harness.step(event);
      harness.failAllUntil(harness.nowMs + 1_000);
      expect(harness.dials.length).toBeGreaterThan(before);
      expect(harness.book.report()[0]?.attempts).toBeLessThan(3);
    }
  });

  it("is not because it is needed, while it is linked or after it said that it leaves", () => {
    const harness = new BookHarness();
    harness.found(1, "10.0.0.1:9000");
    harness.succeed(harness.lastDial.dialId, id(1));
    harness.step({ type: "needed", nodeId: id(1) });
    harness.step({ type: "needed", nodeId: id(2) });
    harness.step({ type: "left", nodeId: id(1) });
    harness.step({ type: "link-closed", nodeId: id(1), kind: "direct" });
    harness.step({ type: "needed", nodeId: id(1) });
    harness.failAllUntil(harness.nowMs + 60_000);
    expect(harness.dials).toHaveLength(1);
  });

  it("is not with every beacon of a node whose links do not answer", () => {
    const harness = new BookHarness();
    for (let beacon = 0; beacon < 720; beacon++) {
      harness.found(1, "10.0.0.1:9000", { method: "beacon", boot: 1 });
      harness.failAllUntil(harness.nowMs + 5_000);
    }
    expect(harness.dials.length).toBeGreaterThan(200);
    expect(harness.dials.length).toBeLessThan(700);
  });

  it("is not while a direct link is open, and soon after it closed", () => {
    const harness = new BookHarness();
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
    const harness = new BookHarness();
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
      const harness = new BookHarness();
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
    const harness = new BookHarness();
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
    const harness = new BookHarness();
    harness.found(1, "10.0.0.1:9000", { method: "invite" });
    harness.step({ type: "peer-state", nodeId: id(1), state: "left" });
    harness.failAllUntil(3_600_000);
    expect(harness.dials.length).toBeGreaterThan(20);
  });

  it("is gone for good once removed, also in the middle of a dial", () => {
    const harness = new BookHarness();
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
    const harness = new BookHarness();
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
    const harness = new BookHarness();
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
    const harness = new BookHarness();
    harness.step({ type: "found", method: "gossip", addresses: ["10.0.0.9:1"] });
    harness.step({ type: "found", method: "hub", addresses: ["10.0.0.1:1", "10.0.0.2:1"] });
    expect(harness.book.size).toBe(2);
    harness.step({ type: "withdrawn", method: "hub", addresses: ["10.0.0.1:1"] });
    expect(harness.book.report().map(({ addresses }) => addresses)).toEqual([["10.0.0.2:1"]]);
  });

  it("that lead to this node itself say so, and are tried once a minute at most", () => {
    const harness = new BookHarness();
    harness.place("10.0.0.1:9000");
    const { dialId } = harness.lastDial;
    harness.step({ type: "dial-failed", dialId, failures: [], isSelf: true });
    expect(harness.book.report()[0]?.lastError).toContain("is this node itself");
    expect(harness.book.wakeMs).toBeGreaterThanOrEqual(60_000);
  });
});

describe("bounds", () => {
  it("keeps eight addresses, the configured one among them, what worked first", () => {
    const harness = new BookHarness();
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
    const harness = new BookHarness({ candidatesMax: 3 });
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
