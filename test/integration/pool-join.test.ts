/**
 * A pool of real daemons on one machine, without multicast: made before anything runs, joined with
 * a pairing code and by approval, agreed by its members, and left again.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { createMemberCa, poolIdOf, poolRootOf } from "@hearthmesh/identity";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePortBase, PORT_STEP } from "../../scripts/free-ports.mjs";
import { MeshProcess, mesh, meshOk } from "../../scripts/mesh-processes.mjs";

interface Member {
  nodeId: string;
  name: string;
  position: number;
  status: string;
  isSelf: boolean;
  lanAddress: string | null;
  lastSeen: string | null;
}
interface Pool {
  poolId: string;
  rootPublicKey: string;
  epoch: number;
  members: Member[];
}

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-pool-"));
const homes = Object.fromEntries(
  ["admin", "second", "third", "stranger"].map((name) => [name, join(folder, name)]),
) as Record<"admin" | "second" | "third" | "stranger", string>;
const ready = { timeout: 20_000, interval: 50 };
let base = 0;
let admin: MeshProcess;
let second: MeshProcess | undefined;
let made: { poolId: string; rootPublicKey: string; pairingCode: string };

const json = async <Answer>(home: string, ...args: string[]) =>
  JSON.parse(await meshOk(home, [...args, "--json"])) as Answer;
/** Asked without a command: a process for each look would be most of the work. */
const ask = async <Answer>(node: MeshProcess | undefined, path: string) =>
  (await (await fetch(`${node?.httpUrl}${path}`)).json()) as Answer;
const poolAt = async (node: MeshProcess | undefined) =>
  (await ask<{ pools: Pool[] }>(node, "/api/pools")).pools[0];
const online = (pool: Pool | undefined) =>
  pool?.members.filter(({ status }) => status === "online").map(({ name }) => name);
const peer = () => ["--peer", `127.0.0.1:${9001 + base}`];
const credentials = () => ["--pool-id", made.poolId, "--pool-root-pubkey", made.rootPublicKey];
const topologyPath = (home: string) => join(home, `ring_topology_${made.poolId}.json`);

function daemon(home: string, index: number, isCoordinator: boolean): MeshProcess {
  const portBase = base + index * PORT_STEP;
  // Membership has one UDP port for each node; calls on the LAN are another test's.
  const ports = ["--port-base", String(portBase), "--beacon", "no"];
  return new MeshProcess({ name: home, home, portBase, args: ["up", ...ports], isCoordinator });
}

beforeAll(async () => {
  for (const home of Object.values(homes)) mkdirSync(home);
  base = await freePortBase(3);
  await meshOk(homes.admin, ["init", "--network-id", "test", "--name", "Device1"]);
  made = await json(homes.admin, "pool", "create", "--name", "test-pool", "--pair");
  admin = daemon(homes.admin, 0, true);
  admin.start();
  await admin.ready();
}, 60_000);

afterAll(async () => {
  await Promise.all([admin?.kill("SIGTERM"), second?.kill("SIGTERM")]);
  rmSync(folder, { recursive: true, force: true });
});

