import { randomInteger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memoryStore } from "../../memory/memory-store.js";
import { checkHistory } from "./check-history.js";
import type { HistoryBatch } from "./format.js";
import { seededRandom } from "./seeded-random.js";
import { historyOf, overlappingCalls, type TestCall } from "./test-histories.js";

const check = (calls: readonly TestCall[]) => checkHistory(historyOf(calls), { nowMs: () => 0 });

describe("random histories", () => {
  const made = async (seed: number, count: number) => {
    const store = memoryStore({ clock: new ManualClock() });
    const calls = await overlappingCalls(store, seededRandom(seed), count);
    const batches: HistoryBatch[] = [];
    const last = (await store.status()).revision;
    if (last > 1) {
      for await (const { revision, events } of store.watch({ prefix: "" }, { fromRevision: 2 })) {
        const changes = events.map((event) =>
          event.type === "put"
            ? { type: event.type, key: event.entry.key, value: text(event.entry.value) }
            : { type: event.type, key: event.key },
        );
        batches.push({ revision, time: 1_000_000, events: changes });
        if (revision === last) break;
      }
    }
    await store.close();
    const ask = { op: "watch", prefix: "", fromRevision: 2 } as const;
    const watch: TestCall = { at: [0, 1_000_001], ask, answer: { batches } };
    return [...calls, watch];
  };
  const text = (value: Uint8Array) => new TextDecoder().decode(value);

  it("accepts what a real execution may have looked like", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 120 }), async (seed, count) => {
        const report = check(await made(seed, count));
        expect(report).toMatchObject({ verdict: "linearizable", problems: [] });
      }),
      { numRuns: 60 },
    );
  });

  it("rejects a read of something older than what was answered before it began", async () => {
    let rejected = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const calls = await made(seed, 120);
        const stale = withStaleRead(calls, seed);
        if (stale === undefined) return;
        rejected++;
        const rules = new Set(check(stale).problems.map(({ rule }) => rule));
        expect([...rules]).toEqual(["order of revisions", "order of each key"]);
      }),
      { numRuns: 40 },
    );
    expect(rejected).toBeGreaterThan(10);
  });

  /** Some get tells a value that was written over, by an answered put, before it began. */
  function withStaleRead(calls: TestCall[], seed: number): TestCall[] | undefined {
    const random = seededRandom(seed);
    const puts = calls.filter(
      ({ ask, answer }) => ask.op === "put" && typeof answer === "object",
    ) as (TestCall & { answer: { revision: number } })[];
    const choices = calls.flatMap((call, index) => {
      if (call.ask.op !== "get" || typeof call.answer !== "object") return [];
      const before = puts.filter(({ ask, at }) => ask.key === call.ask.key && at[1] < call.at[0]);
      return before.flatMap((old) =>
        before.some((newer) => newer.at[0] > old.at[1]) ? [{ index, old }] : [],
      );
    });
    if (choices.length === 0) return undefined;
    const { index, old } = choices[randomInteger(random, choices.length)]!;
    const answer = { value: old.ask.value ?? null, modRevision: old.answer.revision };
    return calls.map((call, place) => (place === index ? { ...call, answer } : call));
  }
});
