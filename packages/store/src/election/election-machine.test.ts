import { beforeEach, describe, expect, it } from "vitest";
import type { ElectionEvent, SeenLeader, Sight } from "./election-events.js";
import { ElectionMachine } from "./election-machine.js";

const LEASE_MS = 1000;

function leaderKey(modRevision: number, rest: Partial<SeenLeader> = {}): SeenLeader {
  const key = { nodeId: "other", session: "o1", epoch: 3, modRevision, leaseId: 9, data: null };
  return { ...key, ...rest };
}

function sight(revision: number, leader?: SeenLeader): Sight {
  return { revision, leader };
}

describe("ElectionMachine", () => {
  let machine: ElectionMachine;
  let nowMs: number;
  let sleptMs: number;

  const step = (event: ElectionEvent) =>
    machine.step(event, { monotonicMs: nowMs, wallMs: nowMs + sleptMs });
  const types = (event: ElectionEvent) => step(event).map((effect) => effect.type);
  const trusted = () => machine.isTrusted({ monotonicMs: nowMs, wallMs: nowMs + sleptMs });
  const own = (modRevision: number) =>
    leaderKey(modRevision, { nodeId: "me", session: "s1", epoch: 4, leaseId: 10 });

  /** Leads with the key of revision 5, campaign sent at 0. */
  function lead(): void {
    step({ type: "start" });
    expect(step({ type: "seen", sight: sight(4) })).toEqual([
      { type: "campaign", attempt: 1, replaces: 0 },
    ]);
    expect(types({ type: "won", attempt: 1, leader: own(5) })).toEqual(["tookOver"]);
  }

  beforeEach(() => {
    nowMs = 0;
    sleptMs = 0;
    const jitter = () => 0.5;
    machine = new ElectionMachine({ nodeId: "me", session: "s1", leaseTimeMs: LEASE_MS, jitter });
  });

  it("does nothing before its start, looks at once, and campaigns for a free key", () => {
    expect(step({ type: "tick" })).toEqual([]);
    expect(machine.dueMs).toBeUndefined();
    expect(types({ type: "start" })).toEqual(["look"]);
    expect(types({ type: "seen", sight: sight(4) })).toEqual(["campaign"]);
    expect(machine.dueMs).toBe(200);
  });

  it("trusts its lease for 0.6 of its time from when the campaign was sent", () => {
    step({ type: "start" });
    step({ type: "seen", sight: sight(4) });
    nowMs = 150;
    step({ type: "won", attempt: 1, leader: own(5) });
    nowMs = 599;
    expect(trusted()).toBe(true);
    nowMs = 600;
    expect(trusted()).toBe(false);
    expect(step({ type: "tick" })).toMatchObject([
      { type: "steppedDown", epoch: 4, reason: "not-renewed" },
      { type: "release", attempt: 1 },
      { type: "look" },
    ]);
    expect(machine.leading).toBeUndefined();
    expect(machine.leader).toBeUndefined();
  });

  it("counts a renewal from when it was sent, not from when it was answered", () => {
    lead();
    nowMs = 200;
    expect(step({ type: "tick" })).toEqual([{ type: "renew", attempt: 1, renewal: 1 }]);
    nowMs = 590;
    step({ type: "renewed", renewal: 1, sight: sight(6, own(5)) });
    nowMs = 799;
    expect(trusted()).toBe(true);
    nowMs = 800;
    expect(trusted()).toBe(false);
  });

  it("sends at most three renewals without an answer, then waits for the end of its trust", () => {
    lead();
    const sent = [200, 400, 599, 599].map((atMs) => {
      nowMs = atMs;
      return types({ type: "tick" });
    });
    expect(sent).toEqual([["renew"], ["renew"], [], []]);
    expect(machine.dueMs).toBe(600);
  });

  it("tries a failed renewal again soon, and steps down when the lease has ended", () => {
    lead();
    nowMs = 200;
    step({ type: "tick" });
    step({ type: "renewalFailed", renewal: 1, leaseEnded: false });
    expect(machine.dueMs).toBe(250);
    nowMs = 250;
    step({ type: "tick" });
    expect(step({ type: "renewalFailed", renewal: 2, leaseEnded: true })).toContainEqual({
      type: "steppedDown",
      epoch: 4,
      reason: "lease-ended",
    });
  });

  it("does not hold what is late for true: stopped for long, the answer changes nothing", () => {
    lead();
    nowMs = 200;
    step({ type: "tick" });
    nowMs = 5000;
    const effects = types({ type: "renewed", renewal: 1, sight: sight(6, own(5)) });
    expect(effects).toContain("steppedDown");
    expect(machine.leading).toBeUndefined();
  });

  it("after a sleep it acts again only when a renewal was answered that was sent since", () => {
    lead();
    nowMs = 200;
    step({ type: "tick" });
    sleptMs = 3_600_000;
    expect(trusted()).toBe(false);
    expect(step({ type: "renewed", renewal: 1, sight: sight(6, own(5)) })).toEqual([
      { type: "renew", attempt: 1, renewal: 2 },
    ]);
    expect(trusted()).toBe(false);
    step({ type: "renewed", renewal: 2, sight: sight(6, own(5)) });
    expect(trusted()).toBe(true);
    sleptMs = -3_600_000;
    expect(trusted()).toBe(true);
  });

  it("steps down when its key is another's or gone, and not for old news", () => {
    lead();
    expect(step({ type: "seen", sight: sight(4) })).toEqual([]);
    expect(machine.leading).toBeDefined();
    expect(types({ type: "seen", sight: sight(7, leaderKey(7)) })).toContain("steppedDown");
    expect(machine.leader?.nodeId).toBe("other");
    step({ type: "seen", sight: sight(6) });
    expect(machine.leader?.nodeId).toBe("other");
  });

  it("gives back a campaign that was won too late, or that newer news overtook", () => {
    step({ type: "start" });
    step({ type: "seen", sight: sight(4) });
    nowMs = 600;
    expect(types({ type: "tick" })).toContain("release");
    expect(types({ type: "won", attempt: 1, leader: own(5) })).toContain("release");
    expect(machine.leading).toBeUndefined();

    nowMs = 2000;
    expect(step({ type: "tick" })).toContainEqual({ type: "campaign", attempt: 2, replaces: 5 });
    step({ type: "seen", sight: sight(9, leaderKey(9)) });
    expect(types({ type: "won", attempt: 2, leader: own(8) })).toContain("release");
    expect(machine.leading).toBeUndefined();
    expect(machine.leader?.nodeId).toBe("other");
  });

  it("gives a slow store more time with each campaign that took too long", () => {
    step({ type: "start" });
    step({ type: "seen", sight: sight(4) });
    const givenMs = [1, 2, 3, 4].map(() => {
      const sentMs = nowMs;
      nowMs = machine.dueMs ?? 0;
      expect(types({ type: "tick" })).toContain("release");
      const given = nowMs - sentMs;
      nowMs += 200;
      expect(types({ type: "tick" })).toContain("campaign");
      return given;
    });
    expect(givenMs).toEqual([200, 400, 600, 600]);
    step({ type: "won", attempt: 5, leader: own(9) });
    expect(machine.leading).toBeDefined();
  });

  it("waits longer after each failure, up to a tenth of the lease time", () => {
    step({ type: "start" });
    const waitsMs = [1, 2, 3, 4].map(() => {
      step({ type: "lookFailed" });
      const waitMs = (machine.dueMs ?? 0) - nowMs;
      nowMs += waitMs;
      step({ type: "tick" });
      return waitMs;
    });
    expect(waitsMs).toEqual([37.5, 75, 75, 75]);
  });

  it("follows another leader, looks at its key once in a lease time, and waits for its end", () => {
    step({ type: "start" });
    expect(step({ type: "seen", sight: sight(4, leaderKey(3)) })).toEqual([]);
    expect(machine.settled).toBe(true);
    nowMs = LEASE_MS;
    expect(types({ type: "tick" })).toEqual(["look"]);
    expect(step({ type: "seen", sight: sight(8) })).toEqual([]);
    nowMs += 25;
    expect(step({ type: "tick" })).toEqual([{ type: "campaign", attempt: 1, replaces: 0 }]);
    const beaten = { type: "beaten", attempt: 1, sight: sight(9, leaderKey(9)) } as const;
    expect(types(beaten)).toContain("release");
    expect(machine.leader?.modRevision).toBe(9);
  });

  it.each([
    ["of its earlier run", leaderKey(3, { nodeId: "me", session: "s0" })],
    ["without a lease", leaderKey(3, { leaseId: 0 })],
  ])("replaces a key %s at once", (_name, leader) => {
    step({ type: "start" });
    expect(step({ type: "seen", sight: sight(4, leader) })).toContainEqual({
      type: "campaign",
      attempt: 1,
      replaces: 3,
    });
  });

  it("does not fight with a second process that has its identity", () => {
    lead();
    const twin = leaderKey(7, { nodeId: "me", session: "twin" });
    expect(types({ type: "seen", sight: sight(7, twin) })).toContain("steppedDown");
    nowMs = 10_000;
    expect(types({ type: "tick" })).toEqual(["look"]);
  });

  it("replaces a suspected leader, and forgets a suspicion after two lease times", () => {
    step({ type: "start" });
    step({ type: "seen", sight: sight(4, leaderKey(3)) });
    expect(step({ type: "suspected", nodeId: "third" })).toEqual([]);
    const campaign = { type: "campaign", attempt: 1, replaces: 3 };
    expect(step({ type: "suspected", nodeId: "other" })).toEqual([campaign]);
    step({ type: "failed", attempt: 1 });
    nowMs = 100;
    expect(step({ type: "tick" })).toEqual([{ ...campaign, attempt: 2 }]);
    step({ type: "failed", attempt: 2 });
    nowMs = 2000;
    expect(types({ type: "tick" })).not.toContain("campaign");
    expect(machine.dueMs).toBeGreaterThan(nowMs);
  });

  it("does not take the lead by suspicion again and again", () => {
    step({ type: "start" });
    let revision = 3;
    let attempt = 0;
    const suspectAt = (atMs: number) => {
      nowMs = atMs;
      revision++;
      step({ type: "seen", sight: sight(revision, leaderKey(revision)) });
      // It may have led before: the wait after that is over.
      nowMs += 60;
      const effects = step({ type: "suspected", nodeId: "other" });
      const [campaign] = effects.filter(({ type }) => type === "campaign");
      if (campaign === undefined) return false;
      revision++;
      step({ type: "won", attempt: ++attempt, leader: own(revision) });
      return true;
    };
    // Forbidden for 5, then 10 lease times.
    const asked = [1, 1000, 5500, 6500, 15_400, 16_600].map(suspectAt);
    expect(asked).toEqual([true, false, true, false, false, true]);
    expect(suspectAt(10_000_000)).toBe(true);
    expect(suspectAt(10_004_900)).toBe(false);
    expect(suspectAt(10_006_000)).toBe(true);
  });

  it("steps down when a guard of this leadership failed, not for one of an earlier", () => {
    lead();
    expect(step({ type: "fenced", modRevision: 3 })).toEqual([]);
    expect(types({ type: "fenced", modRevision: 5 })).toContain("steppedDown");
  });

  it("rests after it resigned, and one lease time at most once another leads no more", () => {
    lead();
    step({ type: "resign", forMs: 4 * LEASE_MS });
    nowMs = 50;
    // Its own key is gone: this is what the rest is for.
    expect(types({ type: "seen", sight: sight(6) })).not.toContain("campaign");
    nowMs = 1_100;
    expect(types({ type: "tick" })).not.toContain("campaign");
    step({ type: "seen", sight: sight(7, leaderKey(7)) });
    nowMs = 2_000;
    step({ type: "seen", sight: sight(8) });
    nowMs = 2_999;
    expect(types({ type: "tick" })).not.toContain("campaign");
    nowMs = 3_000;
    expect(types({ type: "tick" })).toContain("campaign");
  });

  it("rests to the end when nobody else takes the lead", () => {
    lead();
    step({ type: "resign", forMs: 4 * LEASE_MS });
    step({ type: "seen", sight: sight(6) });
    nowMs = 3_999;
    expect(types({ type: "tick" })).not.toContain("campaign");
    nowMs = 4_000;
    expect(types({ type: "tick" })).toContain("campaign");
  });

  it("resigns at its end and gives back what comes later", () => {
    lead();
    expect(step({ type: "stop" })).toEqual([
      { type: "steppedDown", epoch: 4, reason: "resigned" },
      { type: "release", attempt: 1 },
    ]);
    expect(machine.dueMs).toBeUndefined();
    expect(step({ type: "seen", sight: sight(9) })).toEqual([]);
    expect(types({ type: "won", attempt: 2, leader: own(10) })).toEqual(["release"]);
  });
});
