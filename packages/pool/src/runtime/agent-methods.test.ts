import type { NodeId } from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { AgentPool, testNodeId } from "../testing/agent-pool.js";
import { METHODS } from "./agent-messages.js";
import { type AgentMethodsOptions, agentMethods } from "./agent-methods.js";
import { NODE_REQUESTS_MAX, RINGS_PER_LEADER_MAX } from "./limits.js";

describe("requests of other nodes", () => {
  it("are bounded for each, so that one that is silent keeps nobody else out", async () => {
    const ends: (() => void)[] = [];
    const silent = (name: string) => {
      const readable = (async function* () {
        await new Promise<void>((resolve) => ends.push(resolve));
        yield Buffer.from("no request");
      })();
      return { method: METHODS.generate, peer: { nodeId: testNodeId(name) }, readable };
    };
    const members = { list: () => [], isPeer: (_id: NodeId) => true, onChange: () => () => {} };
    const { onStream } = agentMethods({ members } as unknown as AgentMethodsOptions);
    const open = async (name: string) => onStream?.(silent(name) as unknown as LinkStream);
    const running = Array.from({ length: NODE_REQUESTS_MAX }, () => open("a"));
    await expect(open("a")).rejects.toMatchObject({ code: "MESH_LIMIT" });
    running.push(open("b"));
    await expect.poll(() => ends.length).toBe(NODE_REQUESTS_MAX + 1);
    for (const end of ends) end();
    const ended = await Promise.allSettled(running);
    expect(ended.every(({ status }) => status === "rejected")).toBe(true);
    const again = open("a");
    await expect.poll(() => ends.length).toBe(NODE_REQUESTS_MAX + 2);
    ends.at(-1)?.();
    await expect(again).rejects.toMatchObject({ code: "MESH_PROTOCOL" });
  });
});

describe("rings of other leaders", () => {
  it("are bounded for each, and not held for one that left before they were joined", async () => {
    const pool = new AgentPool();
    try {
      const a = pool.add("a");
      for (const name of ["b", "c"]) pool.add(name);
      const prepare = async (leader: string, ringId: string) => {
        const message = {
          ...{ ringId, epoch: 1, modelId: "tiny", contextTokens: 8, memoryBytesMax: 1 },
          leader: testNodeId(leader),
          members: ["a", leader].map((name, at) => ({
            ...{ nodeId: testNodeId(name), name },
            columns: { from: at * 4096, to: (at + 1) * 4096 },
          })),
        };
        const peer = { nodeId: testNodeId(leader) } as never;
        const body = Buffer.from(JSON.stringify(message));
        const { signal } = new AbortController();
        return a.handlers().onRequest?.({ method: METHODS.prepare, body, signal, peer });
      };
      for (let at = 0; at < RINGS_PER_LEADER_MAX; at++) await prepare("b", `r${at}`);
      await expect(prepare("b", "more")).rejects.toMatchObject({ code: "MESH_LIMIT" });
      await prepare("c", "r0");
      pool.lose("b");
      const states = new Set(a.held().map(({ leader, state }) => `${leader[0]} ${state}`));
      expect([...states].sort()).toEqual(["b failed", "c prepared"]);
    } finally {
      await pool.close();
    }
  });
});
