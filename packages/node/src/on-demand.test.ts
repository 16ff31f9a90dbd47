import { ManualClock } from "@hearthmesh/core/testing";
import { describe, expect, it } from "vitest";
import { OnDemand, REOPEN_PAUSE_MS } from "./on-demand.js";

function bed() {
  const clock = new ManualClock();
  const tries: ((error?: Error) => void)[] = [];
  const part = new OnDemand({
    open: () =>
      new Promise<number>((resolve, reject) => {
        const number = tries.length + 1;
        tries.push((error) => (error === undefined ? resolve(number) : reject(error)));
      }),
    nowMs: () => clock.monotonicMs(),
  });
  return { clock, tries, part };
}

describe("what is opened with the first question", () => {
  it("is opened once for all who ask", async () => {
    const { tries, part } = bed();
    const all = [part.get(), part.get()];
    expect(part.opened).toBeUndefined();
    tries[0]?.();
    expect(await Promise.all([...all, part.get()])).toEqual([1, 1, 1]);
    expect([part.opened, tries.length]).toEqual([1, 1]);
  });

  it("tells a failure to all who wait, and for a pause; then it is tried again", async () => {
    const { clock, tries, part } = bed();
    const all = [part.get(), part.get()];
    tries[0]?.(new Error("no room"));
    for (const one of all) await expect(one).rejects.toThrow("no room");
    clock.pass(REOPEN_PAUSE_MS - 1);
    await expect(part.get()).rejects.toThrow("no room");
    expect(tries).toHaveLength(1);
    clock.pass(1);
    const again = part.get();
    tries[1]?.();
    expect(await again).toBe(2);
  });

  it("is given to who closes it also when it was opened meanwhile, and then no more", async () => {
    const { tries, part } = bed();
    const first = part.get();
    const stopped = part.stop();
    tries[0]?.();
    expect(await Promise.all([first, stopped])).toEqual([1, 1]);
    await expect(part.get()).rejects.toMatchObject({ code: "MESH_STOPPING" });
    part.start();
    const second = part.get();
    tries[1]?.();
    expect(await second).toBe(2);
  });

  it("that could not be opened leaves nothing to close", async () => {
    const { tries, part } = bed();
    const asked = part.get();
    const stopped = part.stop();
    tries[0]?.(new Error("no room"));
    await expect(asked).rejects.toThrow("no room");
    expect(await stopped).toBeUndefined();
  });
});
