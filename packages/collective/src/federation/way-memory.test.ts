import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WayMemory } from "./way-memory.js";

const WAYS = [{ name: "straight" }, { name: "api" }, { name: "home" }];
const names = (ways: readonly { name: string }[]) => ways.map(({ name }) => name);

describe("the memory of ways", () => {
  it("tries the shortest first, and one that failed last for a while", () => {
    const memory = new WayMemory();
    const order = (nowMs: number) => names(memory.order("bob", WAYS, "names", nowMs));
    expect(order(0)).toEqual(["straight", "api", "home"]);
    memory.failed("bob", "straight", "names", 0);
    expect(order(9_999)).toEqual(["api", "home", "straight"]);
    expect(order(10_000)).toEqual(["straight", "api", "home"]);
    // Each failure makes the pause longer, up to a bound.
    memory.failed("bob", "straight", "names", 10_000);
    expect(order(29_999)[0]).toBe("api");
    for (let count = 0; count < 20; count++) memory.failed("bob", "straight", "names", 0);
    expect(order(300_000)[0]).toBe("straight");
    memory.worked("bob", "straight", "names");
    expect(order(1)[0]).toBe("straight");
  });

  it("knows that names can be asked for where bytes do not come through", () => {
    const memory = new WayMemory();
    memory.failed("bob", "straight", "bytes", 0);
    expect(names(memory.order("bob", WAYS, "names", 1))[0]).toBe("straight");
    expect(names(memory.order("bob", WAYS, "bytes", 1))[0]).toBe("api");
    memory.worked("bob", "straight", "names");
    expect(names(memory.order("bob", WAYS, "bytes", 1))[0]).toBe("api");
    memory.worked("bob", "straight", "bytes");
    expect(names(memory.order("bob", WAYS, "bytes", 1))[0]).toBe("straight");
    memory.failed("bob", "api", "names", 0);
    expect(names(memory.order("bob", WAYS, "bytes", 1))).toEqual(["straight", "home", "api"]);
    expect(names(memory.order("carol", WAYS, "bytes", 1))[0]).toBe("straight");
  });

  it("never loses a way, whatever happened", () => {
    const event = fc.record({
      way: fc.constantFrom(...WAYS),
      use: fc.constantFrom("names" as const, "bytes" as const),
      worked: fc.boolean(),
      atMs: fc.nat(1_000_000),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), fc.nat(2_000_000), (events, nowMs) => {
        const memory = new WayMemory();
        for (const { way, use, worked, atMs } of events) {
          if (worked) memory.worked("bob", way.name, use);
          else memory.failed("bob", way.name, use, atMs);
        }
        const order = names(memory.order("bob", WAYS, "bytes", nowMs));
        expect([...order].sort()).toEqual(["api", "home", "straight"]);
      }),
    );
  });
});
