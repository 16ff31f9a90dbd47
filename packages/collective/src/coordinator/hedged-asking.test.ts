import { ManualClock } from "@hearthmesh/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ASKED_AT_ONCE_MAX,
  ASKED_MS_MAX,
  ASKING_MS_MAX,
  type Asked,
  askHedged,
  LATE_AFTER_MS,
} from "./hedged-asking.js";

type Manner = "well" | "fails" | "hangs" | { readonly afterMs: number };

interface World {
  readonly clock: ManualClock;
  readonly begun: { readonly name: string; readonly atMs: number }[];
  readonly overdue: string[];
  most: number;
  asked(manners: readonly Manner[]): Asked[];
}

function world(): World {
  const clock = new ManualClock();
  let running = 0;
  const made: World = {
    ...{ clock, begun: [], overdue: [], most: 0 },
    asked: (manners) =>
      manners.map((manner, at) => ({
        name: `n${at}`,
        ask: async (signal) => {
          made.begun.push({ name: `n${at}`, atMs: clock.monotonicMs() });
          made.most = Math.max(made.most, ++running);
          try {
            await behave(manner, clock, signal);
          } finally {
            running--;
          }
        },
      })),
  };
  return made;
}

async function behave(manner: Manner, clock: ManualClock, signal: AbortSignal): Promise<void> {
  if (manner === "well") return;
  if (manner === "fails") throw new Error("no");
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    if (manner !== "hangs") clock.setTimeout(resolve, manner.afterMs);
  });
}

async function run(made: World, manners: readonly Manner[]) {
  const { signal } = new AbortController();
  const beganMs = made.clock.monotonicMs();
  let tookMs = Number.POSITIVE_INFINITY;
  const onOverdue = (name: string) => made.overdue.push(name);
  const answer = askHedged(made.asked(manners), { clock: made.clock, signal, onOverdue })
    .then(
      (value) => ({ value }),
      (error: Error) => ({ error }),
    )
    .finally(() => {
      tookMs = made.clock.monotonicMs() - beganMs;
    });
  await made.clock.advance(ASKING_MS_MAX + ASKED_MS_MAX);
  return { ...(await answer), tookMs } as {
    value?: { name: string; failed: { name: string }[]; late: string[] };
    error?: Error;
    tookMs: number;
  };
}

describe("asking with a hedge", () => {
  it("takes the first alone when it answers", async () => {
    const made = world();
    expect((await run(made, ["well", "well"])).value).toEqual({
      ...{ name: "n0", failed: [], late: [] },
    });
    expect(made.begun).toHaveLength(1);
  });

  it("waits a short delay for each that hangs, names it, and hears how it ends", async () => {
    const made = world();
    const { value, tookMs } = await run(made, ["hangs", "hangs", "well"]);
    expect(value).toEqual({ name: "n2", failed: [], late: ["n0", "n1"] });
    expect(tookMs).toBe(2 * LATE_AFTER_MS);
    expect(made.overdue).toEqual(["n0", "n1"]);
  });

  it("asks the next one at once when one fails", async () => {
    const { value, tookMs } = await run(world(), ["fails", "well"]);
    expect([value?.name, value?.failed.map(({ name }) => name), tookMs]).toEqual([
      ...["n1", ["n0"], 0],
    ]);
  });

  it("takes a late answer that comes before that of the hedge", async () => {
    const made = world();
    const afterMs = LATE_AFTER_MS + 100;
    const { value } = await run(made, [{ afterMs }, "hangs"]);
    expect([value?.name, value?.late]).toEqual(["n0", []]);
  });

  it("says what the last one said, and that there was nobody", async () => {
    expect((await run(world(), ["fails", "fails"])).error?.message).toBe("no");
    expect(await run(world(), [])).toMatchObject({ value: undefined });
  });

  it("names all when too many hang, within its time", async () => {
    const { error, tookMs } = await run(
      world(),
      Array.from({ length: 20 }, () => "hangs"),
    );
    expect(error?.message).toContain("answered: n0, n1, n2");
    expect(tookMs).toBe(ASKING_MS_MAX);
  });

  it("answers when one is well among five that hang", async () => {
    const { value } = await run(world(), ["hangs", "hangs", "hangs", "hangs", "hangs", "well"]);
    expect(value?.name).toBe("n5");
  });

  it("never asks more than a few at once, and ends in time, whatever they do", async () => {
    const manner = fc.oneof(
      fc.constantFrom<Manner>("well", "fails", "hangs", "hangs"),
      fc.record({ afterMs: fc.nat(3_000) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(manner, { maxLength: 12 }), async (manners) => {
        const made = world();
        const { tookMs, value } = await run(made, manners);
        expect(made.most).toBeLessThanOrEqual(ASKED_AT_ONCE_MAX);
        expect(tookMs).toBeLessThanOrEqual(ASKING_MS_MAX);
        if (manners[0] === "well") expect(value?.name).toBe("n0");
        expect(made.begun.map(({ name }) => name)).toEqual([
          ...new Set(made.begun.map(({ name }) => name)),
        ]);
      }),
      { numRuns: 40 },
    );
  });
});
