/** Grants with real processes: given, denied, ended, explained, and taken away in mid-transfer. */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshProcesses, mesh, meshOk } from "../../scripts/mesh-processes.mjs";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-grants-"));
const carol = join(folder, "carol");
const name = "carol@office.carol";
const SIZE_BYTES = 64 << 20;
let member: MeshProcesses;
let operator = "";

beforeAll(async () => {
  member = await MeshProcesses.start({ folder, storageNodes: 1 });
  operator = member.coordinator.home;
  mkdirSync(carol);
  const generate = ["invite", "generate", "--grant", "/media:read", "--json"];
  const { code } = JSON.parse(await meshOk(operator, generate)) as { code: string };
  await meshOk(carol, ["identity", "init", "--global-id", name]);
  await meshOk(carol, ["invite", "redeem", "-"], { input: code });
  await meshOk(operator, ["mkdir", "-p", "/team/private"]);
});

afterAll(async () => {
  await member?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const write = (path: string) => mesh(carol, ["write", path], { input: "hello" });

async function add(...args: string[]): Promise<string> {
  const answer = JSON.parse(await meshOk(operator, ["grant", "add", name, ...args, "--json"]));
  return answer.grant.id;
}

async function explain(path: string, right = "write"): Promise<{ allowed: boolean; text: string }> {
  const args = ["grant", "explain", name, path, right];
  const { allowed } = JSON.parse(await meshOk(operator, [...args, "--json"]));
  return { allowed, text: await meshOk(operator, args) };
}

describe("mesh grant", () => {
  it("lets somebody write, denies a part, and says why", async () => {
    expect((await write("/team/a")).stderr).toContain("MESH_FORBIDDEN");
    const before = await explain("/team/a");
    expect(before.allowed).toBe(false);
    expect(before.text).toContain(`mesh grant add ${name} "/team/a:write"`);
    const id = await add("/team:read+write");
    expect((await write("/team/a")).code).toBe(0);
    const denied = await add("/team/private:all", "--deny");
    expect((await write("/team/private/b")).stderr).toContain("MESH_FORBIDDEN");
    expect((await mesh(carol, ["ls", "/team"])).stdout).toBe("a\n");
    const why = await explain("/team/private/b");
    expect(why.text).toMatch(new RegExp(`grant ${denied}\\): decides: it takes it away`));
    expect(why.text).toContain(`${id}): does not count: /team/private is nearer`);
    expect(await meshOk(carol, ["grant", "explain", "me", "/team/a"])).toMatch(/^allowed: /);
    expect(await meshOk(operator, ["grant", "list", "--path", "/team/private"])).toContain(denied);
    await meshOk(operator, ["grant", "remove", id]);
    expect((await write("/team/a")).stderr).toContain("MESH_FORBIDDEN");
  });

  it("ends by itself", async () => {
    await add("/short:write", "--until", "2s");
    await meshOk(operator, ["mkdir", "/short"]);
    const endMs = Date.now() + 30_000;
    while ((await write("/short/a")).code === 0) {
      expect(Date.now()).toBeLessThan(endMs);
      await sleep(100);
    }
    expect((await explain("/short/a")).text).toContain("has ended on");
    expect(await meshOk(operator, ["grant", "list", name])).toMatch(/\/short:write\s+ended/);
  });

  it("that is removed cuts a download that is running", async () => {
    const local = join(folder, "film");
    writeFileSync(local, Buffer.alloc(SIZE_BYTES, "film"));
    await meshOk(operator, ["write", "/team/film", local]);
    const id = await add("/team:read");
    let child: ChildProcess | undefined;
    const reading = mesh(carol, ["read", "/team/film"], {
      onSpawn: (spawned: ChildProcess) => {
        child = spawned;
        // It stands still with what fits in a pipe and in its own buffers.
        spawned.stdout?.pause();
      },
    });
    await new Promise((resolve) => child?.stdout?.once("readable", resolve));
    // Node goes on reading when nobody listens for `readable` any more.
    await new Promise((resolve) => setImmediate(resolve));
    child?.stdout?.pause();
    await meshOk(operator, ["grant", "remove", id]);
    child?.stdout?.resume();
    const { code, stderr, stdout } = await reading;
    expect(code).not.toBe(0);
    expect(stderr).toContain("MESH_FORBIDDEN");
    expect(stdout.length).toBeGreaterThan(0);
    expect(stdout.length).toBeLessThan(SIZE_BYTES);
  });
});
