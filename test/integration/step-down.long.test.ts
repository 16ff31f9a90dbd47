/**
 * Three coordinators on real etcd. One that leads and stands still every other moment, too briefly
 * to count as dead, gives the lead to another one by itself, and its page of the incident says so.
 * One that stands still for longer loses the lead, and the history says who took it over.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { whyNoEtcd } from "@hearthmesh/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MeshProcess, MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";
import { until } from "../support/until.js";

const missing = whyNoEtcd();
const name = "a leader that stands still";
/** Longer than its healer lets timers be late (1 s), shorter than membership waits (2 s). */
const STANDS_MS = 1_200;
/** Long enough to tell the others that it lives. */
const RUNS_MS = 1_500;
const START_MS_MAX = 600_000;
/** Ten are enough where no pause gets longer than it should. */
const PULSES_MAX = 120;

interface Told {
  readonly id: string;
  readonly state: string;
  readonly openedAtMs: number;
  readonly subject: { readonly name: string };
}

interface Seen {
  readonly coordinators: readonly { readonly name: string; readonly isLeader: boolean }[];
}

describe.skipIf(missing !== undefined)(missing ? `${name} (${missing})` : name, () => {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-step-down-"));
  let member: MeshProcesses;

  beforeAll(async () => {
    const options = { folder, store: "etcd", storageNodes: 0, coordinators: 3 };
    // The lease outlives the pauses: it is the healer that gives the lead back.
    const extra = ["--store-lease-time", "30s"];
    member = await MeshProcesses.start({ ...options, extra });
  }, START_MS_MAX);

  afterAll(async () => {
    await member?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const nameOf = (one: MeshProcess) =>
    one === member.coordinator ? "alice-coordinator" : (one.home.split("/").at(-1) ?? "");

  const ask = async <Answer>(at: MeshProcess, path: string): Promise<Answer> => {
    const answer = await fetch(`${at.httpUrl}${path}`, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return (await answer.json()) as Answer;
  };

  /** Who leads, as that one sees it. */
  const leaderBy = async (at: MeshProcess): Promise<MeshProcess | undefined> => {
    const { coordinators } = await ask<Seen>(at, "/api/coordinators");
    const leader = coordinators.find(({ isLeader }) => isLeader);
    return member.coordinators.find((one) => nameOf(one) === leader?.name);
  };

  const otherThan = (one: MeshProcess): MeshProcess => {
    const other = member.coordinators.find((each) => each !== one);
    if (other === undefined) throw new Error("there is one coordinator only");
    return other;
  };

  const set = (through: MeshProcess, key: string) =>
    until(`the key ${key} to be set`, async () => {
      const put = { method: "PUT", body: key, signal: AbortSignal.timeout(10_000) };
      return (await fetch(`${through.httpUrl}/api/kv/${key}`, put)).ok;
    });

  const incident = async (at: MeshProcess, kind: string, about: MeshProcess) => {
    const path = `/api/healing/incidents?kind=${kind}`;
    const { incidents } = await ask<{ incidents: Told[] }>(at, path);
    return incidents.find(({ subject }) => subject.name === nameOf(about));
  };

  /** The page of an incident, without its line breaks. */
  const explained = async (at: MeshProcess, id: string): Promise<string> =>
    (await meshOk(at.home, ["heal", "explain", id])).replace(/\s+/g, " ");

  /** Nothing else happens meanwhile: what takes its time would make the pause longer. */
  const standStill = async (one: MeshProcess) => {
    one.child?.kill("SIGSTOP");
    await sleep(STANDS_MS);
    one.child?.kill("SIGCONT");
    await sleep(RUNS_MS);
  };

  it("steps down, while keys are set through another one", { timeout: START_MS_MAX }, async () => {
    const struggling = (by: MeshProcess) => incident(by, "leader-struggling", by);
    const closed = async (by: MeshProcess) => {
      const told = await struggling(by);
      return told !== undefined && ["mended", "passed", "ended"].includes(told.state) && told;
    };
    /** Its healer believes it and acts: from then on it is left in peace. */
    const hasBegun = (by: MeshProcess) =>
      until("its healer to answer", async () => {
        const told = await struggling(by);
        return { isSo: told !== undefined && told.state !== "open" };
      });
    const steppedDown = async (): Promise<{ by: MeshProcess; id: string }> => {
      for (let pulse = 0; pulse < PULSES_MAX; pulse++) {
        // A machine that lets a pause become too long gives the lead to another one: then that one.
        const by = await until("a leader", () => leaderBy(member.coordinator));
        await standStill(by);
        await set(otherThan(by), `while-it-stands-${pulse}`);
        if (!(await hasBegun(by)).isSo) continue;
        const ended = await until("the incident to end", () => closed(by));
        if (ended.state === "mended") return { by, id: ended.id };
      }
      throw new Error(`no leader stepped down within ${PULSES_MAX} pauses`);
    };
    const { by, id } = await steppedDown();
    const page = await explained(by, id);
    expect(page).toMatch(/timers are late by \d+ ms/);
    expect(page).toMatch(/gave the lead of epoch \d+ back/);
    expect(page).toContain("Mended by step-down");
    const leader = await until("one that leads", () => leaderBy(otherThan(by)));
    expect(leader).not.toBe(by);
    const change = await until("what the one that leads now tells", () =>
      incident(leader, "lead-changed", by),
    );
    expect(await explained(leader, change.id)).toContain("it is there, and gave the lead back");
    await set(leader, "afterwards");
  });

  it("loses the lead when it stands for longer, and the history says who took it", {
    timeout: START_MS_MAX,
  }, async () => {
    const before = await until("a leader", () => leaderBy(member.coordinator));
    const other = otherThan(before);
    const sinceMs = Date.now();
    before.child?.kill("SIGSTOP");
    const leads = async () => {
      const now = await leaderBy(other).catch(() => undefined);
      return now === before ? undefined : now;
    };
    // By the word of membership, or else when the lease is over.
    const patient = { timeout: 180_000, interval: 200 };
    try {
      await expect.poll(leads, patient).toBeDefined();
    } finally {
      before.child?.kill("SIGCONT");
    }
    const leader = await until("one that leads", leads);
    const told = await until("what the one that leads now tells", async () => {
      const newest = await incident(leader, "lead-changed", before);
      return newest !== undefined && newest.openedAtMs >= sinceMs && newest;
    });
    const page = await explained(leader, told.id);
    const epochs = new RegExp(
      `${nameOf(leader)} leads, by epoch (\\d+), after ${nameOf(before)} by epoch (\\d+); `,
    );
    const [, after, was] = epochs.exec(page) ?? [];
    expect(Number(after)).toBeGreaterThan(Number(was));
    const history = await meshOk(leader.home, ["heal", "history"]);
    expect(history).toContain(`${nameOf(before)} has lost the lead, or given it back`);
    // It calls nobody: there is nothing to be mended.
    expect(page).toContain("Nothing to mend");
    await until("the one that woke to follow", async () => (await leaderBy(before)) === leader);
  });
});
