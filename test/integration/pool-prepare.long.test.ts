/**
 * A member of a pool of real daemons that never gets its part of a model ready: it says nothing, or
 * it says for ever that it is at it. The leader waits for a bounded time, says why it does without
 * it, and answers with the others.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AiPool, measuredSlow, membersOf } from "../support/ai-pool.js";

const NAMES = ["first", "second", "taken-over"] as const;
const THREADS = 1;
const SPLIT = { placement: "T" };
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-prepare-"));
const deedFile = join(folder, "deed");
let pool: AiPool<(typeof NAMES)[number]>;
let whole: string;

beforeAll(async () => {
  writeFileSync(deedFile, "honest");
  const agent = pathToFileURL(join(import.meta.dirname, "../support/hostile-agent.mjs"));
  pool = await AiPool.start({
    ...{ folder, names: NAMES, args: ["--ai-threads", String(THREADS)] },
    variables: {
      "taken-over": { NODE_OPTIONS: `--import=${agent}`, HOSTILE_DEED_FILE: deedFile },
    },
    prepare: (home) => measuredSlow(home, THREADS),
  });
}, 180_000);

afterAll(async () => {
  await pool?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const logOf = () => readFileSync(join(pool.node("first").home, "daemon.out"), "utf8");

/** Whoever leads forgets what was loaded, and who did wrong, when it is started anew. */
async function beginAnew(): Promise<void> {
  const first = pool.node("first");
  await first.kill("SIGTERM");
  rmSync(join(first.home, "ai", "history.json"), { force: true });
  first.start();
  await first.ready();
  await pool.allOnline();
}

describe("a member that never gets ready", () => {
  it("is part of the ring as long as it does", async () => {
    whole = (await pool.tell("first", SPLIT)).text;
    expect(whole.length).toBeGreaterThan(80);
    expect(membersOf(await pool.ring("first"))).toEqual([...NAMES].sort());
  });

  it.each([
    ["mute", /taken-over did not say for 30 s how far it is with its part of the model/],
    ["busy", /taken-over got less than 8\.0 MiB further within 120 s with its part of the model/],
  ])(
    "%s: is waited for no longer, named and left out",
    async (deed, why) => {
      writeFileSync(deedFile, deed);
      await beginAnew();
      const logged = logOf().length;
      expect((await pool.tell("first", SPLIT)).text).toBe(whole);
      expect(logOf().slice(logged)).toMatch(why);
      expect(membersOf(await pool.ring("first"))).toEqual(["first", "second"]);
    },
    300_000,
  );
});
