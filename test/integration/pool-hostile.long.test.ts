/**
 * A member of a pool whose engine has been taken over, among real daemons: its certificate is good,
 * it is in the plan, and what it sends on the tensor port is false, or nothing. Each time the
 * answer goes on without it in the same stream with the same greedy text, the leader says who it
 * was, and the next answer does not even begin with it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AiPool, measuredSlow, membersOf } from "../support/ai-pool.js";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-hostile-"));
const deedFile = join(folder, "deed");
const NAMES = ["first", "second", "taken-over"] as const;
const LEADER = "second";
let pool: AiPool<(typeof NAMES)[number]>;

const THREADS = 1;
const SPLIT = { placement: "T" };

/** See `hostile-worker.mjs`: in the middle of an answer, and before the first token. */
const IN_THE_MIDDLE = [
  ...["wrong-size", "huge-size", "wrong-epoch", "wrong-number", "twice", "not-a-number"],
  ...["infinity", "huge-count", "other-hash", "commands", "blames", "noise", "silent"],
];
const AT_ONCE = ["other-plan", "mute"];

beforeAll(async () => {
  writeFileSync(deedFile, "honest");
  const engine = pathToFileURL(join(import.meta.dirname, "../support/hostile-engine.mjs"));
  pool = await AiPool.start({
    ...{ folder, names: NAMES, args: ["--ai-threads", String(THREADS)] },
    variables: {
      "taken-over": { NODE_OPTIONS: `--import=${engine}`, HOSTILE_DEED_FILE: deedFile },
    },
    prepare: (home) => measuredSlow(home, THREADS),
  });
}, 180_000);

afterAll(async () => {
  await pool?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const logOf = () => readFileSync(join(pool.node(LEADER).home, "daemon.out"), "utf8");

/** What was done wrong is remembered by who leads, until it is started anew. */
async function forget(): Promise<void> {
  const leader = pool.node(LEADER);
  await leader.kill("SIGTERM");
  // Nor shall it know that a small model is faster on fewer machines.
  rmSync(join(leader.home, "ai", "history.json"), { force: true });
  leader.start();
  await leader.ready();
  await pool.allOnline();
}

describe("a member whose engine has been taken over", () => {
  let whole = "";

  it("is part of a ring of three as long as it behaves", async () => {
    whole = (await pool.tell(LEADER, SPLIT)).text;
    expect(whole.length).toBeGreaterThan(80);
    expect(membersOf(await pool.ring(LEADER))).toEqual([...NAMES].sort());
    expect((await pool.tell(LEADER, { placement: "R" })).text).toBe(whole);
  });

  it.each([...IN_THE_MIDDLE, ...AT_ONCE])(
    "%s: is found out, named and left out, and the answer is whole",
    async (deed) => {
      writeFileSync(deedFile, deed);
      await forget();
      const logged = logOf().length;
      const { text, timings } = await pool.tell(LEADER, SPLIT);
      expect(text).toBe(whole);
      if (IN_THE_MIDDLE.includes(deed)) expect(timings?.epochs).toBeGreaterThan(1);
      expect(logOf().slice(logged)).toMatch(/taken-over/);
      const members = membersOf(await pool.ring(LEADER));
      expect(members).not.toContain("taken-over");
      // Whom it accused, or kept from answering in time, may rest for a minute too.
      if (!["blames", "silent", "mute"].includes(deed))
        expect(members).toEqual(["first", "second"]);
      expect(members.length).toBeGreaterThan(0);
      // The next answer does not even begin with it.
      const next = await pool.tell(LEADER, SPLIT);
      expect(next).toMatchObject({ text: whole, timings: { epochs: 1 } });
    },
    180_000,
  );
});
