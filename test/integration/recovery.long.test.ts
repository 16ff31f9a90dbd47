/**
 * What is left when a home is lost, with real processes: records that were set back to an older
 * backup, and a member that comes back from its recovery kit and one friend.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePortBase, PORT_STEP } from "../../scripts/free-ports.mjs";
import { MeshProcess, MeshProcesses, mesh, meshOk } from "../../scripts/mesh-processes.mjs";
import { until } from "../support/until.js";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-recovery-"));
const carol = join(folder, "carol");
const kit = join(folder, "kit.txt");
const MIB = 1 << 20;
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
let alice: MeshProcesses;
let bob: MeshProcess;
let home = "";

interface Entry {
  path: string;
}

beforeAll(async () => {
  const portBase = await freePortBase(4);
  const extra = ["--beacon", "no", "--profile", "loopback", "--advertise", "127.0.0.1"];
  const quick = ["--garbage-grace", "1s", "--repair-interval", "2s"];
  alice = await MeshProcesses.start({
    ...{ folder: join(folder, "alice"), storageNodes: 1, store: "sqlite", portBase },
    ...{ extra, coordinatorExtra: quick },
  });
  home = alice.coordinator.home;
  const bobBase = portBase + 3 * PORT_STEP;
  bob = new MeshProcess({
    ...{ name: "bob", home: join(folder, "bob"), portBase: bobBase },
    args: [
      "up",
      "--member",
      "bob",
      "--domain",
      "garage.bob",
      "--port-base",
      `${bobBase}`,
      ...extra,
    ],
  });
  bob.start();
  mkdirSync(carol);
  await bob.ready();
});

afterAll(async () => {
  await alice?.stop();
  await bob?.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

async function write(path: string, bytes: Uint8Array): Promise<void> {
  const local = join(folder, "in");
  writeFileSync(local, bytes);
  await meshOk(home, ["write", path, local]);
}

async function shaOf(who: string, path: string): Promise<string> {
  const out = join(folder, "out");
  await meshOk(who, ["read", path, "-o", out]);
  return sha(readFileSync(out));
}

async function list(path: string): Promise<Entry[]> {
  return JSON.parse(await meshOk(home, ["ls", path, "--json"]));
}

async function restart(change: () => void): Promise<void> {
  await alice.coordinator.kill();
  change();
  alice.coordinator.start();
  await alice.coordinator.ready();
  await alice.until((status) => status.totals.online >= 1, "the storage node");
}

describe("a coordinator that was restored from yesterday's backup", () => {
  it("loses nothing that was acknowledged since: it is under /lost+found", async () => {
    const store = join(home, "store");
    const yesterday = join(folder, "yesterday");
    const [before, later, small] = [
      randomBytes(MIB + 5),
      randomBytes(3 * MIB + 7),
      randomBytes(9_000),
    ];
    await meshOk(home, ["mkdir", "/shared"]);
    await write("/shared/before.bin", before);
    await restart(() => cpSync(store, yesterday, { recursive: true }));
    await write("/shared/later.bin", later);
    await write("/shared/small.bin", small);
    await restart(() => {
      rmSync(store, { recursive: true });
      cpSync(yesterday, store, { recursive: true });
    });
    const found = await until("what was lost", async () => {
      const entries = await list("/lost+found");
      return entries.length === 2 ? entries : undefined;
    });
    // The collector goes on, and takes nothing of it.
    await meshOk(home, ["worker", "run", "repair"]);
    await sleep(1_500);
    await meshOk(home, ["worker", "run", "garbage"]);
    const hashes = await Promise.all(found.map(({ path }) => shaInOwnFile(path)));
    expect(hashes.sort()).toEqual([sha(later), sha(small)].sort());
    expect(await shaOf(home, "/shared/before.bin")).toBe(sha(before));
    expect(await meshOk(home, ["backup", "status"])).toContain("2 files came to /lost+found");
    await write("/shared/after.bin", later);
    expect(await shaOf(home, "/shared/after.bin")).toBe(sha(later));
  });
});

async function shaInOwnFile(path: string): Promise<string> {
  const out = join(folder, `out-${path.replaceAll("/", "-")}`);
  await meshOk(home, ["read", path, "-o", out]);
  return sha(readFileSync(out));
}

describe("a member whose machines are gone", () => {
  const photos = { large: randomBytes(2 * MIB + 11), small: randomBytes(50_000) };

  it("keeps copies and snapshots at a friend, and says what would be lost", async () => {
    const invite = JSON.parse(await meshOk(bob.home, ["peer", "invite", "--json"]));
    await meshOk(home, ["peer", "accept", invite.code]);
    await until("the friend", async () => {
      const { code } = await mesh(bob.home, ["quota", "offer", "alice", "1GB"]);
      return code === 0 ? true : undefined;
    });
    await meshOk(home, ["mkdir", "/photos"]);
    await meshOk(home, ["policy", "set", "/photos", "--strategy", "backup", "--members", "1"]);
    await write("/photos/large.bin", photos.large);
    await write("/photos/small.bin", photos.small);
    await meshOk(home, ["write", "/photos/note.txt"], { input: "in the records" });
    const generate = ["invite", "generate", "--grant", "/photos:read+write", "--json"];
    const { code } = JSON.parse(await meshOk(home, generate)) as { code: string };
    await meshOk(carol, ["identity", "init", "--global-id", "carol@office.carol"]);
    await meshOk(carol, ["invite", "redeem", "-"], { input: code });
    await until("the copies", async () => {
      await meshOk(home, ["worker", "run", "copies"]);
      const { coverage } = JSON.parse(await meshOk(home, ["backup", "status", "--json"]));
      return coverage.atFriends.files >= 2 ? true : undefined;
    });
    // It fails when the friend did not take a snapshot of now, as on a machine that is too busy.
    const made = await until("a snapshot of now", async () =>
      JSON.parse(await meshOk(home, ["backup", "create", "--output", kit, "--json"])),
    );
    expect(made.friends[0]).toMatchObject({ failure: null });
    expect(made.friends[0].snapshot.sealedBytes).toBeGreaterThan(0);
    expect(made.coverage.uncoveredPaths).toContain("/shared/before.bin");
    expect(statSync(kit).mode & 0o777).toBe(0o600);
    // Nothing of the kit is in a log, and nothing readable at the friend.
    const secret = readFileSync(kit, "utf8")
      .split("\n")
      .filter((line) => /^ *\d/.test(line));
    const log = readFileSync(join(home, "daemon.out"), "utf8");
    for (const group of secret.flatMap((line) => line.match(/[a-z2-7]{4}/g) ?? [])) {
      expect(log.includes(` ${group} `)).toBe(false);
    }
  });

  it("comes back from the kit and that friend alone", async () => {
    await alice.coordinator.kill();
    await alice.nodes[0]?.kill();
    rmSync(home, { recursive: true });
    mkdirSync(home);
    const bad = readFileSync(kit, "utf8").replace(/^( *2 +)(.)/m, (_, start, one) => {
      return `${start}${one === "a" ? "b" : "a"}`;
    });
    const refused = await mesh(home, ["restore", "--kit", "-"], { input: bad });
    expect(refused.stderr).toContain("MESH_KIT_INVALID");
    expect(refused.stderr).toContain("line 2 ");
    const report = JSON.parse(await meshOk(home, ["restore", "--kit", kit, "--json"]));
    expect(report).toMatchObject({ memberId: "alice", snapshot: { member: "garage.bob" } });
    expect(report.coverage.uncoveredPaths).toContain("/shared/before.bin");
    expect(report.machines.map(({ name }: { name: string }) => name)).toContain("alice-node-01");
    expect((await mesh(home, ["restore", "--kit", kit])).stderr).toContain("MESH_CONFIG_INVALID");

    // As a machine that stores too: there is no other one any more.
    const args = [...alice.coordinator.args, "--role", "storage"];
    alice.coordinator.start(args);
    await alice.coordinator.ready();
    expect(await meshOk(carol, ["read", "/photos/note.txt"])).toBe("in the records");
    expect(await until("a read", () => shaOf(carol, "/photos/large.bin"))).toBe(sha(photos.large));
    expect(await until("a read", () => shaOf(home, "/photos/small.bin"))).toBe(sha(photos.small));
    await meshOk(carol, ["write", "/photos/new.txt"], { input: "after it" });
    const { nodes } = JSON.parse(await meshOk(home, ["node", "list", "--json"]));
    const gone = nodes.find(({ name }: { name: string }) => name === "alice-node-01");
    expect(gone?.state).toBe("offline");
    await meshOk(home, ["node", "remove", "alice-node-01", "--force"]);
    const lost = await mesh(home, ["read", "/shared/before.bin"]);
    expect(lost.code).not.toBe(0);
    // The restored coordinator keeps the snapshots going, above those of the one before.
    const { friends } = JSON.parse(await meshOk(home, ["backup", "status", "--json"]));
    expect(friends[0].snapshot.epoch).toBeGreaterThan(1_000_000);
  });
});
