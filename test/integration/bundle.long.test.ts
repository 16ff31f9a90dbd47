/**
 * `npm run bundle`: the daemon out of one file, in a folder with nothing beside it but the packages
 * that hold binaries. What it finds by its own place in a clone must be inside.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePortBase } from "../../scripts/free-ports.mjs";
import { environment } from "../../scripts/mesh-processes.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const WAIT = { timeout: 60_000, interval: 100 };
const STEP_MS = 120_000;

describe("the daemon in one file", () => {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-bundle-"));
  const made = join(folder, "made");
  const app = join(folder, "app");
  const home = join(folder, "home");
  let node: ChildProcess | undefined;
  let url = "";
  let printed = "";
  const command = async (program: string, ...args: string[]) => {
    const options = { env: environment(home), cwd: folder };
    return (await run(process.execPath, [join(app, program), ...args], options)).stdout;
  };

  beforeAll(async () => {
    await run(process.execPath, [join(root, "scripts/bundle.mjs"), "--built", made]);
    mkdirSync(home);
    mkdirSync(join(app, "node_modules"), { recursive: true });
    cpSync(join(made, "mesh.mjs"), join(app, "mesh.mjs"));
    for (const name of readdirSync(join(made, "node_modules"))) {
      if (name === "@node-llama-cpp") continue;
      const native = join(made, "node_modules", name);
      cpSync(native, join(app, "node_modules", name), { recursive: true });
    }
    symlinkSync(join(app, "mesh.mjs"), join(app, "collective"));
    const base = await freePortBase(1);
    url = `http://127.0.0.1:${3000 + base}`;
    const flags = ["--port-base", String(base), "--member", "alice", "--beacon", "no"];
    node = spawn(process.execPath, [join(app, "mesh.mjs"), "up", ...flags], {
      env: environment(home),
      cwd: folder,
    });
    const hear = (piece: Buffer) => {
      printed += piece.toString();
    };
    node.stdout?.on("data", hear);
    node.stderr?.on("data", hear);
  }, STEP_MS);
  afterAll(() => {
    node?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    "is ready: its store, its chunks and its certificate work",
    async () => {
      await expect.poll(() => printed, WAIT).toContain("the node is up");
      const ready = async () => {
        const { checks } = (await (await fetch(`${url}/health/ready`)).json()) as {
          checks: { name: string; status: string }[];
        };
        return checks.filter(({ status }) => status === "ok").map(({ name }) => name);
      };
      await expect.poll(ready, WAIT).toEqual(expect.arrayContaining(["store", "chunk", "leader"]));
    },
    STEP_MS,
  );

  it(
    "serves its page, and knows its version",
    async () => {
      const page = await fetch(`${url}/`);
      expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("<html")]);
      expect((await fetch(`${url}/assets/page.js`)).status).toBe(200);
      expect(await command("mesh.mjs", "version")).toMatch(/^hearthmesh \d+\.\d+\.\d+ /);
      expect(await command("mesh.mjs", "status")).toContain("home.alice");
    },
    STEP_MS,
  );

  it(
    "keeps files, under its other name too",
    async () => {
      await command("mesh.mjs", "mkdir", "/shared");
      await command("mesh.mjs", "write", "/shared/x", join(app, "mesh.mjs"));
      expect(await command("collective", "ls", "/shared")).toBe("x\n");
      expect(await command("collective", "read", "/shared/x", "--range", "0-18")).toBe(
        "#!/usr/bin/env node",
      );
    },
    STEP_MS,
  );

  it(
    "ends in order",
    async () => {
      const ended = new Promise((resolve) => node?.once("exit", resolve));
      node?.kill("SIGTERM");
      expect(await ended).toBe(0);
      expect(printed).not.toMatch(/Cannot find module|ERR_MODULE|SyntaxError|ENOENT/);
    },
    STEP_MS,
  );
});
