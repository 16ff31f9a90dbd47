/**
 * A ring of three real daemons that loses members for good, while nobody asks for an answer: the
 * machine whose processes are killed, and the one that falls silent with its connections open, as
 * when its plug is pulled. The healer of the leader sees it, has the model planned over those that
 * are there, tells both plans, and the next answer is the same text.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { meshOk } from "../../scripts/mesh-processes.mjs";
import { AiPool, enginePids, measuredSlow, membersOf } from "../support/ai-pool.js";
import { until } from "../support/until.js";

interface Incident {
  readonly id: string;
  readonly state: string;
  readonly subject: { readonly id: string };
}

const NAMES = ["first", "second", "third"] as const;
const THREADS = 1;
const SPLIT = { placement: "T" };
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-pool-healing-"));
let pool: AiPool<(typeof NAMES)[number]>;
let whole: string;
let ringId: string;

beforeAll(async () => {
  pool = await AiPool.start({
    ...{ folder, names: NAMES, args: ["--ai-threads", String(THREADS)] },
    prepare: (home) => measuredSlow(home, THREADS),
  });
}, 180_000);

afterAll(async () => {
  for (const name of NAMES) await pool?.node(name).kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** About the ring of these answers: readiness may have asked for another one of the same model. */
async function lostIncidents(): Promise<readonly Incident[]> {
  const path = "/api/healing/incidents?kind=pool-member-lost";
  const { incidents } = await pool.get<{ incidents: Incident[] }>("first", path);
  return incidents.filter(({ subject }) => subject.id === ringId);
}

/** The page of the one incident about the ring that is not known yet. */
async function pageOf(lost: string, known: readonly Incident[]): Promise<string> {
  const found = await until(`an incident about ${lost} that is over`, async () => {
    const news = (await lostIncidents()).filter(({ id }) => !known.some((one) => one.id === id));
    return news.length === 1 && ["mended", "passed"].includes(news[0]?.state ?? "") && news[0];
  });
  const page = await meshOk(pool.node("first").home, ["heal", "explain", found.id]);
  // As a person reads it, without the ends of lines.
  return `${found.state}\n${page.replaceAll(/\s+/g, " ")}`;
}

describe("a ring of three at rest", () => {
  let known: readonly Incident[] = [];

  it("answers with the parts of three machines", async () => {
    whole = (await pool.tell("first", SPLIT)).text;
    expect(whole.length).toBeGreaterThan(80);
    const ring = await pool.ring("first");
    expect(membersOf(ring)).toEqual([...NAMES].sort());
    ringId = ring?.ringId ?? "";
    known = await lostIncidents();
  });

  it("plans without a machine that is killed, and its incident says who did it", async () => {
    await pool.node("third").kill("SIGKILL");
    const page = await pageOf("third", known);
    // Its connections ended with it: the ring itself was quicker than any remedy could be.
    expect(page).toMatch(/^passed/);
    expect(page).toMatch(
      /third was lost to epoch \d+ \(.+\), and the ring plan(s|ned) anew by itself/,
    );
    expect(page).toMatch(/Gone by itself after .*epoch \d+ runs on first and second/);
    expect(membersOf(await pool.ring("first"))).toEqual(["first", "second"]);
    expect((await pool.tell("first", SPLIT)).text).toBe(whole);
    known = await lostIncidents();
  });

  it("is planned by the healer without a machine that fell silent, and goes on", async () => {
    const daemon = pool.node("second");
    for (const pid of [daemon.pid as number, ...enginePids(daemon)]) process.kill(pid, "SIGSTOP");
    const page = await pageOf("second", known);
    expect(page).toMatch(/^mended/);
    expect(page).toMatch(/epoch \d+ runs on first and second; second is away; 0 answers/);
    expect(page).toMatch(/re-plan-pool applied: planned anew in [\d.]+ s: epoch \d+: first \(col/);
    expect(page).toMatch(/re-plan-pool verified: epoch \d+ runs on first/);
    expect(membersOf(await pool.ring("first"))).toEqual(["first"]);
    expect((await pool.tell("first")).text).toBe(whole);
  });
});
