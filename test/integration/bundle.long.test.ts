/**
 * `npm run bundle`: the daemon out of its bundle, in a folder with nothing beside it but its parts
 * and the packages that hold binaries. What it finds by its own place in a clone must be inside.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
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

/** The texts that a process holds which loads these files: with all that they import at once. */
function loadedFrom(folder: string, entries: readonly string[]): string {
  const names = new Set(entries);
  let texts = "";
  for (const name of names) {
    const text = readFileSync(join(folder, name), "utf8");
    for (const [, other = ""] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g))
      names.add(other);
    texts += text;
  }
  return texts;
}

describe("the daemon in a bundle", () => {
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
    for (const name of ["mesh.mjs", "parts"]) {
      cpSync(join(made, name), join(app, name), { recursive: true });
    }
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

  it("loads no framework, no command and no authority of certificates into a storage node", () => {
    const parts = join(app, "parts");
    const named = (name: string) =>
      readdirSync(parts).filter((file) => file.startsWith(`${name}-`));
    const entries = ["main", "up", "resident", "storage-only-node"].flatMap(named);
    expect(entries.length).toBeGreaterThanOrEqual(4);
    const held = loadedFrom(parts, entries);
    expect(held).toContain("PackStore");
    // One word of each: of fastify, of `mesh ls`, of the X.509 library, of the OpenAPI document.
    for (const word of ["FST_ERR_", "mesh fsck", "a reflect polyfill", "One API behind"]) {
      expect(held.includes(word), word).toBe(false);
    }
  });

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
