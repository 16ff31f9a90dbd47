import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentPool, testNodeId } from "../testing/agent-pool.js";
import { SLOW, tell, usualRequest, WHOLE_ANSWER } from "../testing/told-answer.js";

const never = new AbortController().signal;
let pool: AgentPool;
beforeEach(() => {
  pool = new AgentPool();
});
afterEach(() => pool.close());

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("one node without others", () => {
  it("answers with a ring of one, and counts", async () => {
    const a = pool.add("a");
    expect((await tell(a)).text).toBe(WHOLE_ANSWER);
    expect(a.led()).toMatchObject([{ model: "tiny", placement: "R", isReady: true, epoch: 1 }]);
    const stats = await a.stats(never);
    expect(stats).toMatchObject({ jobsCompleted: 1, jobsRunning: 0, tokensGenerated: 12 });
    expect(stats.models).toMatchObject([{ members: ["a"] }]);
  });

  it("says what is missing when the model does not fit", async () => {
    const a = pool.add("a", { memoryBytes: 1000 });
    await expect(tell(a)).rejects.toMatchObject({
      code: "MESH_MODEL_MEMORY",
      details: { missingBytes: expect.any(Number) },
    });
    expect((await a.stats(never)).jobsFailed).toBe(1);
    expect(pool.agent("a").workers).toHaveLength(0);
  });

  it("goes on in the same answer when its engine is ended", async () => {
    const a = pool.add("a");
    const { text, events } = await tell(a, {}, (event, count) => {
      if (event.kind === "text" && count === 5) pool.agent("a").workers[0]?.crash();
    });
    expect(text).toBe(WHOLE_ANSWER);
    expect(events.at(-1)).toMatchObject({ timings: { epochs: 2 } });
    expect(pool.agent("a").workers).toHaveLength(2);
  });

  it("gives epochs that rise over restarts", async () => {
    const first = pool.add("a");
    await tell(first);
    await first.close();
    const again = pool.add("a");
    await tell(again);
    expect(again.led()[0]?.epoch).toBe(2);
  });

  it("unloads a model that nobody asks for, and loads it again", async () => {
    pool.idleUnloadMs = 20;
    const a = pool.add("a");
    await tell(a);
    await until(() => a.led().length === 0 && a.held().length === 0);
    expect(pool.agent("a").workers[0]?.isClosed).toBe(true);
    expect((await tell(a)).text).toBe(WHOLE_ANSWER);
  });

  it("refuses a model and a member that are not there", async () => {
    const a = pool.add("a");
    await expect(tell(a, { model: "other" })).rejects.toMatchObject({ code: "MESH_MODEL_UNKNOWN" });
    await expect(tell(a, { onlyMembers: ["x"] })).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
    });
  });
});

