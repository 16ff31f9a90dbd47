/** The main job with real processes: several nodes, real files, crashes, restarts. */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshProcesses, mesh, meshOk } from "../../scripts/mesh-processes.mjs";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-first-light-"));
const friend = join(folder, "friend");
let member: MeshProcesses;
let operator = "";
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

interface Status {
  health: { status: string; reasons: string[] };
  totals: { nodes: number; online: number };
  replication: { repairQueue: number; replicas: number };
  local_nodes: { name: string; state: string; chunk_count: number | null }[];
}

beforeAll(async () => {
  member = await MeshProcesses.start({ folder, storageNodes: 3 });
  operator = member.coordinator.home;
  mkdirSync(friend);
  const generate = ["invite", "generate", "--grant", "/shared:read+write", "--json"];
  const { code } = JSON.parse(await meshOk(operator, generate)) as { code: string };
  await meshOk(friend, ["identity", "init", "--global-id", "friend@demo.example"]);
  await meshOk(friend, ["invite", "redeem", "-"], { input: code });
  await meshOk(operator, ["mkdir", "/shared"]);
});

afterAll(async () => {
  await member?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("files", () => {
  it("of every size come back as they were, through both doors", async () => {
    for (const size of [0, 1, 3072, 3073, 262_144, 262_145, 1 << 20, (5 << 20) + 17]) {
      const bytes = randomBytes(size);
      const local = join(folder, "in");
      const out = join(folder, "out");
      writeFileSync(local, bytes);
      const path = `/shared/size-${size}`;
      await meshOk(friend, ["write", path, local]);
      await meshOk(friend, ["read", path, "-o", out]);
      expect(sha(readFileSync(out)), `${size} through links`).toBe(sha(bytes));
      const url = `${member.coordinator.httpUrl}/api/files/content?path=${path}`;
      const viaHttp = Buffer.from(await (await fetch(url)).arrayBuffer());
      expect(sha(viaHttp), `${size} through HTTP`).toBe(sha(bytes));
      const copy = await fetch(`${url}-copy`, { method: "PUT", body: bytes });
      expect(copy.status, `${size} written through HTTP`).toBeLessThan(300);
      await meshOk(friend, ["read", `${path}-copy`, "-o", out]);
      expect(sha(readFileSync(out)), `${size} HTTP to links`).toBe(sha(bytes));
    }
  });

  it("are read in part", async () => {
    const bytes = randomBytes(3 << 20);
    const path = join(folder, "ranges");
    writeFileSync(path, bytes);
    await meshOk(friend, ["write", "/shared/ranges", path]);
    for (const [from, to] of [
      [0, 0],
      [1_048_570, 1_048_580],
      [2_000_000, 3_145_727],
    ] as const) {
      const out = join(folder, "part");
      await meshOk(friend, ["read", "/shared/ranges", "--range", `${from}-${to}`, "-o", out]);
      expect(sha(readFileSync(out))).toBe(sha(bytes.subarray(from, to + 1)));
      const answer = await fetch(
        `${member.coordinator.httpUrl}/api/files/content?path=/shared/ranges`,
        { headers: { range: `bytes=${from}-${to}` } },
      );
      expect(answer.status).toBe(206);
      expect(sha(Buffer.from(await answer.arrayBuffer()))).toBe(sha(bytes.subarray(from, to + 1)));
    }
    const outside = await mesh(friend, ["read", "/shared/ranges", "--range", "9999999-"]);
    expect(outside.stderr).toContain("MESH_RANGE_INVALID");
  });

  it("are listed, moved and removed", async () => {
    await meshOk(friend, ["mkdir", "-p", "/shared/a/b"]);
    await meshOk(friend, ["write", "/shared/a/b/note"], { input: "hello" });
    await meshOk(friend, ["mv", "/shared/a", "/shared/c"]).catch(async () => {
      // Moving takes the right to delete at the source, which this friend was not given.
      await meshOk(operator, ["mv", "/shared/a", "/shared/c"]);
    });
    expect(await meshOk(friend, ["read", "/shared/c/b/note"])).toBe("hello");
    expect(await meshOk(operator, ["ls", "/shared/c"])).toBe("b/\n");
    const refused = await mesh(friend, ["rm", "-r", "/shared/c"]);
    expect(refused.stderr).toContain("MESH_FORBIDDEN");
    await meshOk(operator, ["rm", "-r", "/shared/c"]);
    expect((await mesh(friend, ["stat", "/shared/c"])).stderr).toContain("MESH_PATH_NOT_FOUND");
  });

  it("are not overwritten when somebody else was faster", async () => {
    await meshOk(friend, ["write", "/shared/race"], { input: "one" });
    const { etag } = JSON.parse(await meshOk(friend, ["stat", "/shared/race", "--json"])) as {
      etag: string;
    };
    await meshOk(operator, ["write", "/shared/race"], { input: "two" });
    const late = await mesh(friend, ["write", "/shared/race", "--if-match", etag], {
      input: "three",
    });
    expect(late.stderr).toContain("MESH_PATH_CHANGED");
    expect(await meshOk(friend, ["read", "/shared/race"])).toBe("two");
  });
});

describe("crashes", () => {
  it("of a storage node cost nothing that was acknowledged, and its copies come back", async () => {
    const victim = member.nodes[0];
    if (victim === undefined) throw new Error("no node");
    const bytes = randomBytes(24 << 20);
    const path = join(folder, "crash");
    writeFileSync(path, bytes);
    const writing = meshOk(friend, ["write", "/shared/crash", path]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    await victim.kill("SIGKILL");
    await writing;
    await meshOk(friend, ["write", "/shared/while-away", path]);
    await member.until((status: Status) => status.totals.online === 2, "the loss to be noticed");
    const status = JSON.parse(await meshOk(operator, ["status", "--json"])) as Status;
    expect(status.local_nodes.find((node) => node.name === victim.name)?.state).toBe("offline");
    expect(status.health.status).not.toBe("ok");
    victim.start();
    await member.until((status: Status) => {
      const counts = status.local_nodes.map((node) => node.chunk_count);
      const same = counts.every((count) => count !== null && count === counts[0]);
      return status.totals.online === 3 && status.replication.repairQueue === 0 && same;
    }, "repair");
    // Only the node that was away may answer now: its copies are whole.
    const others = member.nodes.slice(1);
    await Promise.all(others.map((node) => node.kill("SIGKILL")));
    for (const name of ["crash", "while-away"]) {
      const out = join(folder, `${name}-out`);
      await meshOk(friend, ["read", `/shared/${name}`, "-o", out]);
      expect(sha(readFileSync(out))).toBe(sha(bytes));
    }
    const refused = await mesh(friend, ["write", "/shared/unsafe", path]);
    expect(refused.stderr).toContain("MESH_NO_STORAGE");
    expect((await mesh(friend, ["stat", "/shared/unsafe"])).stderr).toContain("NOT_FOUND");
    for (const node of others) node.start();
    await member.until((status: Status) => status.totals.online === 3, "the others to return");
  });

  it("of the coordinator lose nothing that was acknowledged", async () => {
    for (let index = 0; index < 10; index++) {
      await meshOk(friend, ["write", `/shared/kept-${index}`], { input: `content ${index}` });
    }
    await member.coordinator.kill("SIGKILL");
    member.coordinator.start();
    await member.coordinator.ready();
    await member.until((status: Status) => status.totals.online === 3, "the nodes to return");
    for (let index = 0; index < 10; index++) {
      expect(await meshOk(friend, ["read", `/shared/kept-${index}`])).toBe(`content ${index}`);
    }
  });

  it("of a node whose disk was wiped end with full copies again", async () => {
    const victim = member.nodes[2];
    if (victim === undefined) throw new Error("no node");
    await victim.kill("SIGKILL");
    rmSync(join(victim.home, "chunks"), { recursive: true });
    victim.start();
    await member.until((status: Status) => {
      const counts = status.local_nodes.map((node) => node.chunk_count);
      const same = counts.every((count) => count !== null && count > 0 && count === counts[0]);
      return status.totals.online === 3 && status.replication.repairQueue === 0 && same;
    }, "repair of the wiped node");
  });
});
