import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readHistory } from "../planner/history.js";
import { AgentPool } from "../testing/agent-pool.js";
import { SLOW, tell } from "../testing/told-answer.js";

let pool: AgentPool;
beforeEach(() => {
  pool = new AgentPool();
});
afterEach(() => pool.close());

describe("what an answer of a ring teaches the planner", () => {
  it("is all of a token that was not computing, not a wait that ended at once", async () => {
    const leader = pool.add("a", SLOW);
    pool.add("b", SLOW);
    await tell(leader, { maxTokens: 16 });
    const corrections = () => readHistory(pool.agent("a").records.get("history")).corrections;
    const ofExchange = () => corrections().find(({ key }) => key.startsWith("exchange "));
    await expect.poll(ofExchange).toBeDefined();
    // The worker says that half of each 60 ms was waiting, and 0.02 ms for a usual exchange.
    expect(ofExchange()?.ratio).toBeGreaterThan(1);
  });
});
