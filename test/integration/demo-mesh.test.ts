/** `npm run demo -- mesh` where something goes wrong: what it says, and what it leaves behind. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { until } from "../support/until.js";

const SCRIPT = fileURLToPath(new URL("../../scripts/demo-mesh.mjs", import.meta.url));
let folder: string;
let demo: ChildProcess | undefined;
let said: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hearthmesh-demo-test-"));
});
afterEach(async () => {
  if (demo?.exitCode === null) demo.kill("SIGTERM");
  await rm(folder, { recursive: true, force: true });
});

/** The demo keeps its own folder in ours. */
function startDemo(httpPort: number): ChildProcess {
  said = "";
  demo = spawn(process.execPath, [SCRIPT, "--http-port", String(httpPort)], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [demo.stdout, demo.stderr]) stream?.on("data", (text) => (said += text));
  return demo;
}

/** Listens at a port of its own; the two after it are hardly ever taken. */
async function listener() {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, close: () => new Promise((resolve) => server.close(resolve)) };
}

function childrenOf({ pid }: ChildProcess): number[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).split("\n");
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number));
  return pairs.flatMap(([child, parent]) => (parent === pid ? [child ?? 0] : []));
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

it("names the port that is taken, and how to choose others", async () => {
  const { port, close } = await listener();
  const [code] = await once(startDemo(port), "close");
  await close();
  expect(code).toBe(1);
  expect(said).toContain(`port ${port} is taken, and the nodes need ${port}, ${port + 1}, `);
  expect(said).toContain("npm run demo -- mesh --http-port");
  expect(said).not.toContain("Logs are in");
  expect(await readdir(folder)).toEqual([]);
}, 120_000);

it("leaves no process and no folder behind when it is told to end in the middle", async () => {
  const { port, close } = await listener();
  await close();
  const started = startDemo(port);
  await until("a node that runs", async () => {
    const [made = ""] = await readdir(folder);
    return existsSync(join(folder, made, "node-a", "run"));
  });
  const children = childrenOf(started);
  expect(children.length).toBeGreaterThan(0);
  started.kill("SIGINT");
  const [code] = await once(started, "close");
  expect(code).toBe(130);
  expect(said).toContain("everything was stopped and removed");
  expect(children.filter(runs)).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
}, 300_000);
