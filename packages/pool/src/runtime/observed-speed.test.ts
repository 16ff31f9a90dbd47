import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readHistory } from "../planner/history.js";
import { AgentPool } from "../testing/agent-pool.js";

const never = new AbortController().signal;
/** So slow that two of them decode faster together, whatever a call costs. */
const SLOW = { bandwidthBytesPerSecond: 1e9 };

let pool: AgentPool;
beforeEach(() => {
  pool = new AgentPool();
});
afterEach(() => pool.close());

describe("what an answer of a ring teaches the planner", () => {
  it("is all of a token that was not computing, not a wait that ended at once", async () => {
    const leader = pool.add("a", SLOW);
    pool.add("b", SLOW);
    const answer = leader.generate(
      {
        ...{ model: "tiny", onlyMembers: undefined, stop: [], maxTokens: 16 },
        prompt: { kind: "text", text: "one two three" },
        sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 },
      },
      never,
    );
    for await (const event of answer) expect(event.kind).not.toBe("paused");
    const corrections = () => readHistory(pool.agent("a").records.get("history")).corrections;
    const ofExchange = () => corrections().find(({ key }) => key.startsWith("exchange "));
    await expect.poll(ofExchange).toBeDefined();
    // The worker says that half of each 60 ms was waiting, and 0.02 ms for a usual exchange.
    expect(ofExchange()?.ratio).toBeGreaterThan(1);
  });
});
