/** The helper script of the federation guide, against two real doors. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Home, openHome } from "./testing/federation-home.js";

const SCRIPT = fileURLToPath(new URL("../../../mesh-connect.sh", import.meta.url));

const newStore = () => memoryStore({ clock: systemClock() });

let alice: Home;
let bob: Home;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mesh-connect-"));
  [alice, bob] = await Promise.all([
    openHome({ memberId: "alice", store: newStore() }),
    openHome({ memberId: "bob", store: newStore() }),
  ]);
});
afterEach(async () => {
  await Promise.all([alice.close(), bob.close()]);
  await rm(directory, { recursive: true });
});

interface Run {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

function run(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  const { PATH = "/usr/bin:/bin" } = process.env;
  const options = { cwd: directory, env: { PATH, TMPDIR: directory, MESH_URL: alice.url, ...env } };
  return new Promise((resolve) => {
    execFile("sh", [SCRIPT, ...args], options, (error, out, err) => {
      resolve({ status: typeof error?.code === "number" ? error.code : 0, out, err });
    });
  });
}

const line = () => [bob.url, "homelab-node", "storage,compute"];

describe("mesh-connect.sh", () => {
  it("introduces the node, and prints the words to compare and what comes next", async () => {
    const { status, out, err } = await run(line());
    expect([status, err]).toEqual([0, ""]);
    const [record] = alice.fixture.authority.introductions.list();
    expect(record).toMatchObject({ name: "homelab-node", capabilities: ["storage", "compute"] });
    expect(out).toContain(`  ${record?.fingerprint}\n`);
    expect(out).toMatch(/introduced: it may use the services of this mesh/);
    expect(out).toContain("mesh node introduced");
    expect((await run(line())).out).toContain("Known already: homelab-node");
  });

  it("takes its key from the environment or from .env, and leaves nothing behind", async () => {
    const key = await alice.key("register");
    await writeFile(join(directory, ".env"), `MESH_ENABLED=true\nMESH_API_KEY="${key}"  # mine\n`);
    expect((await run(line())).status).toBe(0);
    expect(alice.fixture.authority.introductions.list()[0]?.introducedBy).toMatch(/^key\//);
    const wrong = await run(line(), { MESH_API_KEY: "hmk1-wrong" });
    expect(wrong.status).toBe(4);
    expect(wrong.err).toMatch(/this is not an API key/);
    expect(wrong.err).toContain("code: MESH_KEY_INVALID");
    expect(wrong.err).not.toContain("hmk1-wrong");
    const { readdir } = await import("node:fs/promises");
    expect(await readdir(directory)).toEqual([".env"]);
  });

  it("never shows the key on a command line", async () => {
    const text = await readFile(SCRIPT, "utf8");
    expect(text).not.toMatch(/(-H|--header)[ ="']+[^@"']*\$\{?(api_key|MESH_API_KEY)/);
    expect(text).toContain('--header "@$work/headers"');
  });

  it("writes what was given as JSON, whatever it is", async () => {
    const { status, err } = await run([bob.url, 'a"b\\c', "storage"]);
    expect(status).toBe(2);
    expect(err).toContain("nodeName");
  });

  it.each([
    [[], 2],
    [["http://x"], 2],
    [["ftp://x", "name"], 2],
    [["http://127.0.0.1:1", "name", "storage"], 5],
  ])("ends with a status that tells why: %j", async (args, status) => {
    expect((await run(args)).status).toBe(status);
  });

  it("says that the local node is not there, or is none", async () => {
    const away = await run(line(), { MESH_URL: "http://127.0.0.1:1" });
    expect([away.status, away.err]).toEqual([3, expect.stringContaining("mesh up")]);
    const other = createServer((_, response) => response.end("<html>\n</html>"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const page = await run(line(), { MESH_URL: `http://127.0.0.1:${port}` });
    expect([page.status, page.err]).toEqual([1, expect.stringContaining("not a node")]);
    await new Promise((resolve) => other.close(resolve));
  });
});
