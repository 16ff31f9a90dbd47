/**
 * A real daemon whose machine runs out of memory while a model rests: the healer unloads it, its
 * incident tells what that gave back, and the next request loads it again.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { meshOk } from "../../scripts/mesh-processes.mjs";
import { AiPool, enginePids } from "../support/ai-pool.js";

interface Incident {
  readonly id: string;
  readonly state: string;
}

const MENDED_MS = 150_000;
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-memory-"));
const pressureFile = join(folder, "pressure");
let pool: AiPool<"alone">;

beforeAll(async () => {
  const pressure = pathToFileURL(join(import.meta.dirname, "../support/memory-pressure.mjs"));
  pool = await AiPool.start({
    ...{ folder, names: ["alone"] },
    variables: {
      alone: { NODE_OPTIONS: `--import=${pressure}`, MEMORY_PRESSURE_FILE: pressureFile },
    },
  });
}, 180_000);

afterAll(async () => {
  await pool?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Resident memory of a process, as the system counts it. */
function residentMebibytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kibibytes) / 1024;
}

async function incidents(): Promise<readonly Incident[]> {
  const path = "/api/healing/incidents?kind=memory-high";
  return (await pool.get<{ incidents: Incident[] }>("alone", path)).incidents;
}

it("gives back the memory of a model that rests, and loads it for the next request", async () => {
  const { text } = await pool.tell("alone");
  const [engine] = enginePids(pool.node("alone"));
  expect(residentMebibytes(engine as number)).toBeGreaterThan(10);
  expect(await incidents()).toEqual([]);
  writeFileSync(pressureFile, "");

  // 10 s until it is believed, until the model has rested for 30 s, and 30 s until it is over.
  const isMended = async () => expect((await incidents())[0]?.state).toBe("mended");
  await vi.waitFor(isMended, { timeout: MENDED_MS, interval: 200 });
  const [incident] = await incidents();
  const told = await meshOk(pool.node("alone").home, ["heal", "explain", incident?.id ?? ""]);
  const page = told.replaceAll(/\s+/g, " ");
  expect(page).toMatch(/0 % of \d+ MiB is available \(mark: 4 %\)/);
  expect(page).toMatch(
    /shed-memory applied: unloaded demo \(\d+ MiB\), which nobody used for \d+ s/,
  );
  expect(page).toMatch(/the machine went from 1 MiB to \d+ MiB available/);
  expect(page).toMatch(/closed: Mended by shed-memory/);
  expect(existsSync(`/proc/${engine}`)).toBe(false);
  const { led } = await pool.get<{ led: unknown[] }>("alone", "/api/inference/rings");
  expect(led).toEqual([]);

  expect((await pool.tell("alone")).text).toBe(text);
  expect(enginePids(pool.node("alone"))).toHaveLength(1);
}, 300_000);
