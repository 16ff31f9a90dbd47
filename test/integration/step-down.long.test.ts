/**
 * Three coordinators on real etcd: one that leads and stands still every other moment, too briefly
 * to lose its lease, gives the lead to another one by itself, and its page of the incident says so.
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
/** Longer than its healer lets the lateness of its timers be. */
const STANDS_MS = 1_300;
const RUNS_MS = 900;
const START_MS_MAX = 600_000;
const PULSES_MAX = 60;

interface Told {
  readonly id: string;
  readonly state: string;
  readonly subject: { readonly name: string };
}

describe.skipIf(missing !== undefined)(missing ? `${name} (${missing})` : name, () => {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-step-down-"));
  let member: MeshProcesses;

  beforeAll(async () => {
    const options = { folder, store: "etcd", storageNodes: 0, coordinators: 3 };
    // The lease outlives the pauses: it is the healer that gives the lead back.
    const extra = ["--store-lease-time", "60s"];
    member = await MeshProcesses.start({ ...options, extra });
  }, START_MS_MAX);

  afterAll(async () => {
    await member?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = async <Answer>(at: MeshProcess, path: string): Promise<Answer> => {
    const answer = await fetch(`${at.httpUrl}${path}`, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return (await answer.json()) as Answer;
  };

  it("steps down, while keys are set through the others", async () => {
    const [first, second] = member.coordinators as [MeshProcess, MeshProcess];
    const set = (key: string) =>
      until(`the key ${key} to be set`, async () => {
        const put = { method: "PUT", body: key, signal: AbortSignal.timeout(10_000) };
        return (await fetch(`${second.httpUrl}/api/kv/${key}`, put)).ok;
      });
    const struggling = async () => {
      const path = "/api/healing/incidents?kind=leader-struggling";
      const { incidents } = await ask<{ incidents: Told[] }>(first, path);
      return incidents.find(({ subject }) => subject.name === "alice-coordinator");
    };
    let told: Told | undefined;
    for (let pulse = 0; pulse < PULSES_MAX && told?.state !== "verifying"; pulse++) {
      if (told?.state === "mended") break;
      first.child?.kill("SIGSTOP");
      await set(`while-it-stands-${pulse}`);
      await sleep(STANDS_MS);
      first.child?.kill("SIGCONT");
      await sleep(RUNS_MS);
      told = await struggling().catch(() => told);
    }
    const mended = await until("the incident to end", async () => {
      const one = await struggling();
      return one?.state === "mended" && one;
    });
    const page = await meshOk(first.home, ["heal", "explain", mended.id]);
    expect(page).toMatch(/timers are late by \d+ ms/);
    expect(page).toMatch(/gave the lead of epoch \d+ back/);
    expect(page).toContain("Mended by step-down");
    interface Seen {
      readonly coordinators: readonly { readonly name: string; readonly isLeader: boolean }[];
    }
    const { coordinators } = await ask<Seen>(second, "/api/coordinators");
    const leaders = coordinators.filter(({ isLeader }) => isLeader);
    expect(leaders).toHaveLength(1);
    expect(leaders[0]?.name).not.toBe("alice-coordinator");
    await set("afterwards");
  });
});
