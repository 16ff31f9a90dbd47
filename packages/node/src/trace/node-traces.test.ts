import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { NodeTraces } from "./node-traces.js";

const TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID = TRACEPARENT.slice(3, 35);
const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("the trace of a request", () => {
  it("is known to all that is done for it, on the next node too, and to nothing else", async () => {
    const [here, there] = [new NodeTraces(), new NodeTraces()];
    const scope = here.begin(TRACEPARENT);
    await scope.run(async () => {
      await tick();
      expect(here.traceId).toBe(TRACE_ID);
      const bytes = here.links.current() ?? new Uint8Array(0);
      expect(bytes).toHaveLength(25);
      await there.links.run(bytes, async () => {
        await tick();
        expect(there.traceId).toBe(TRACE_ID);
      });
    });
    expect([here.traceId, there.traceId]).toEqual([undefined, undefined]);
  });

  it("ends with the request, also for what goes on after it", async () => {
    const traces = new NodeTraces();
    const scope = traces.begin(TRACEPARENT);
    const seen: unknown[] = [];
    let later: Promise<void> = Promise.resolve();
    await scope.run(async () => {
      later = (async () => {
        seen.push(traces.traceId);
        await tick();
        await tick();
        seen.push(traces.traceId, traces.links.current());
      })();
    });
    scope.end();
    await later;
    expect(seen).toEqual([TRACE_ID, undefined, undefined]);
    let after: Promise<unknown> = Promise.resolve();
    await traces.links.run(Buffer.alloc(25, 1), async () => {
      after = tick().then(() => tick().then(() => traces.traceId));
    });
    expect(await after).toBeUndefined();
  });

  it("leaves the storage off while none is under way, for it costs every promise", async () => {
    const disable = vi.spyOn(AsyncLocalStorage.prototype, "disable");
    onTestFinished(() => disable.mockRestore());
    const traces = new NodeTraces();
    const [first, second] = [traces.begin(TRACEPARENT), traces.begin(TRACEPARENT)];
    first.run(() => undefined);
    first.end();
    first.end();
    // The other one is still under way, and what it set going knows it.
    const seen = await second.run(async () => {
      await tick();
      return traces.traceId;
    });
    expect(seen).toBe(TRACE_ID);
    expect(disable).not.toHaveBeenCalled();
    second.end();
    expect(disable).toHaveBeenCalledTimes(1);
    // What comes after the end of a request does not turn it on again.
    const run = vi.spyOn(AsyncLocalStorage.prototype, "run");
    onTestFinished(() => run.mockRestore());
    expect(second.run(() => traces.traceId)).toBeUndefined();
    expect(run).not.toHaveBeenCalled();
    const failing = () => {
      throw new Error("a handler that throws at once");
    };
    expect(() => traces.links.run(Buffer.alloc(25, 1), failing)).toThrow("throws at once");
    expect(disable).toHaveBeenCalledTimes(2);
  });

  it("is not taken from bytes of another form", () => {
    const traces = new NodeTraces();
    expect(traces.links.run(new Uint8Array(24), () => traces.traceId)).toBeUndefined();
  });
});
