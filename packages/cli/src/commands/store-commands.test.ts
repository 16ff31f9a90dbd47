/** The commands of the store: against a real door with an embedded store, and on a home. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import {
  type GatewayServices,
  HttpMetrics,
  LoopbackDoor,
  type StoreService,
} from "@hearthmesh/gateway";
import { openSqliteStore, put, type SqliteStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gatewayFixture } from "../../../gateway/src/testing/index.js";
import type { Cli } from "../cli.js";
import type { MeshCommand } from "../command.js";
import { runCommand } from "../testing/command-run.js";
import { seemsToRun } from "../testing/running-node.js";
import { storeMembersCommand } from "./store-members.js";
import { storeMigrateCommand } from "./store-migrate.js";
import { storeRestoreCommand } from "./store-restore.js";
import { storeSnapshotCommand } from "./store-snapshot.js";
import { storeStatusCommand } from "./store-status.js";

const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "mesh-store-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const run = (make: (cli: Cli) => MeshCommand, ...args: string[]) => runCommand(home, make, args);

describe("mesh store, while a node runs", () => {
  let store: SqliteStore;
  let door: LoopbackDoor;
  beforeEach(async () => {
    store = await openSqliteStore({ directory: join(home, "store"), ...tools });
    await store.transact({ success: [put("a", Buffer.from("1"))] });
    const fixture = await gatewayFixture({ store, ...tools });
    const services = { ...fixture.services, store: embedded(store) } as GatewayServices;
    const metrics = new HttpMetrics(async () => []);
    const { credentials } = fixture;
    door = new LoopbackDoor({ host: "127.0.0.1", port: 0, services, metrics, credentials });
    await door.start();
    await seemsToRun(home, `http://127.0.0.1:${door.address?.port}`);
  });
  afterEach(async () => {
    await door.stop();
    await store.close();
  });

  it("tells the state and the members", async () => {
    const text = await run(storeStatusCommand);
    expect(text).toMatch(/^Store +sqlite \(embedded\): ok$/m);
    expect(text).toMatch(/^Leads +attic \(epoch 4\)$/m);
    const status = JSON.parse(await run(storeStatusCommand, "--json"));
    expect(status).toMatchObject({ engine: "sqlite", members: 1, healthy: 1, quotaBytes: null });
    expect(await run(storeMembersCommand)).toMatch(/^attic +only +yes +ok/m);
    expect(JSON.parse(await run(storeMembersCommand, "--json")).members).toHaveLength(1);
  });

  it("takes a snapshot that is private and whole, to a file that has its time", async () => {
    const text = await run(storeSnapshotCommand, "--output", "backup/s.db");
    expect(text).toContain(`mesh store restore ${join(home, "backup", "s.db")}`);
    expect((await stat(join(home, "backup", "s.db"))).mode & 0o077).toBe(0);
    const made = JSON.parse(await run(storeSnapshotCommand, "--json"));
    expect(made).toMatchObject({ engine: "sqlite" });
    expect(made.output).toMatch(/store-\d{8}T\d{6}Z\.db$/);
  });
});

describe("mesh store, while no node runs", () => {
  it("says what is wrong with what was typed", async () => {
    await expect(run(storeRestoreCommand)).rejects.toThrow(/a snapshot, or --rejoin/);
    await expect(run(storeRestoreCommand, "x", "--rejoin")).rejects.toThrow(/not both/);
    const migrate = (...args: string[]) => expect(run(storeMigrateCommand, ...args)).rejects;
    await migrate("--from", "postgres", "--to", "etcd").toThrow(/sqlite or etcd/);
    await migrate("--from", "etcd", "--to", "etcd").toThrow(/the same engine/);
  });

  it("refuses a home without a coordinator", async () => {
    const expected = { code: "MESH_CONFIG_INVALID" };
    const restore = run(storeRestoreCommand, "x.db");
    await expect(restore).rejects.toMatchObject(expected);
    const migrate = run(storeMigrateCommand, "--from", "sqlite", "--to", "etcd");
    await expect(migrate).rejects.toMatchObject(expected);
  });
});

/** As the node's own service does it, which has tests of its own. */
function embedded(store: SqliteStore): StoreService {
  return {
    status: async () => {
      const { revision, keys, sizeBytes } = await store.status();
      return {
        engine: "sqlite",
        mode: "embedded",
        state: "ok",
        message: "well",
        version: null,
        revision,
        keys,
        sizeBytes,
        sizeInUseBytes: null,
        quotaBytes: null,
        members: 1,
        voters: 1,
        healthy: 1,
        leader: { nodeId: "x", name: "attic", epoch: 4 },
        lastSnapshot: null,
      };
    },
    members: async () => ({ members: [MEMBER] }),
    snapshot: async () => copyOf(store),
  };
}

const MEMBER = {
  id: "",
  name: "attic",
  role: "only" as const,
  isLeader: true,
  health: "ok" as const,
  version: null,
  sizeBytes: 1024,
  sizeInUseBytes: null,
  addresses: [],
  errors: [],
};

async function* copyOf(store: SqliteStore): AsyncGenerator<Uint8Array> {
  await store.copyTo(join(home, "copy.db"));
  const bytes = await readFile(join(home, "copy.db"));
  yield bytes;
  yield createHash("sha256").update(bytes).digest();
  await rm(join(home, "copy.db"));
}