describe("a pool", () => {
  it("is joined with the pairing code, and both machines agree on the ring", async () => {
    await meshOk(homes.second, ["init", "--network-id", "test", "--name", "Device2"]);
    const code = ["--name", "test-pool", "--code", "-"];
    const args = ["pool", "join", ...credentials(), ...peer(), ...code, "--json"];
    const joined = JSON.parse(await meshOk(homes.second, args, { input: made.pairingCode }));
    expect(joined).toMatchObject({ poolName: "test-pool", nodeName: "device2", isNew: true });
    second = daemon(homes.second, 1, false);
    second.start();
    for (const node of [admin, second]) {
      await expect
        .poll(async () => online(await poolAt(node).catch(() => undefined)), ready)
        .toEqual(["device1", "device2"]);
    }
    const [mine, theirs] = await Promise.all([poolAt(admin), poolAt(second)]);
    expect(mine?.epoch).toBe(theirs?.epoch);
    const [other] = (await json<{ peers: Member[] }>(homes.second, "pool", "peers")).peers;
    expect(other).toMatchObject({ name: "device1", status: "online" });
    expect(other?.lanAddress).toMatch(/:\d+$/);
    expect(Date.parse(other?.lastSeen ?? "")).toBeGreaterThan(0);
    expect(await meshOk(homes.admin, ["pool", "peers"])).toMatch(/device2 .* ONLINE /);
  }, 60_000);

  it("is in the topology file of each member, with 4,096 columns each", async () => {
    for (const home of [homes.admin, homes.second]) {
      const read = () => JSON.parse(readFileSync(topologyPath(home), "utf8"));
      const ranges = () =>
        read().members.map((one: Record<string, unknown>) => [
          ...[one.name, one.position, one.shard_column_range, one.columns, one.status],
        ]);
      await expect.poll(ranges, ready).toEqual([
        ["device1", 0, { start: 0, end: 4096 }, 4096, "online"],
        ["device2", 1, { start: 4096, end: 8192 }, 4096, "online"],
      ]);
      expect(read()).toMatchObject({ v: 1, pool_id: made.poolId, total_columns: 8192 });
    }
  });

  it("lets a machine in that the admin approves by the words of its screen", async () => {
    const args = ["pool", "join", ...credentials(), ...peer(), "--wait", "30s"];
    const asking = mesh(homes.third, args);
    const requests = async () =>
      (await ask<{ requests: { words: string }[] }>(admin, `/api/pools/${made.poolId}/requests`))
        .requests;
    await expect.poll(async () => (await requests()).length, ready).toBe(1);
    const [request] = await requests();
    await meshOk(homes.admin, ["pool", "approve", request?.words ?? ""]);
    const answer = await asking;
    expect([answer.code, answer.stderr]).toEqual([
      0,
      expect.stringContaining(request?.words ?? ""),
    ]);
    expect(await requests()).toEqual([]);
    await expect.poll(async () => (await poolAt(second))?.members.length, ready).toBe(3);
  }, 60_000);

  it("tells a machine that was refused, and one that nobody answered", async () => {
    const late = await mesh(homes.stranger, [
      "pool",
      "join",
      ...credentials(),
      ...peer(),
      "--wait",
      "1s",
    ]);
    expect(late.stderr).toContain("MESH_POOL_PENDING");
    const [words] = /[a-z]{6}(-[a-z]{6}){3}/.exec(late.stderr) ?? [];
    const args = ["pool", "join", ...credentials(), ...peer(), "--wait", "30s"];
    const asking = mesh(homes.stranger, args);
    // The same key as before, so the same words: the request has waited for it.
    await meshOk(homes.admin, ["pool", "refuse", words ?? ""]);
    expect((await asking).stderr).toContain("MESH_POOL_REFUSED");
    expect(existsSync(join(homes.stranger, "node.json"))).toBe(false);
  }, 60_000);

  it("is not asked of somebody who does not have its root key", async () => {
    const tools = { clock: systemClock(), random: systemRandom() };
    const ca = await createMemberCa({ memberId: "mallory", trustDomain: "home.mallory", ...tools });
    const root = poolRootOf(ca.certificatePem);
    const other = ["--pool-id", poolIdOf(root, "test-pool"), "--pool-root-pubkey", root];
    const answer = await mesh(homes.stranger, [
      "pool",
      "join",
      ...other,
      ...peer(),
      "--wait",
      "1s",
    ]);
    expect(answer.stderr).toContain("MESH_PIN_MISMATCH");
    const links = ["--peer", `127.0.0.1:${9000 + base}`, "--wait", "1s"];
    const door = await mesh(homes.stranger, ["pool", "join", ...credentials(), ...links]);
    expect(door.stderr).toContain("not its enrolment port");
    const mixed = ["--pool-id", made.poolId, "--pool-root-pubkey", root, "--name", "test-pool"];
    const slip = await mesh(homes.stranger, ["pool", "join", ...mixed, ...peer()]);
    expect(slip.stderr).toContain("do not belong together");
    const wrong = ["--code", "aaaaa-aaaaaaa-aaaaaaa"];
    const guess = await mesh(homes.stranger, [
      "pool",
      "join",
      ...credentials(),
      ...peer(),
      ...wrong,
    ]);
    expect(guess.stderr).toContain("MESH_PAIRING_INVALID");
  }, 60_000);

  it("is left by the admin's word, at once and everywhere", async () => {
    const refused = await mesh(homes.second, ["pool", "remove", "device2"]);
    expect(refused.stderr).toContain("MESH_POOL_NOT_ADMIN");
    await meshOk(homes.admin, ["pool", "remove", "device2"]);
    await expect.poll(() => existsSync(topologyPath(homes.second)), ready).toBe(false);
    await expect.poll(async () => await poolAt(second), ready).toBeUndefined();
    const names = async () => (await poolAt(admin))?.members.map(({ name }) => name) ?? [];
    expect(await names()).not.toContain("device2");
    const third = (await names())[1] ?? "";
    await meshOk(homes.admin, ["revoke", third, "--reason", "lost"]);
    await expect.poll(names, ready).toEqual(["device1"]);
  }, 60_000);
});