describe("several nodes", () => {
  it("split a model when they are asked to, each with its columns", async () => {
    const a = pool.add("a");
    pool.add("b", { bandwidthBytesPerSecond: 30e9 });
    expect((await tell(a, { placement: "T" })).text).toBe(WHOLE_ANSWER);
    const [ring] = a.led();
    expect(ring).toMatchObject({ placement: "T", nodeIds: [testNodeId("a"), testNodeId("b")] });
    expect(ring?.members[0]?.columns).toEqual({ from: 0, to: 2022 });
    expect(pool.agent("b").workers[0]?.plans[0]).toMatchObject({
      leader: testNodeId("a"),
      members: [{ endpoints: ["a:1"] }, { endpoints: ["b:1"] }],
    });
  });

  it("pass a request on to the node that leads a ring already", async () => {
    const a = pool.add("a", SLOW);
    const b = pool.add("b", SLOW);
    await tell(a);
    expect((await tell(b)).text).toBe(WHOLE_ANSWER);
    expect(b.led()).toEqual([]);
    expect(a.led()).toHaveLength(1);
    expect(a.led()).toMatchObject([{ placement: "T" }]);
  });

  it("take no ring that others forced for a request that forces nothing", async () => {
    pool.delayMs = 5;
    const a = pool.add("a");
    const b = pool.add("b");
    await tell(a, { placement: "T" });
    await Promise.all([tell(a), tell(b)]);
    const led = [...a.led(), ...b.led()].filter(({ isForced }) => !isForced);
    expect(led.map(({ placement }) => placement)).not.toContain("T");
  });

  it("send the whole request to the one that is much faster", async () => {
    const a = pool.add("a", { bandwidthBytesPerSecond: 1e9 });
    const b = pool.add("b", { bandwidthBytesPerSecond: 20e9 });
    expect((await tell(a)).text).toBe(WHOLE_ANSWER);
    expect(a.held()).toEqual([]);
    expect(b.led()).toMatchObject([{ placement: "R" }]);
  });

  it("share the requests for a model that fits on each, and keep single ones", async () => {
    // So far apart that no model is faster when it is split, whatever a call costs here.
    pool.delayMs = 5;
    const a = pool.add("a");
    const b = pool.add("b");
    await tell(a);
    await tell(a);
    expect(b.held()).toEqual([]);
    const abort = new AbortController();
    const answers = [];
    for (let index = 0; index < 5; index++) {
      const answer = a.generate(usualRequest({ maxTokens: 100_000 }), abort.signal);
      await answer.next();
      answers.push(answer);
    }
    const [atA, atB] = [a.led()[0]?.running ?? 0, b.led()[0]?.running ?? 0];
    expect(b.led()).toMatchObject([{ placement: "R" }]);
    expect([atA + atB, Math.abs(atA - atB)]).toEqual([5, 1]);
    abort.abort();
    await Promise.allSettled(answers.map((answer) => answer.next()));
  });

  it("keep a prompt at the members that it names", async () => {
    const a = pool.add("a");
    const b = pool.add("b");
    await tell(a, { placement: "T" });
    expect((await tell(a, { onlyMembers: ["a"] })).text).toBe(WHOLE_ANSWER);
    expect(a.led().map(({ nodeIds }) => nodeIds.length)).toEqual([2, 1]);
    expect((await tell(a, { onlyMembers: ["b"] })).text).toBe(WHOLE_ANSWER);
    const c = pool.add("c", SLOW);
    await tell(c, { onlyMembers: ["c"] });
    expect(c.led()).toMatchObject([{ nodeIds: [testNodeId("c")] }]);
    expect(b.led()).toMatchObject([{ nodeIds: [testNodeId("b")] }]);
  });

  it("go on in the same answer when a member is lost", async () => {
    const nodes = ["a", "b", "c"].map((name) => ({ name, inference: pool.add(name) }));
    // Which of three equal nodes make up the ring depends on the round trips that were measured.
    const leader = () => nodes.find(({ inference }) => inference.led().length > 0);
    const ring = () => leader()?.inference.led()[0];
    let lost = "";
    const { text, events } = await tell(
      pool.agent("a").inference,
      { placement: "T" },
      (event, n) => {
        if (event.kind !== "text" || n !== 5) return;
        const others = ring()?.members.filter(({ name }) => name !== leader()?.name);
        lost = others?.[0]?.name ?? "";
        pool.lose(lost);
      },
    );
    expect(text).toBe(WHOLE_ANSWER);
    expect(events.some(({ kind }) => kind === "paused")).toBe(true);
    expect(ring()?.nodeIds).not.toContain(testNodeId(lost));
    expect(ring()?.epoch).toBeGreaterThan(1);
  });

  it("go on in the same answer when the leader is lost that another node asked", async () => {
    const a = pool.add("a", SLOW);
    const b = pool.add("b", SLOW);
    await tell(a);
    const { text } = await tell(b, {}, (event, count) => {
      if (event.kind === "text" && count === 5) pool.lose("a");
    });
    expect(text).toBe(WHOLE_ANSWER);
    expect(b.led()).toMatchObject([{ nodeIds: [testNodeId("b")] }]);
  });

  it("say what is missing when the survivors have no room", async () => {
    const room = { memoryBytes: 2 ** 29 };
    const a = pool.add("a", room);
    pool.add("b", room);
    const answer = tell(a, {}, (event, count) => {
      if (event.kind === "text" && count === 5) pool.lose("b");
    });
    await expect(answer).rejects.toMatchObject({
      code: expect.stringMatching(/MESH_RING_BROKEN|MESH_MODEL_MEMORY/),
      message: expect.stringMatching(/bytes/),
    });
  });

  it("take a node that joined into the ring when no request runs", async () => {
    const a = pool.add("a", { memoryBytes: 2 ** 29 });
    pool.add("b", { memoryBytes: 2 ** 29 });
    await tell(a);
    const running = tell(a, { maxTokens: 30 }, (event, count) => {
      if (event.kind === "text" && count === 5) {
        pool.add("c", { bandwidthBytesPerSecond: 60e9, memoryBytes: 2 ** 31 });
        expect(a.led()[0]?.epoch).toBe(1);
      }
    });
    expect((await running).events.at(-1)).toMatchObject({ timings: { epochs: 1 } });
    await tell(a, { maxTokens: 3 });
    expect(a.led()[0]).toMatchObject({ epoch: 2, nodeIds: [testNodeId("a"), testNodeId("c")] });
    await until(() => pool.agent("b").inference.held().length === 0);
  });

  it("come to one ring when two of them ask at the same time", async () => {
    const room = { memoryBytes: 2 ** 29 };
    const [a, b] = [pool.add("a", room), pool.add("b", room)];
    const told = await Promise.all([tell(a), tell(b), tell(a), tell(b)]);
    expect(told.map(({ text }) => text)).toEqual([
      WHOLE_ANSWER,
      WHOLE_ANSWER,
      WHOLE_ANSWER,
      WHOLE_ANSWER,
    ]);
    await until(() => a.led().length + b.led().length === 1);
  });

  it("explain a plan with what was measured", async () => {
    pool.delayMs = 5;
    const a = pool.add("a");
    pool.add("b");
    const plan = await a.explain("tiny", never, { placement: "T" });
    expect(plan.chosen).toMatchObject({ placement: "T", names: ["a", "b"] });
    expect(plan.measured[1]?.roundTripMs).toBeGreaterThan(0);
    expect(a.held()).toEqual([]);
  });

  it("end what is under way when the caller goes", async () => {
    const a = pool.add("a", SLOW);
    const b = pool.add("b", SLOW);
    await tell(a);
    const abort = new AbortController();
    const answer = async () => {
      for await (const event of b.generate(usualRequest({ maxTokens: 10_000 }), abort.signal)) {
        if (event.kind === "text") abort.abort();
      }
    };
    await expect(answer()).rejects.toMatchObject({ code: "MESH_CANCELLED" });
    await until(() => a.led()[0]?.running === 0);
    expect((await b.stats(never)).jobsFailed).toBe(0);
  });
});
