/**
 * Background work under real load: one daemon that keeps chunks, asked for pages by three programs
 * as fast as it answers. The healer sees it, has scrub rest, and lets it go at its own speed when
 * the load ends. Scrub is measured twice under the same load: while the healer only says what it
 * would do, and while it does it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../../scripts/lib.mjs";
import { MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";

const PROGRAMS = 3;
const USERS = 24;
/** So much that the time of a pass is that of its work, not of the looks whether it has ended. */
const FILE_BYTES = 192 << 20;
const PATIENCE_MS = 150_000;

interface Incident {
  readonly id: string;
  readonly state: string;
  readonly timeline: readonly { step: string; remedy?: string; text: string }[];
}

describe("background work of a daemon under load", () => {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-throttling-"));
  let member: MeshProcesses;
  const programs: ChildProcess[] = [];

  beforeAll(async () => {
    // From its start on it says what it would do: this machine may be busy already.
    const coordinatorExtra = ["--role", "storage", "--acks", "1", "--healing", "dry-run"];
    member = await MeshProcesses.start({ folder, storageNodes: 0, coordinatorExtra });
    const bytes = Buffer.alloc(FILE_BYTES, "hearth");
    for (let at = 0; at < FILE_BYTES; at += 4_096) bytes.writeUInt32LE(at, at);
    const large = join(folder, "large");
    writeFileSync(large, bytes);
    await meshOk(member.coordinator.home, ["write", "/large", large]);
  });

  afterAll(async () => {
    await endLoad();
    await member?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function beginLoad(): void {
    const { httpUrl } = member.coordinator;
    for (let at = 0; at < PROGRAMS; at++) {
      const flags = ["--users", `${USERS}`, "--spawn-rate", "200", "--run-time", "900"];
      const script = join(root, "scripts/loadtest.mjs");
      programs.push(
        spawn(process.execPath, [script, ...flags, "--host", httpUrl], { stdio: "ignore" }),
      );
    }
  }

  async function endLoad(): Promise<void> {
    for (const program of programs.splice(0)) {
      if (program.exitCode !== null || program.signalCode !== null) continue;
      const ended = once(program, "exit");
      program.kill("SIGKILL");
      await ended;
    }
  }

  async function ask<Answer>(path: string): Promise<Answer> {
    const answer = await fetch(`${member.coordinator.httpUrl}${path}`);
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return (await answer.json()) as Answer;
  }

  async function until<T>(what: string, holds: () => Promise<T | false>): Promise<T> {
    let last: unknown;
    for (const endMs = Date.now() + PATIENCE_MS; Date.now() < endMs; ) {
      const found = await holds().catch((error: unknown) => {
        last = error;
        return false as const;
      });
      if (found !== false) return found;
      await sleep(200);
    }
    throw new Error(`timed out waiting for ${what}: ${String(last)}`);
  }

  const newestIncident = async (): Promise<Incident | undefined> => {
    const { incidents } = await ask<{ incidents: { id: string }[] }>(
      "/api/healing/incidents?kind=load-high&limit=1",
    );
    const [newest] = incidents;
    if (newest === undefined) return undefined;
    return (await ask<{ incident: Incident }>(`/api/healing/incidents/${newest.id}`)).incident;
  };

  const incidentWith = (what: string, holds: (incident: Incident) => boolean) =>
    until(what, async () => {
      const incident = await newestIncident();
      return incident !== undefined && holds(incident) && incident;
    });

  /** A command waits for its answer as long as a person would, which is not for ever. */
  const tell = (...words: string[]) =>
    until(words.join(" "), () => meshOk(member.coordinator.home, words));

  /** Bytes a second of a pass over all chunks that was asked for now. */
  async function scrubSpeed(): Promise<number> {
    const told = JSON.parse(await tell("worker", "run", "scrub", "--wait", "--json"));
    const { bytes, tookMs } = told.worker.lastRun as { bytes: number; tookMs: number };
    expect(bytes).toBeGreaterThanOrEqual(FILE_BYTES);
    return bytes / tookMs;
  }

  it("rests while it lasts, and goes on when it is over", async () => {
    beginLoad();
    const planned = await incidentWith("the load to be seen", ({ timeline }) =>
      timeline.some(({ step }) => step === "decided"),
    );
    const told = planned.timeline.map(({ text }) => text);
    expect(told).toContainEqual(
      expect.stringMatching(/^Would be done, were this no dry run: have /),
    );
    const freely = await scrubSpeed();

    await tell("heal", "dry-run", "--off");
    const eased = await incidentWith("background work to rest", ({ timeline }) =>
      timeline.some(({ step, remedy }) => step === "applied" && remedy === "throttle-background"),
    );
    expect(eased.state).toBe("open");
    const restrained = await scrubSpeed();
    // A fifth of its time is work. Other things that the machine did before may hide most of that.
    expect(restrained).toBeLessThan(freely);

    await endLoad();
    const { id } = (await newestIncident()) as Incident;
    const over = await incidentWith("the end of the load", ({ state }) => state === "passed");
    expect(over.id).toBe(id);
    expect(over.timeline.slice(-2).map(({ step }) => step)).toEqual(["rolled-back", "closed"]);
    expect(over.timeline.at(-1)?.text).toContain("throttle-background made it easier meanwhile");
    expect(await scrubSpeed()).toBeGreaterThan(1.5 * restrained);
  });
});
