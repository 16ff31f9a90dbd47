/**
 * The processes of engines and the rings of a pool of real daemons, mended by their healers: an
 * engine that is killed, one that hangs, a member that is gone while nobody asks, and is back.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AiPool, enginePids, membersOf } from "../support/ai-pool.js";
import { until } from "../support/until.js";

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly subject: { readonly name: string };
}

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-engines-"));
let pool: AiPool<"first" | "second">;

beforeAll(async () => {
  pool = await AiPool.start({ folder, names: ["first", "second"] });
}, 180_000);

afterAll(async () => {
  await pool?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** On this machine, however fast another one was measured to be. */
const WHOLE = { placement: "R", only_members: ["first"] };

const KINDS = { process: "process-down", ring: "pool-member-lost" } as const;

async function incidents(kind: keyof typeof KINDS): Promise<readonly Listed[]> {
  const path = `/api/healing/incidents?kind=${KINDS[kind]}`;
  return (await pool.get<{ incidents: Listed[] }>("first", path)).incidents;
}

/** The page of the next incident of this kind that ended, beyond those that are known. */
async function nextEnded(kind: keyof typeof KINDS, known: readonly Listed[]) {
  const found = await until(`an incident of ${KINDS[kind]} that is over`, async () => {
    const all = await incidents(kind);
    const isNew = (one: Listed) => !known.some(({ id }) => id === one.id);
    return all.find((one) => isNew(one) && ["mended", "passed"].includes(one.state));
  });
  type Told = { incident: { timeline: { text: string }[] } };
  const { incident } = await pool.get<Told>("first", `/api/healing/incidents/${found.id}`);
  return { ...found, text: incident.timeline.map(({ text }) => text).join("\n") };
}

const enginePid = () => enginePids(pool.node("first"))[0] as number;

const isServing = async () => {
  const all = await incidents("process");
  return all.every(({ state }) => !["open", "mending", "verifying"].includes(state));
};

describe("the process of an engine", () => {
  let whole = "";

  it("that is killed at rest is started by its ring, and proved with a token", async () => {
    whole = (await pool.tell("first", WHOLE)).text;
    // Until it was looked at once, it is only starting.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const killed = enginePid();
    process.kill(killed, "SIGKILL");
    const { text, subject, state } = await nextEnded("process", []);
    expect(subject.name).toMatch(/^engine of demo.* \(ring [0-9a-f]{6}\)$/);
    expect(state).toMatch(/mended|passed/);
    expect(text).toMatch(/the worker ended with SIGKILL after [\d.]+ s/);
    expect(text).toMatch(/served again [\d.]+ s later; process \d+ serves, which it has proved/);
    expect(enginePid()).not.toBe(killed);
    expect((await pool.tell("first", WHOLE)).text).toBe(whole);
  });

  it("that hangs is ended by the healer, under an answer that goes on", async () => {
    await until("the engine is known to serve", isServing);
    const known = await incidents("process");
    process.kill(enginePid(), "SIGSTOP");
    const answer = pool.tell("first", WHOLE);
    const { text, state } = await nextEnded("process", known);
    expect(state).toBe("mended");
    expect(text).toMatch(/process \d+ lives and answers nothing/);
    expect(text).toMatch(/was silent and was started anew; it answers after [\d.]+ s/);
    expect(text).toMatch(/the worker ended with SIGKILL/);
    expect((await answer).text).toBe(whole);
  });
});

describe("a ring at rest", () => {
  it("goes on without a member that is gone, and with it when it is back", async () => {
    const { text } = await pool.tell("first", { placement: "T" });
    const isSplit = async (count: number) => {
      const { led } = await pool.get<{ led: { members: { name: string }[] }[] }>(
        "first",
        "/api/inference/rings",
      );
      return led.some(({ members }) => members.length === count);
    };
    expect(await isSplit(2)).toBe(true);
    await pool.node("second").kill("SIGKILL");
    const lost = await nextEnded("ring", []);
    expect(lost.state).toBe("passed");
    expect(lost.text).toMatch(/second was lost to epoch \d+ .*the ring plan(s|ned) anew by itself/);
    expect(await isSplit(2)).toBe(false);
    const known = await incidents("ring");
    pool.node("second").start();
    await pool.node("second").ready();
    const back = await nextEnded("ring", known);
    expect(back.state).toBe("mended");
    expect(back.text).toMatch(/second is there again and not part of it/);
    expect(back.text).toMatch(/planned anew in [\d.]+ s: epoch \d+: .*second.*before: first/);
    expect(await isSplit(2)).toBe(true);
    expect((await pool.tell("first", { placement: "T" })).text).toBe(text);
    expect(membersOf(await pool.ring("first")).length).toBeGreaterThan(0);
  });
});
