import { systemClock } from "@hearthmesh/core";
import type { Fact, Symptom } from "@hearthmesh/healing";
import type { Replanned, RingHealth } from "@hearthmesh/pool";
import { describe, expect, it } from "vitest";
import { rePlanPool } from "./re-plan-pool.js";
import { RingsMonitor, ringFacts } from "./rings-monitor.js";

const { signal } = new AbortController();
const named = (name: string) => ({ nodeId: name as never, name });

function ring(names: readonly string[], more: Partial<RingHealth> = {}): RingHealth {
  const members = names.map(named);
  const quiet = { running: 0, back: [], slowness: undefined, loss: undefined };
  return { ringId: "r", model: "qwen", epoch: 1, members, ...quiet, ...more };
}

const peers = [
  { nodeId: "b" as never, state: "alive" as const },
  { nodeId: "c" as never, state: "dead" as const },
];

function symptomOf({ symptom: kind, subject, evidence, values = {} }: Fact): Symptom {
  const seen = [{ text: evidence, atMs: 0 }];
  return { kind, subject, severity: "warning", sinceMs: 0, evidence: seen, values };
}

describe("a ring", () => {
  const factOf = (one: RingHealth) => ringFacts([one], peers, "a")[0] as Fact;

  it("is well with all of its machines, and ill at once without one", () => {
    expect(factOf(ring(["a", "b"])).verdict).toBe("well");
    const fact = factOf(ring(["a", "b", "c"], { running: 1 }));
    expect(fact).toMatchObject({ verdict: "ill", holdMs: 0, values: { why: "away" } });
    expect(fact.evidence).toBe("epoch 1 runs on a, b and c; c is away; 1 answer is under way");
  });

  it("is looked at for a machine that is back, or that became slow, at rest alone", () => {
    const back = ring(["a"], { back: ["b"] });
    expect(factOf(back)).toMatchObject({ verdict: "ill", holdMs: 5_000, values: { why: "back" } });
    expect(factOf({ ...back, running: 1 }).verdict).toBe("well");
    const slow = ring(["a", "b"], { slowness: "its last answers came with 1 tokens/s" });
    expect(factOf(slow)).toMatchObject({ verdict: "ill", values: { why: "slow" } });
    expect(factOf({ ...slow, running: 2 }).verdict).toBe("well");
  });
});

describe("a ring that lost a member and planned without it by itself", () => {
  const loss = { names: ["b"], reason: "its connection ended", epoch: 1, tookMs: undefined };
  let now: RingHealth;
  const monitor = new RingsMonitor({ rings: () => [now], peers: () => peers, selfId: "a" });
  const look = async () => (await monitor.look())[0];

  it("is ill while it is at it, and well after; nobody does it a second time", async () => {
    now = ring(["a", "b"], { loss });
    const fact = (await look()) as Fact;
    expect(fact).toMatchObject({ verdict: "ill", holdMs: 0, values: { why: "lost" } });
    expect(fact.evidence).toBe(
      "epoch 1 runs on a and b; b was lost to epoch 1 (its connection ended), " +
        "and the ring plans anew by itself",
    );
    const upkeep = { rings: () => [now], replan: () => Promise.reject(new Error("twice")) };
    const remedy = rePlanPool({ upkeep, peers: () => peers, selfId: "a", clock: systemClock() });
    expect(remedy.blockedBy(symptomOf(fact))).toContain("plans anew by itself");
    now = ring(["a"], { epoch: 2, loss: { ...loss, tookMs: 420 } });
    expect(remedy.blockedBy(symptomOf(fact))).toContain("planned anew by itself");
    expect(await look()).toMatchObject({
      verdict: "well",
      evidence: expect.stringContaining("and the ring planned anew by itself in 0.4 s"),
    });
  });

  it("before anybody looked is told once", async () => {
    const done = { ...loss, names: ["b", "c"], epoch: 4, tookMs: 99 };
    now = ring(["a"], { epoch: 5, loss: done });
    const fact = await look();
    expect(fact).toMatchObject({ verdict: "ill", values: { why: "lost" } });
    expect(fact?.evidence).toContain("b and c were lost to epoch 4");
    expect((await look())?.verdict).toBe("well");
    now = ring(["a"], { epoch: 7, loss: { ...done, epoch: 6 } });
    expect((await look())?.verdict).toBe("ill");
  });
});

describe("a new plan", () => {
  const plan = (epoch: number, names: readonly string[]): Replanned["before"] => ({
    ...{ epoch, placement: "T", contextTokens: 8 },
    members: names.map((name, at) => ({
      ...{ ...named(name), memoryBytes: 1 },
      columns: { from: at * 10, to: at * 10 + 10 },
    })),
  });

  function remedyFor(replanned: Replanned, found: readonly RingHealth[]) {
    const asked: (readonly string[])[] = [];
    const replan = async (_ringId: string, away: readonly string[]) => {
      asked.push(away);
      return replanned;
    };
    const upkeep = { rings: () => found, replan };
    const remedy = rePlanPool({ upkeep, peers: () => peers, selfId: "a", clock: systemClock() });
    return { remedy, asked };
  }

  const three = ring(["a", "b", "c"]);
  const symptom = symptomOf(ringFacts([three], peers, "a")[0] as Fact);
  const [before, after] = [plan(1, ["a", "b", "c"]), plan(2, ["a", "b"])];

  it("leaves out who is away, and tells both plans", async () => {
    const { remedy, asked } = remedyFor({ before, after, isOther: true }, [three]);
    const { did, changedNothing } = await remedy.apply(symptom, signal);
    expect(asked).toEqual([["c"]]);
    expect(changedNothing).toBeUndefined();
    expect(did).toMatch(/^planned anew in \d/);
    expect(did).toContain("epoch 2: a (columns 0 to 9), b (columns 10 to 19)");
    expect(did).toContain("before: a (columns 0 to 9), b (columns 10 to 19), c (columns 20 to 29)");
  });

  it("that is the old one changed nothing; neither did one for a ring that is let go", async () => {
    const same = remedyFor({ before, after: before, isOther: false }, [three]);
    expect(await same.remedy.apply(symptom, signal)).toMatchObject({ changedNothing: true });
    const gone = remedyFor({ before, after, isOther: true }, []);
    expect(await gone.remedy.apply(symptom, signal)).toMatchObject({ changedNothing: true });
    expect(gone.asked).toEqual([]);
  });

  it("that the ring made itself is told as its own", async () => {
    const { remedy } = remedyFor({ before: after, after, isOther: false }, [three]);
    const { did } = await remedy.apply(symptom, signal);
    expect(did).toMatch(/^the ring had planned anew itself: epoch 2/);
    const loss = { names: ["c"], reason: "lost", epoch: 1, tookMs: undefined };
    const busy = remedyFor({ before, after, isOther: true }, [{ ...three, loss }]);
    expect(await busy.remedy.apply(symptom, signal)).toMatchObject({ changedNothing: true });
  });

  it("for a machine that is back waits for the answers that run", () => {
    const busy = ring(["a"], { back: ["b"], running: 1 });
    const { remedy } = remedyFor({ before, after, isOther: true }, [busy]);
    const [fact] = ringFacts([{ ...busy, running: 0 }], peers, "a");
    expect(remedy.blockedBy(symptomOf(fact as Fact))).toContain("would interrupt it");
    expect(remedy.blockedBy(symptom)).toBeUndefined();
  });
});
