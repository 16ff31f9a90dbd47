/**
 * Histories of the store, recorded from real processes while they are killed, stopped, cut off, out
 * of disk or out of time, and checked. `npm run history` records longer ones; `docs/histories.md`
 * tells what is recorded and what is checked.
 */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  callsOf,
  checkHistory,
  type FaultName,
  type History,
  readHistory,
  reportLines,
  writeHistory,
} from "@hearthmesh/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { record, whyNoRecording } from "../histories/record.mjs";

const SCRIPT = fileURLToPath(new URL("../../scripts/history.mjs", import.meta.url));
/** Any of them may be slow on a busy machine; each has so many by far. */
const ANSWERED_MIN = 100;

interface Plan {
  readonly engine: "memory" | "sqlite" | "etcd";
  readonly faults: readonly FaultName[];
  readonly seconds: number;
  /** One with which each fault comes within the time. */
  readonly seed: number;
}

const PLANS: readonly Plan[] = [
  { engine: "memory", faults: [], seconds: 1, seed: 1 },
  { engine: "sqlite", faults: ["kill", "pause"], seconds: 5, seed: 5 },
  { engine: "sqlite", faults: ["disk", "clock"], seconds: 5, seed: 5 },
  { engine: "etcd", faults: ["kill", "pause"], seconds: 6, seed: 5 },
  { engine: "etcd", faults: ["partition"], seconds: 6, seed: 1 },
  { engine: "etcd", faults: ["disk", "clock"], seconds: 6, seed: 5 },
];
/** What a line of the history says when the fault begins. */
const BEGINNINGS: Record<FaultName, string> = {
  kill: "kill",
  pause: "pause",
  partition: "partition",
  disk: "fill",
  clock: "clock",
};

const check = (history: History) => checkHistory(history, { nowMs: () => performance.now() });

describe("a recorded history of the store", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hearthmesh-histories-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  for (const plan of PLANS) {
    const { engine, faults, seconds } = plan;
    const missing = whyNoRecording(engine, faults);
    const what = `${engine}, ${faults.length === 0 ? "no fault" : faults.join(" and ")}`;
    const name = `${what}, ${seconds} s: linearizable`;
    it.skipIf(missing !== undefined)(
      missing === undefined ? name : `${name} (${missing})`,
      async () => {
        const history: History = await record(plan);
        const report = check(history);
        console.log(`${what}: ${reportLines(history, report).join("\n")}`);
        expect(report.problems).toEqual([]);
        expect(report.verdict).toBe("linearizable");
        expect(report.counts.ok).toBeGreaterThan(ANSWERED_MIN);
        expect(report.counts.batches).toBeGreaterThan(ANSWERED_MIN / 10);
        const done = new Set(callsOf(history).faults.map(({ op }) => op));
        for (const fault of faults) expect([...done]).toContain(BEGINNINGS[fault]);
      },
    );
  }

  it("is read back by the command, which ends with the verdict", async () => {
    const good = join(folder, "good.jsonl");
    const history: History = await record({ engine: "memory", faults: [], seconds: 1, seed: 2 });
    await writeHistory(good, history);
    expect(await readHistory(good)).toEqual(history);
    expect(verdictOf(good)).toMatchObject({ status: 0, verdict: "linearizable" });
    // The last read of a key is answered with a value that nobody wrote.
    const place = history.events.findLastIndex(({ op, type }) => op === "get" && type === "ok");
    const events = history.events.map((event, index) =>
      index === place ? { ...event, value: "nobody's", modRevision: 2 } : event,
    ) as History["events"];
    const bad = join(folder, "bad.jsonl");
    await writeHistory(bad, { header: history.header, events });
    expect(verdictOf(bad)).toMatchObject({ status: 1, verdict: "violation" });
    expect(verdictOf(SCRIPT).status).toBe(2);
  });

  function verdictOf(path: string): { status: number | null; verdict?: string } {
    const args = [SCRIPT, "--check", path, "--json"];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    const line = stdout.trim().split("\n").at(-1) ?? "";
    return { status, ...(line.startsWith("{") ? JSON.parse(line) : {}) };
  }
});
