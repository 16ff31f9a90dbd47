import { afterEach, describe, expect, it } from "vitest";
import { TRACE_BYTES_MAX, TRACES_WAITING_MAX } from "./limits.js";
import type { LinkHandlers, LinkTraces } from "./link.js";
import { type LinkPair, linkPair, settle } from "./testing/index.js";
import { Traces } from "./traces.js";

const pairs: LinkPair[] = [];
afterEach(() => {
  for (const { dialer } of pairs.splice(0)) dialer.destroy(new Error("the test is over"));
});

/** What is under way here, for which trace, as a program keeps it. */
class Ledger implements LinkTraces {
  present: Uint8Array | undefined;
  current = () => this.present;

  run<Result>(trace: Uint8Array, work: () => Result): Result {
    const before = this.present;
    this.present = trace;
    try {
      return work();
    } finally {
      this.present = before;
    }
  }
}

async function open({ knows = true } = {}) {
  const [caller, server] = [new Ledger(), new Ledger()];
  const seen: string[] = [];
  const note = (what: string) => {
    seen.push(`${what} ${server.present === undefined ? "-" : Buffer.from(server.present)}`);
  };
  const handlers: LinkHandlers = {
    onRequest: ({ body }) => {
      note(`request ${Buffer.from(body)}`);
      return body;
    },
    onStream: async (stream) => {
      note(`stream ${Buffer.from(stream.header)}`);
      stream.end();
    },
  };
  const listening = knows ? { handlers, traces: server } : { handlers };
  const pair = await linkPair({ traces: caller }, listening);
  pairs.push(pair);
  return { ...pair, caller, seen };
}

const bytes = (text: string) => Buffer.from(text);

describe("a trace", () => {
  it("goes along with requests and streams, each with its own", async () => {
    const { dialer, caller, seen } = await open();
    const ask = (name: string, trace: string | undefined) => {
      caller.present = trace === undefined ? undefined : bytes(trace);
      return dialer.request("m", bytes(name), { priority: name === "b" ? "bulk" : "rpc" });
    };
    await Promise.all([ask("a", "one"), ask("b", "two"), ask("c", undefined)]);
    caller.present = bytes("three");
    await dialer.openStream("m", bytes("d"));
    caller.present = undefined;
    await dialer.openStream("m", bytes("e"));
    await settle();
    const expected = ["request a one", "request b two", "request c -"];
    expect(seen.sort()).toEqual([...expected, "stream d three", "stream e -"].sort());
  });

  it("is skipped by a peer that does not know it, and costs nothing when absent", async () => {
    const { dialer, caller, seen } = await open({ knows: false });
    const framesBefore = dialer.inspect().framesOut;
    await dialer.request("m", bytes("plain"));
    expect(dialer.inspect().framesOut).toBe(framesBefore + 1);
    caller.present = bytes("one");
    await dialer.request("m", bytes("a"));
    caller.present = new Uint8Array(TRACE_BYTES_MAX + 1);
    await dialer.request("m", bytes("too long to go along"));
    expect(seen).toHaveLength(3);
    expect(dialer.isOpen).toBe(true);
  });

  it("that nothing follows is forgotten, and one that is not of the form is skipped", () => {
    const ledger = new Ledger();
    const traces = new Traces(ledger);
    const present = () => ledger.present && Buffer.from(ledger.present).toString();
    traces.onFrame(1, Uint8Array.of(0));
    traces.onFrame(1, Uint8Array.of(7, 1));
    traces.onFrame(0, Uint8Array.of(0, 1));
    traces.onFrame(1, new Uint8Array(TRACE_BYTES_MAX + 2));
    expect(traces.runRequest(1, present)).toBeUndefined();
    for (let number = 1; number <= TRACES_WAITING_MAX + 1; number++) {
      traces.onFrame(number, Uint8Array.of(0, 65));
    }
    expect(traces.runRequest(1, present)).toBeUndefined();
    expect(traces.runRequest(TRACES_WAITING_MAX + 1, present)).toBe("A");
    expect(traces.runRequest(TRACES_WAITING_MAX + 1, present)).toBeUndefined();
  });
});
