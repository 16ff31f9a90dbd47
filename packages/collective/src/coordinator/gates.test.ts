import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyedMutex, SharedGate, Slots } from "./gates.js";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("SharedGate", () => {
  it("never lets anybody in beside one that is alone, and lets everybody in at last", async () => {
    const plan = fc.array(fc.record({ alone: fc.boolean(), turns: fc.nat(3) }), { maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(plan, async (visits) => {
        const gate = new SharedGate();
        const inside = { shared: 0, alone: 0 };
        let finished = 0;
        const visit = async ({ alone, turns }: { alone: boolean; turns: number }) => {
          const kind = alone ? "alone" : "shared";
          await gate[kind](async () => {
            inside[kind]++;
            for (let count = 0; count < turns; count++) {
              await turn();
              expect(inside.alone === 0 || inside.alone + inside.shared === 1).toBe(true);
            }
            inside[kind]--;
          });
          finished++;
        };
        await Promise.all(visits.map(visit));
        expect(finished).toBe(visits.length);
      }),
      { numRuns: 50 },
    );
  });

  it("opens again after work that failed", async () => {
    const gate = new SharedGate();
    const broken = gate.alone(() => Promise.reject(new Error("broken")));
    await expect(broken).rejects.toThrow("broken");
    expect(await gate.shared(async () => "in")).toBe("in");
    expect(await gate.alone(async () => "in")).toBe("in");
  });
});

describe("KeyedMutex", () => {
  it("excludes for every key, without deadlock, whatever keys are asked for together", async () => {
    const wanted = fc.array(fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1 }), {
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(wanted, async (jobs) => {
        const mutex = new KeyedMutex();
        const held = new Set<string>();
        let finished = 0;
        const job = (keys: string[]) =>
          mutex.run(keys, async () => {
            const unique = [...new Set(keys)];
            for (const key of unique) {
              expect(held.has(key)).toBe(false);
              held.add(key);
            }
            await turn();
            for (const key of unique) held.delete(key);
            finished++;
          });
        await Promise.all(jobs.map(job));
        expect(finished).toBe(jobs.length);
      }),
      { numRuns: 50 },
    );
  });
});

describe("Slots", () => {
  it("lets a number in at a time, in the order of asking, and all at last", async () => {
    const slots = new Slots(3);
    const order: number[] = [];
    let inside = 0;
    let most = 0;
    const visits = Array.from({ length: 10 }, (_, at) =>
      slots.run(async () => {
        order.push(at);
        most = Math.max(most, ++inside);
        await turn();
        inside--;
        if (at === 4) throw new Error("broken");
      }),
    );
    const results = await Promise.allSettled(visits);
    expect(results.filter((one) => one.status === "rejected")).toHaveLength(1);
    expect(most).toBe(3);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});
