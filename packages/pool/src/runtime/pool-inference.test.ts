import { MeshError } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GenerationEvent } from "../ring/generation.js";
import { AgentPool, testNodeId } from "../testing/agent-pool.js";
import { EpochBook } from "./epoch-book.js";
import type { InferenceRequest } from "./inference-service.js";
import type { PoolInference } from "./pool-inference.js";

const never = new AbortController().signal;
let pool: AgentPool;
beforeEach(() => {
  pool = new AgentPool();
});
afterEach(() => pool.close());

function request(more: Partial<InferenceRequest> = {}): InferenceRequest {
  return {
    model: "tiny",
    onlyMembers: undefined,
    prompt: { kind: "text", text: "one two three" },
    maxTokens: 12,
    sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 },
    stop: [],
    ...more,
  };
}

/** So slow that two of them decode faster together, whatever a call costs. */
const SLOW = { bandwidthBytesPerSecond: 1e9 };
const WHOLE = "one two three ".repeat(4);

async function tell(
  inference: PoolInference,
  given: Partial<InferenceRequest> = {},
  onEvent: (event: GenerationEvent, count: number) => void = () => undefined,
): Promise<{ text: string; events: GenerationEvent[] }> {
  const events: GenerationEvent[] = [];
  let text = "";
  for await (const event of inference.generate(request(given), never)) {
    events.push(event);
    if (event.kind === "text") text += event.text;
    onEvent(event, events.length);
  }
  return { text, events };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("one node without others", () => {
  it("answers with a ring of one, and counts", async () => {
    const a = pool.add("a");
    expect((await tell(a)).text).toBe(WHOLE);
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
    expect(text).toBe(WHOLE);
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
    expect((await tell(a)).text).toBe(WHOLE);
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
    expect((await tell(a, { placement: "T" })).text).toBe(WHOLE);
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
    expect((await tell(b)).text).toBe(WHOLE);
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
    expect((await tell(a)).text).toBe(WHOLE);
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
      const answer = a.generate(request({ maxTokens: 100_000 }), abort.signal);
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
    expect((await tell(a, { onlyMembers: ["a"] })).text).toBe(WHOLE);
    expect(a.led().map(({ nodeIds }) => nodeIds.length)).toEqual([2, 1]);
    expect((await tell(a, { onlyMembers: ["b"] })).text).toBe(WHOLE);
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
    expect(text).toBe(WHOLE);
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
    expect(text).toBe(WHOLE);
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
    expect(told.map(({ text }) => text)).toEqual([WHOLE, WHOLE, WHOLE, WHOLE]);
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
      for await (const event of b.generate(request({ maxTokens: 10_000 }), abort.signal)) {
        if (event.kind === "text") abort.abort();
      }
    };
    await expect(answer()).rejects.toMatchObject({ code: "MESH_CANCELLED" });
    await until(() => a.led()[0]?.running === 0);
    expect((await b.stats(never)).jobsFailed).toBe(0);
  });
});

