import type { NodeId } from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { testNodeId } from "../testing/agent-pool.js";
import { METHODS } from "./agent-messages.js";
import { type AgentMethodsOptions, agentMethods } from "./agent-methods.js";
import { NODE_REQUESTS_MAX } from "./limits.js";

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
