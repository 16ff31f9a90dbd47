import { MeshError } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentPool, testNodeId } from "../testing/agent-pool.js";
import { SLOW, tell, WHOLE_ANSWER } from "../testing/told-answer.js";
import { EpochBook } from "./epoch-book.js";
import type { PoolInference } from "./pool-inference.js";

const never = new AbortController().signal;
let pool: AgentPool;
beforeEach(() => {
  pool = new AgentPool();
});
afterEach(() => pool.close());

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
    expect((await tell(a, { onlyMembers: ["b"] })).text).toBe(WHOLE_ANSWER);
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