describe("what strangers and followers may say", () => {
  const prepare = (leader: string, members: readonly string[], more: object = {}) =>
    Buffer.from(
      JSON.stringify({
        ...{ ringId: "r", epoch: 1, modelId: "tiny", contextTokens: 8, memoryBytesMax: 1 },
        ...more,
        leader: testNodeId(leader),
        members: members.map((name, index) => ({
          ...{ nodeId: testNodeId(name), name },
          columns: { from: index * 4096, to: (index + 1) * 4096 },
        })),
      }),
    );
  const ask = (to: PoolInference, from: string, method: string, body: Uint8Array) =>
    to.handlers().onRequest?.({
      ...{ method, body, signal: never, peer: { nodeId: testNodeId(from) } as never },
    });

  it("is refused unless the caller leads and all are of the pool", async () => {
    const a = pool.add("a");
    pool.add("b");
    const forbidden = { code: "MESH_FORBIDDEN" };
    await expect(ask(a, "x", "ai.ping", Buffer.from("{}"))).rejects.toMatchObject(forbidden);
    await expect(ask(a, "b", "ai.prepare", prepare("a", ["a", "b"]))).rejects.toMatchObject(
      forbidden,
    );
    await expect(ask(a, "b", "ai.prepare", prepare("b", ["b", "x"]))).rejects.toMatchObject(
      forbidden,
    );
    await expect(ask(a, "b", "ai.other", Buffer.from("{}"))).rejects.toMatchObject(forbidden);
    await expect(ask(a, "b", "ai.prepare", Buffer.from("[]"))).rejects.toMatchObject({
      code: "MESH_PROTOCOL",
    });
  });

  it("holds an older epoch for old, and a release by another for forbidden", async () => {
    const a = pool.add("a");
    pool.add("b");
    await ask(a, "b", "ai.prepare", prepare("b", ["a", "b"]));
    await expect(ask(a, "b", "ai.prepare", prepare("b", ["a", "b"]))).rejects.toMatchObject({
      code: "MESH_EPOCH_OLD",
      details: { epoch: 1 },
    });
    const release = Buffer.from(JSON.stringify({ ringId: "r", epoch: 1 }));
    pool.add("c");
    await expect(ask(a, "c", "ai.release", release)).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
    });
    await ask(a, "b", "ai.release", release);
    expect(a.held()).toEqual([]);
  });

  it("takes no ring from its leader, and poisons no epoch", async () => {
    const a = pool.add("a");
    pool.add("b");
    pool.add("c");
    await ask(a, "b", "ai.prepare", prepare("b", ["a", "b"]));
    await ask(a, "c", "ai.prepare", prepare("c", ["a", "c"], { epoch: 2 ** 48 }));
    expect(a.held().map(({ leader, epoch }) => [leader, epoch])).toEqual([
      [testNodeId("b"), 1],
      [testNodeId("c"), 2 ** 48],
    ]);
    await ask(a, "b", "ai.prepare", prepare("b", ["a", "b"], { epoch: 2 }));
    const last = prepare("c", ["a", "c"], { epoch: Number.MAX_SAFE_INTEGER });
    await expect(ask(a, "c", "ai.prepare", last)).rejects.toMatchObject({ code: "MESH_PROTOCOL" });
    const other = prepare("b", ["a", "b"], { epoch: 3, modelId: "other" });
    await expect(ask(a, "b", "ai.prepare", other)).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
    });
  });

  it("believes no epoch that is too far to be true", async () => {
    const records = new Map<string, object>();
    const book = new EpochBook({
      read: async (name) => records.get(name),
      write: async (name, value) => void records.set(name, value),
    });
    await book.learn("m", 1000);
    await book.learn("m", Number.MAX_SAFE_INTEGER - 1);
    expect(await book.next("m")).toBe(1001);
  });

  it("draws no prompt to a leader outside the members that the request names", async () => {
    const a = pool.add("a");
    const b = pool.add("b");
    const liar = pool.add("c");
    const heard: string[] = [];
    const { onRequest } = liar.handlers();
    liar.handlers = () => ({
      onRequest: (asked) => {
        if (asked.method !== "ai.rings") return onRequest?.(asked) as Uint8Array;
        const ring = { ringId: "r", modelId: "ab".repeat(32), epoch: 1, placement: "R" };
        const claim = { ...ring, isReady: true, running: 0, nodeIds: [] };
        return Buffer.from(JSON.stringify({ v: 1, rings: [claim] }));
      },
      onStream: (stream) => {
        heard.push(stream.method);
        throw new MeshError("MESH_RING_BROKEN");
      },
    });
    expect((await tell(a, { onlyMembers: ["b"] })).text).toBe(WHOLE);
    const leader = testNodeId("c");
    b.handlers = () => ({
      onStream: () => {
        throw new MeshError("MESH_RING_NOT_READY", { details: { leader } });
      },
    });
    await expect(tell(a, { onlyMembers: ["b"] })).rejects.toMatchObject({ name: "MeshError" });
    expect(heard).toEqual([]);
  });

  it("ends with their membership: in rings that they lead, and in those of others", async () => {
    const a = pool.add("a", SLOW);
    const b = pool.add("b", SLOW);
    let isRemoved = false;
    const answer = await tell(a, { placement: "T", maxTokens: 40 }, ({ kind }, count) => {
      if (kind !== "text" || count < 4 || isRemoved) return;
      isRemoved = true;
      pool.remove("b");
    });
    expect(answer.events.at(-1)).toMatchObject({ kind: "done" });
    expect(a.led()).toMatchObject([{ nodeIds: [testNodeId("a")], epoch: 2 }]);
    pool.add("b", SLOW);
    await ask(b, "a", "ai.prepare", prepare("a", ["a", "b"], { epoch: 9 }));
    pool.remove("a");
    expect(b.held().filter(({ ringId }) => ringId === "r")).toEqual([]);
  });
});
