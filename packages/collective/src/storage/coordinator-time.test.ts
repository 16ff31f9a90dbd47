import { generateKeyPairSync, sign } from "node:crypto";
import type { Clock, NodeId, TrustDomain } from "@hearthmesh/core";
import type { Peer } from "@hearthmesh/qwormhole";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CoordinatorTime } from "./coordinator-time.js";
import { NodeAccess } from "./node-access.js";
import { laterMark, readMark, type SeenMark, SeenMarkKeeper } from "./seen-mark.js";
import { signTicket } from "./tickets.js";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** A machine's clocks: the wall clock is off, and may jump; the steady one is its own. */
class OddClock implements Clock {
  trueMs = 1_800_000_000_000;
  aheadMs = 0;
  nowMs = () => this.trueMs + this.aheadMs;
  monotonicMs = () => this.trueMs - 1_700_000_000_000;
  setTimeout(): { cancel(): void } {
    throw new Error("no timers here");
  }
}

function access(clock: OddClock) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const time = new CoordinatorTime(clock);
  const node = new NodeAccess({
    nodeId: "node" as NodeId,
    trustDomain: "home.alice" as TrustDomain,
    nowMs: () => time.nowMs(),
  });
  node.register({
    receiptKey: new Uint8Array(32),
    epoch: 1,
    coordinatorPublicKey: publicKey.export({ type: "spki", format: "der" }),
  });
  const ticketUntil = (notAfterMs: number) =>
    signTicket(
      {
        ...{ v: 1, operation: "read", holder: "reader" as NodeId, nodes: ["node" as NodeId] },
        ...{ chunkIds: [], epoch: 1, notAfterMs, issuedAtMs: notAfterMs - 5 * MINUTE_MS },
      },
      (bytes) => sign(null, bytes, privateKey),
    );
  const takes = (ticket: string) => {
    try {
      node.checkTicket("chunk.get", ticket, { nodeId: "reader" } as Peer);
      return true;
    } catch {
      return false;
    }
  };
  return { time, ticketUntil, takes };
}

describe("tickets at a node whose clock is off", () => {
  it("count by the coordinator's clock, however far the own one is off", () => {
    for (const aheadMs of [-2 * DAY_MS, 2 * DAY_MS, 0]) {
      const clock = new OddClock();
      clock.aheadMs = aheadMs;
      const { time, ticketUntil, takes } = access(clock);
      time.heard(clock.trueMs, clock.monotonicMs());
      const ticket = ticketUntil(clock.trueMs + 5 * MINUTE_MS);
      expect(takes(ticket)).toBe(true);
      clock.trueMs += 4 * MINUTE_MS;
      expect(takes(ticket)).toBe(true);
      clock.trueMs += 2 * MINUTE_MS;
      expect(takes(ticket)).toBe(false);
      expect(Math.round(time.aheadMs)).toBe(aheadMs);
    }
  });

  it("are not touched by a jump of the own clock, and follow one of the coordinator's", () => {
    const clock = new OddClock();
    const { time, ticketUntil, takes } = access(clock);
    time.heard(clock.trueMs, clock.monotonicMs());
    const ticket = ticketUntil(clock.trueMs + 5 * MINUTE_MS);
    clock.aheadMs = 30 * DAY_MS;
    expect(takes(ticket)).toBe(true);
    time.heard(clock.trueMs - 2 * DAY_MS, clock.monotonicMs());
    expect(takes(ticketUntil(clock.trueMs - 2 * DAY_MS + 5 * MINUTE_MS))).toBe(true);
    expect(takes(ticketUntil(clock.trueMs - 2 * DAY_MS - MINUTE_MS))).toBe(false);
  });

  it("are judged by the own clock when an older coordinator does not say its time", () => {
    const clock = new OddClock();
    const time = new CoordinatorTime(clock);
    for (const nothing of [undefined, null, "soon", Number.NaN]) {
      time.heard(nothing, clock.monotonicMs());
    }
    expect(time.nowMs()).toBe(clock.nowMs());
  });

  it("count half of the way of the answer", () => {
    const clock = new OddClock();
    const time = new CoordinatorTime(clock);
    const askedMs = clock.monotonicMs();
    clock.trueMs += 2_000;
    time.heard(clock.trueMs - 1_000, askedMs);
    expect(time.nowMs()).toBe(clock.trueMs);
  });
});

describe("the mark of the furthest coordinator", () => {
  const mark = fc.record({ epoch: fc.nat(5), revision: fc.nat(5) });

  it("never goes back", () => {
    fc.assert(
      fc.property(fc.array(mark, { minLength: 1 }), (heard) => {
        let known: SeenMark | undefined;
        for (const one of heard) {
          const later = laterMark(known, one);
          const isAhead =
            known === undefined ||
            later.epoch > known.epoch ||
            (later.epoch === known.epoch && later.revision >= known.revision);
          expect(isAhead).toBe(true);
          known = later;
        }
        expect(known?.epoch).toBe(Math.max(...heard.map(({ epoch }) => epoch)));
      }),
    );
  });

  it("is read from anything without an error", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const read = readMark(value);
        if (read !== undefined) expect(read.epoch).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("is written when it grew, one write at a time, and the last one counts", async () => {
    const saved: SeenMark[] = [];
    let writing = 0;
    const keeper = new SeenMarkKeeper({
      mark: { epoch: 1, revision: 5 },
      save: async (later) => {
        expect(++writing).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        writing--;
        saved.push(later);
      },
    });
    keeper.heard({ epoch: 1, revision: 4 });
    keeper.heard({ layoutVersion: 3 });
    await keeper.settle();
    expect(saved).toEqual([]);
    for (let revision = 6; revision < 20; revision++) keeper.heard({ epoch: 1, revision });
    await keeper.settle();
    expect(saved.at(-1)).toEqual({ epoch: 1, revision: 19 });
    expect(saved.length).toBeLessThan(5);
  });
});
