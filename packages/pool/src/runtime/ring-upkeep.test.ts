import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentPool, testNodeId } from "../testing/agent-pool.js";
import { SLOW, tell, WHOLE_ANSWER } from "../testing/told-answer.js";
import { RingPace } from "./ring-pace.js";

const never = new AbortController().signal;
let pool: AgentPool;
beforeEach(() => {
  pool = new AgentPool();
});
afterEach(() => pool.close());

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("a ring at rest", () => {
  it("is planned anew without a member that is away, and with it when it is back", async () => {
    const a = pool.add("a", SLOW);
    pool.add("b", SLOW);
    await tell(a, { placement: "T" });
    const [ring] = a.upkeep.health();
    expect(ring).toMatchObject({ epoch: 1, running: 0, back: [], slowness: undefined });
    const away = await a.upkeep.replan(ring?.ringId ?? "", [testNodeId("b")], never);
    expect(away).toMatchObject({ isOther: true, before: { epoch: 1 }, after: { epoch: 2 } });
    expect(a.led()).toMatchObject([{ state: "ready", nodeIds: [testNodeId("a")], epoch: 2 }]);
    expect(a.upkeep.health()).toMatchObject([{ back: ["b"] }]);
    const back = await a.upkeep.replan(ring?.ringId ?? "", [], never);
    expect(back).toMatchObject({ isOther: true, after: { epoch: 3, placement: "T" } });
    expect(a.upkeep.health()).toMatchObject([{ back: [] }]);
    expect((await tell(a, { placement: "T" })).text).toBe(WHOLE_ANSWER);
  });

  it("says what it lost and got over by itself, until it is planned in another way", async () => {
    const a = pool.add("a", SLOW);
    pool.add("b", SLOW);
    await tell(a, { placement: "T" });
    const health = () => a.upkeep.health()[0];
    expect(health()?.loss).toBeUndefined();
    pool.lose("b");
    expect(health()?.loss).toMatchObject({ names: ["b"], epoch: 1, tookMs: undefined });
    await until(() => health()?.loss?.tookMs !== undefined);
    expect(health()).toMatchObject({ epoch: 2, loss: { names: ["b"], epoch: 1 } });
    pool.add("b", SLOW);
    await a.upkeep.replan(health()?.ringId ?? "", [], never);
    expect(health()).toMatchObject({ epoch: 3, loss: undefined });
  });

  it("keeps its plan and its epoch when there is no better one", async () => {
    const a = pool.add("a");
    await tell(a);
    const { ringId = "" } = a.upkeep.health()[0] ?? {};
    const same = await a.upkeep.replan(ringId, [], never);
    expect(same).toMatchObject({ isOther: false, before: { epoch: 1 }, after: { epoch: 1 } });
    expect(pool.agent("a").workers).toHaveLength(1);
    await expect(a.upkeep.replan("other", [], never)).rejects.toMatchObject({
      code: "MESH_NOT_FOUND",
    });
  });

  it("is unloaded when nobody used it lately, and loaded by the next request", async () => {
    const a = pool.add("a");
    await tell(a);
    expect(await a.upkeep.unloadResting(60_000)).toEqual([]);
    expect(a.upkeep.resting()).toEqual([{ model: "tiny", restedMs: expect.any(Number) }]);
    const [unloaded] = await a.upkeep.unloadResting(0);
    expect(unloaded).toMatchObject({ model: "tiny", bytes: expect.any(Number) });
    expect(unloaded?.bytes).toBeGreaterThan(0);
    expect([a.held(), a.led(), a.engines.list()]).toEqual([[], [], []]);
    expect((await tell(a)).text).toBe(WHOLE_ANSWER);
  });

  it("stays while a request runs, and where another node leads it", async () => {
    const a = pool.add("a", SLOW);
    const b = pool.add("b", SLOW);
    let underAnAnswer: Promise<readonly unknown[]> | undefined;
    await tell(a, { placement: "T" }, ({ kind }, count) => {
      if (kind === "text" && count === 3) underAnAnswer = a.upkeep.unloadResting(0);
    });
    expect(await underAnAnswer).toEqual([]);
    expect(await b.upkeep.unloadResting(0)).toEqual([]);
    expect(b.upkeep.foreignBytes()).toBeGreaterThan(0);
    expect(a.led()).toHaveLength(1);
  });

  it("has its engine proved when that was ended", async () => {
    const a = pool.add("a");
    await tell(a);
    const [engine] = a.engines.list();
    expect(engine?.state()).toBe("running");
    pool.agent("a").workers[0]?.crash();
    expect(engine?.state()).not.toBe("running");
    await until(() => engine?.state() === "running");
    expect(engine?.describe()).toMatch(/^the engine was ended after .* which it has proved$/);
    expect(pool.agent("a").workers).toHaveLength(2);
  });
});

describe("the pace of a ring", () => {
  it("is slow when its answers stay far below what it has shown", () => {
    const pace = new RingPace();
    for (const speed of [50, 20, 60, 15, 16]) pace.take(speed);
    expect(pace.slowness).toBeUndefined();
    pace.take(14);
    expect(pace.slowness).toBe("its last answers came with 14.0 tokens/s, earlier ones with 60.0");
    pace.take(40);
    expect(pace.slowness).toBeUndefined();
  });
});
