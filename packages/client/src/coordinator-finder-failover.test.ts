import { asUnsent, type Clock, type ErrorCode, MeshError } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { askCoordinators, type FailoverOptions } from "./coordinator-finder-failover.js";

/** Time passes when somebody waits for it. */
function steppingClock(): Clock & { waitedMs(): number } {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    waitedMs: () => nowMs,
    setTimeout(callback, delayMs) {
      queueMicrotask(() => {
        nowMs += delayMs;
        callback();
      });
      return { cancel: () => undefined };
    },
  };
}

const random = { float: () => 0.5, bytes: (length: number) => new Uint8Array(length) };

type Answers = Record<string, (ErrorCode | "unsent" | "good")[]>;

/** Asks servers that answer in turn with what the table says, the last for ever. */
async function run(answers: Answers, isRepeatable: boolean, more: Partial<FailoverOptions> = {}) {
  const asked: string[] = [];
  const options = { places: () => Object.keys(answers), isRepeatable, ...more };
  const result = await askCoordinators(options, async (place) => {
    asked.push(place);
    const list = answers[place] ?? [];
    const next = (list.length > 1 ? list.shift() : list[0]) ?? "good";
    if (next === "good") return place;
    if (next === "unsent") throw asUnsent(new MeshError("MESH_UNREACHABLE"));
    throw new MeshError(next);
  }).catch((error: unknown) => (error as MeshError).code);
  return { result, asked: asked.join(" ") };
}

describe("asking one coordinator after the other", () => {
  it("repeats what may be repeated, and nothing whose outcome nobody knows", async () => {
    const away: ErrorCode[] = [
      "MESH_UNREACHABLE",
      "MESH_TIMEOUT",
      "MESH_STOPPING",
      "MESH_STORE_UNAVAILABLE",
    ];
    for (const code of away) {
      const read = await run({ a: [code], b: ["good"] }, true);
      expect([code, read.result, read.asked]).toEqual([code, "b", "a b"]);
      const write = await run({ a: [code], b: ["good"] }, false);
      expect([code, write.result, write.asked]).toEqual([code, code, "a"]);
    }
    for (const surely of ["unsent", "MESH_NOT_LEADER"] as const) {
      expect(await run({ a: [surely], b: ["good"] }, false)).toEqual({ result: "b", asked: "a b" });
    }
    const refused = await run({ a: ["MESH_FORBIDDEN"], b: ["good"] }, true);
    expect(refused).toEqual({ result: "MESH_FORBIDDEN", asked: "a" });
    // A certificate that the server refused came after the sending: it is final.
    const revoked = await run({ a: ["MESH_CERT_UNTRUSTED"], b: ["good"] }, true);
    expect(revoked).toEqual({ result: "MESH_CERT_UNTRUSTED", asked: "a" });
  });

  it("passes over an address where somebody else answers now, and tells of it", async () => {
    const notOurs = async (place: string) => {
      if (place === "b") throw asUnsent(new MeshError("MESH_UNREACHABLE"));
      throw asUnsent(new MeshError("MESH_CERT_UNTRUSTED"));
    };
    const options = { places: () => ["a", "b"], isRepeatable: false };
    await expect(askCoordinators(options, notOurs)).rejects.toMatchObject({
      code: "MESH_CERT_UNTRUSTED",
    });
  });

  it("waits while an election goes on, and not for machines that are off", async () => {
    const clock = steppingClock();
    const electing = {
      a: ["MESH_NOT_LEADER", "MESH_NOT_LEADER", "good"],
      b: ["unsent"],
    } as Answers;
    expect(await run(electing, false, { clock, random })).toEqual({
      result: "a",
      asked: "a b a b a",
    });
    expect(clock.waitedMs()).toBeGreaterThan(0);
    const off = steppingClock();
    const none = await run({ a: ["unsent"], b: ["unsent"] }, true, { clock: off, random });
    expect(none).toEqual({ result: "MESH_UNREACHABLE", asked: "a b" });
    expect(off.waitedMs()).toBe(0);
  });

  it("gives up in the end, with the error that says most", async () => {
    const clock = steppingClock();
    const { result } = await run({ a: ["MESH_STORE_UNAVAILABLE"], b: ["unsent"] }, true, {
      clock,
      random,
    });
    expect(result).toBe("MESH_STORE_UNAVAILABLE");
    expect(clock.waitedMs()).toBeLessThanOrEqual(10_000);
  });

  it("ends with its signal, and asks a leader that was named in between", async () => {
    const stop = new AbortController();
    const reason = new MeshError("MESH_CANCELLED");
    const work = askCoordinators(
      { places: () => ["a", "b"], isRepeatable: true, signal: stop.signal },
      async () => {
        stop.abort(reason);
        throw new MeshError("MESH_UNREACHABLE");
      },
    );
    await expect(work).rejects.toBe(reason);

    let places = ["a", "b"];
    const named = askCoordinators(
      {
        places: () => places,
        isRepeatable: false,
        onFailure: () => {
          places = ["c", "a", "b"];
        },
      },
      async (place) => {
        if (place === "c") return "the leader";
        throw new MeshError("MESH_NOT_LEADER");
      },
    );
    expect(await named).toBe("the leader");
  });
});
