import { MeshError, type NodeId, silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { describe, expect, it } from "vitest";
import { encodeProgress, METHODS } from "./agent-messages.js";
import {
  PREPARE_MS_MAX,
  PREPARE_SILENT_MS,
  PREPARE_STEP_BYTES,
  PREPARE_STILL_MS_MAX,
} from "./limits.js";
import {
  beginPreparation,
  heard,
  overdue,
  type Preparation,
  type PrepareProgress,
} from "./preparation.js";
import { RingCalls } from "./ring-calls.js";
import type { EpochPlan } from "./ring-machine.js";

const FILE_BYTES = 5 * PREPARE_STEP_BYTES;
const LOOK_MS = 1_000;

/** Asked once a second: when it is waited for no longer, and why. */
function untilOverdue(say: (nowMs: number) => PrepareProgress | undefined) {
  let known: Preparation = beginPreparation(0);
  for (let nowMs = LOOK_MS; nowMs < PREPARE_MS_MAX; nowMs += LOOK_MS) {
    const said = say(nowMs);
    if (said !== undefined) known = heard(known, said, FILE_BYTES, nowMs);
    const why = overdue(known, nowMs);
    if (why !== undefined) return { why, nowMs };
  }
  return undefined;
}

describe("a member that prepares its part", () => {
  it("is waited for as long as it gets on, however slowly that is allowed", () => {
    const bytesPerMs = PREPARE_STEP_BYTES / (PREPARE_STILL_MS_MAX - LOOK_MS);
    let known = beginPreparation(0);
    for (let nowMs = LOOK_MS; nowMs < 4 * PREPARE_STILL_MS_MAX; nowMs += LOOK_MS) {
      const pulledBytes = Math.round(nowMs * bytesPerMs);
      known = heard(known, { pulledBytes, isPulled: false }, FILE_BYTES, nowMs);
      expect(overdue(known, nowMs)).toBeUndefined();
    }
  });

  it("that says nothing is given up soon, whatever it said before", () => {
    expect(untilOverdue(() => undefined)?.nowMs).toBe(PREPARE_SILENT_MS);
    const dies = untilOverdue((nowMs) =>
      nowMs <= 50_000 ? { pulledBytes: nowMs * 1_000, isPulled: false } : undefined,
    );
    expect(dies?.nowMs).toBe(50_000 + PREPARE_SILENT_MS);
    expect(dies?.why).toMatch(/^did not say for 30 s how far it is/);
  });

  it("that answers for ever and gets nowhere is given up too", () => {
    const still = untilOverdue(() => ({ pulledBytes: 1, isPulled: false }));
    expect(still?.nowMs).toBe(PREPARE_STILL_MS_MAX);
    expect(still?.why).toBe(
      "got less than 8.0 MiB further within 120 s with its part of the model",
    );
    const trickles = untilOverdue((nowMs) => ({ pulledBytes: nowMs, isPulled: false }));
    expect(trickles?.nowMs).toBe(PREPARE_STILL_MS_MAX);
  });

  it("has time for its engine once it has all, and once only", () => {
    const pulled = untilOverdue((nowMs) => ({ pulledBytes: 3, isPulled: nowMs >= 100_000 }));
    expect(pulled?.nowMs).toBe(100_000 + PREPARE_STILL_MS_MAX);
    expect(pulled?.why).toContain("its engine did not start");
    const wavers = untilOverdue((nowMs) => ({ pulledBytes: 3, isPulled: nowMs % 2_000 === 0 }));
    expect(wavers?.nowMs).toBe(2_000 + PREPARE_STILL_MS_MAX);
  });

  it("cannot hold a plan longer than a file of this size takes, whatever it makes up", () => {
    const steps = FILE_BYTES / PREPARE_STEP_BYTES;
    const liars: ((nowMs: number) => PrepareProgress)[] = [
      (nowMs) => ({ pulledBytes: nowMs * 1e9, isPulled: false }),
      (nowMs) => ({ pulledBytes: (nowMs % 7_000) * 1e6, isPulled: nowMs % 3_000 === 0 }),
      (nowMs) => ({
        pulledBytes: Math.floor(nowMs / (PREPARE_STILL_MS_MAX - LOOK_MS)) * PREPARE_STEP_BYTES,
        isPulled: false,
      }),
    ];
    for (const liar of liars) {
      expect(untilOverdue(liar)?.nowMs).toBeLessThanOrEqual((steps + 2) * PREPARE_STILL_MS_MAX);
    }
  });
});

describe("the leader of a ring", () => {
  const plan = {
    ...{ epoch: 3, placement: "T", contextTokens: 8 },
    members: ["a", "b"].map((name, at) => ({
      ...{ nodeId: name as NodeId, name: `node ${name}`, memoryBytes: 1 },
      columns: { from: at * 10, to: at * 10 + 10 },
    })),
  } as unknown as EpochPlan;
  const never = new AbortController().signal;

  /** Member b does not answer `prepare`; what it answers when it is asked how far it is. */
  function bed(progress: () => Promise<Uint8Array>) {
    const clock = new ManualClock();
    const asked: string[] = [];
    const ended: unknown[] = [];
    const calls = new RingCalls({
      ...{ ringId: "r", model: { id: "m", sizeBytes: FILE_BYTES }, host: {} as never },
      ports: {
        ...{ clock, log: silentLogger, self: { nodeId: "a" as NodeId, name: "node a" } },
        links: {
          call: async (_nodeId, method, _body, { signal }) => {
            asked.push(method);
            if (method === METHODS.progress) return progress();
            return new Promise((_resolve, reject) => {
              signal.addEventListener("abort", () => {
                ended.push(signal.reason);
                reject(signal.reason);
              });
            });
          },
          openStream: () => Promise.reject(new MeshError("MESH_INTERNAL")),
          wayTo: () => undefined,
        },
      },
    });
    return { clock, calls, asked, ended };
  }

  const alive = async () => encodeProgress({ pulledBytes: 7, isPulled: false });
  const refuses = () => Promise.reject(new MeshError("MESH_FORBIDDEN"));
  const away = () => Promise.reject(new MeshError("MESH_UNREACHABLE"));
  const lies = async () => Buffer.from('{"pulledBytes":-1}');

  it.each([
    ["is alive and gets nowhere", alive, PREPARE_STILL_MS_MAX, "got less than 8.0 MiB further"],
    ["does not know the question", refuses, PREPARE_STILL_MS_MAX, "got less than 8.0 MiB further"],
    ["answers no progress", lies, PREPARE_STILL_MS_MAX, "got less than 8.0 MiB further"],
    ["cannot be asked", away, PREPARE_SILENT_MS, "did not say for 30 s"],
  ])("gives a member up that %s", async (_text, progress, afterMs, why) => {
    const { clock, calls, asked, ended } = bed(progress);
    let failure: unknown;
    const prepared = calls.prepare(plan, "b" as NodeId, never).catch((error: unknown) => {
      failure = error;
    });
    await clock.advance(afterMs - 1);
    expect(failure).toBeUndefined();
    await clock.advance(2_000);
    await prepared;
    expect(failure).toMatchObject({ code: "MESH_TIMEOUT" });
    expect((failure as Error).message).toMatch(new RegExp(`^node b ${why}`));
    // What is under way for it ends with that, and nobody asks it any more.
    expect(ended).toHaveLength(1);
    const count = asked.length;
    await clock.advance(60_000);
    expect(asked).toHaveLength(count);
  });

  it("ends with its own signal at once", async () => {
    const { clock, calls, asked } = bed(alive);
    const stop = new AbortController();
    const prepared = calls.prepare(plan, "b" as NodeId, stop.signal);
    stop.abort(new MeshError("MESH_EPOCH_OLD"));
    await expect(prepared).rejects.toMatchObject({ code: "MESH_EPOCH_OLD" });
    await clock.advance(60_000);
    expect(asked).toEqual([METHODS.prepare]);
  });
});
