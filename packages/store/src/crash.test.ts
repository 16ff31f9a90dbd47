import { type ChildProcess, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openSqliteStore } from "./sqlite/sqlite-store.js";

/** Every write waits for the disk, which may be slow and busy. */
vi.setConfig({ testTimeout: 60_000 });

/** Acknowledged writes after which each round's process is killed. */
const KILL_AFTER = [23, 380, 77, 160];
const WRITERS = 8;

/** Writes pairs of keys for ever and names each one only after it was acknowledged. */
const WRITER = `
  import { writeSync } from "node:fs";
  import { silentLogger, systemClock } from "@hearthmesh/core";
  import { openSqliteStore, put } from "@hearthmesh/store";
  const [directory, round] = process.argv.slice(2);
  const store = await openSqliteStore({ directory, clock: systemClock(), log: silentLogger });
  const write = async (writer) => {
    for (let count = 0; ; count++) {
      const name = round + "/" + writer + "/" + count;
      const value = new TextEncoder().encode(name.repeat(1 + (count % 50)));
      const { revision } = await store.transact({
        success: [put("left/" + name, value), put("right/" + name, value)],
      });
      writeSync(1, name + " " + revision + "\\n");
    }
  };
  await Promise.all(Array.from({ length: ${WRITERS} }, (_, writer) => write(writer)));
`;

let root: string;
let child: ChildProcess | undefined;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "hearthmesh-crash-"));
  compilePackages(root);
  writeFileSync(join(root, "writer.mjs"), WRITER);
}, 60_000);

afterAll(() => {
  child?.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});

describe("a process killed while it writes", () => {
  it("has lost nothing that it acknowledged and left nothing half-done", async () => {
    const directory = join(root, "store");
    const acknowledged = new Map<string, number>();
    for (const killAfter of KILL_AFTER) {
      await writeUntilKilled(directory, killAfter, acknowledged);
      await verify(directory, acknowledged);
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(23 + 380 + 77 + 160);
  });

  it("leaves a store that only one process may open while it lives", async () => {
    const directory = join(root, "held");
    const writer = startWriter(directory, 1);
    for await (const _line of createInterface({ input: linesOf(writer) })) break;
    await expect(
      openSqliteStore({ directory, clock: new ManualClock(), log: silentLogger }),
    ).rejects.toMatchObject({ code: "MESH_HOME_IN_USE", details: { pid: writer.pid } });
    await kill(writer);
    const store = await openSqliteStore({
      directory,
      clock: new ManualClock(),
      log: silentLogger,
    });
    expect((await store.status()).keys).toBeGreaterThan(0);
    await store.close();
  });
});

async function writeUntilKilled(
  directory: string,
  killAfter: number,
  acknowledged: Map<string, number>,
): Promise<void> {
  const writer = startWriter(directory, killAfter);
  let lines = 0;
  for await (const line of createInterface({ input: linesOf(writer) })) {
    const [name, revision] = line.split(" ");
    if (name !== undefined && revision !== undefined) acknowledged.set(name, Number(revision));
    if (++lines === killAfter) writer.kill("SIGKILL");
  }
  await kill(writer);
}

async function verify(directory: string, acknowledged: Map<string, number>): Promise<void> {
  const store = await openSqliteStore({ directory, clock: new ManualClock(), log: silentLogger });
  for (const [name, revision] of acknowledged) {
    for (const side of ["left", "right"]) {
      const entry = await store.get(`${side}/${name}`);
      expect(entry?.modRevision, name).toBe(revision);
      expect(new TextDecoder().decode(entry?.value).startsWith(name)).toBe(true);
    }
  }
  const left = await store.range({ prefix: "left/" }, { keysOnly: true });
  const right = await store.range({ prefix: "right/" }, { keysOnly: true });
  expect(right.entries.map(nameOf)).toEqual(left.entries.map(nameOf));
  await store.close();
}

function nameOf(entry: { key: string }): string {
  return entry.key.slice(entry.key.indexOf("/"));
}

function startWriter(directory: string, round: number): ChildProcess {
  child = spawn(process.execPath, [join(root, "writer.mjs"), directory, `${round}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return child;
}

function linesOf(writer: ChildProcess): NodeJS.ReadableStream {
  if (writer.stdout === null) throw new Error("the writer has no output");
  return writer.stdout;
}

async function kill(writer: ChildProcess): Promise<void> {
  if (writer.exitCode !== null || writer.signalCode !== null) return;
  const ended = new Promise((resolve) => writer.once("exit", resolve));
  writer.kill("SIGKILL");
  await ended;
}

/** The child runs plain JavaScript: the sources of today, not what was built some time ago. */
function compilePackages(target: string): void {
  const packages = fileURLToPath(new URL("../../", import.meta.url));
  for (const name of ["core", "store"]) {
    const out = join(target, "node_modules/@hearthmesh", name);
    compileFolder(join(packages, name, "src"), out);
    writeFileSync(
      join(out, "package.json"),
      JSON.stringify({ name: `@hearthmesh/${name}`, type: "module", exports: "./index.js" }),
    );
  }
  const libsql = dirname(createRequire(import.meta.url).resolve("libsql"));
  symlinkSync(libsql, join(target, "node_modules/libsql"));
}

function compileFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const item of readdirSync(from, { withFileTypes: true })) {
    if (item.isDirectory()) compileFolder(join(from, item.name), join(to, item.name));
    else if (item.name.endsWith(".ts") && !item.name.endsWith(".test.ts")) {
      const { outputText } = ts.transpileModule(readFileSync(join(from, item.name), "utf8"), {
        compilerOptions: {
          module: ts.ModuleKind.ESNext,
          target: ts.ScriptTarget.ES2023,
          verbatimModuleSyntax: true,
        },
      });
      writeFileSync(join(to, item.name.replace(/\.ts$/, ".js")), outputText);
    }
  }
}
