/** Keys, introductions, allow-lists and audit as typed at a terminal, against two real doors. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Home, openHome } from "../../../client/src/testing/federation-home.js";
import type { Cli } from "../cli.js";
import type { MeshCommand } from "../command.js";
import { runCommand } from "../testing/command-run.js";
import { seemsToRun } from "../testing/running-node.js";
import { auditCommand } from "./audit.js";
import { keyCreateCommand } from "./key-create.js";
import { keyListCommand } from "./key-list.js";
import { keyRevokeCommand } from "./key-revoke.js";
import { nodeAllowCommand } from "./node-allow.js";
import { nodeIntroduceCommand } from "./node-introduce.js";
import { nodeIntroducedCommand } from "./node-introduced.js";
import { nodeRemoveCommand } from "./node-remove.js";

const newStore = () => memoryStore({ clock: systemClock() });

let alice: Home;
let bob: Home;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mesh-keys-"));
  [alice, bob] = await Promise.all([
    openHome({ memberId: "alice", store: newStore() }),
    openHome({ memberId: "bob", store: newStore() }),
  ]);
  await seemsToRun(directory, alice.url);
});
afterEach(async () => {
  await Promise.all([alice.close(), bob.close()]);
  await rm(directory, { recursive: true });
});

const run = (make: (cli: Cli) => MeshCommand, ...args: string[]) =>
  runCommand(directory, make, args);

describe("mesh key", () => {
  it("makes a key that works, shows it in the list, and ends it", async () => {
    const scope = ["--scope", "read,register"];
    const made = JSON.parse(
      await run(keyCreateCommand, ...scope, "--expires", "30d", "--name", "lab", "--json"),
    );
    expect(made).toMatchObject({ scopes: ["register", "read"], name: "lab", state: "open" });
    const headers = { "x-api-key": made.key, "x-forwarded-for": "192.0.2.1" };
    expect((await fetch(`${alice.url}/api/mesh/nodes`, { headers })).status).toBe(200);
    const listed = await run(keyListCommand);
    expect(listed).toMatch(new RegExp(`${made.id}\\s+lab\\s+open\\s+register,read`));
    expect(listed).not.toContain(made.key.split("-")[2]);
    expect(await run(keyRevokeCommand, made.key)).toContain(`Revoked the key ${made.id} (lab)`);
    expect((await fetch(`${alice.url}/api/mesh/nodes`, { headers })).status).toBe(401);
    const quiet = await run(keyCreateCommand, "--scope", "admin", "-q");
    expect(quiet).toMatch(/^hmk1-[a-z2-7-]+\n$/);
  });

  it("says what is wrong with what was typed", async () => {
    const wrong = (...args: string[]) => expect(run(keyCreateCommand, ...args)).rejects;
    await wrong().toThrow(/at least one --scope/);
    await wrong("--scope", "root").toThrow(/is not a scope/);
    await wrong("--scope", "read", "--expires", "soon").toThrow(/not a duration/);
    await wrong("--scope", "read", "--expires", "400d").toThrow(/366 days/);
    await wrong("--scope", "read", "--allow-ip", "10.0.0/8").toThrow(/not an address/);
    await expect(run(keyRevokeCommand, "nothing")).rejects.toThrow(/there is no API key/);
  });
});

describe("mesh node and mesh audit", () => {
  it("introduce, show, restrict and forget a node, and tell of it", async () => {
    const args = [bob.url, "homelab-node", "storage,compute"];
    const introduced = await run(nodeIntroduceCommand, ...args);
    const [record] = alice.fixture.authority.introductions.list();
    expect(introduced).toContain(record?.fingerprint);
    expect(await run(nodeAllowCommand, "homelab-node", "--ip", "10.0.0.0/8,fd00::7")).toBe(
      "homelab-node may call from 10.0.0.0/8, fd00::7.\n",
    );
    const shown = await run(nodeIntroducedCommand);
    expect(shown).toMatch(/homelab-node\s+online\s+bob\s+storage,compute\s+services\s+10\.0/);
    expect(await run(nodeAllowCommand, "homelab-node", "--any")).toContain("from everywhere");
    await expect(run(nodeAllowCommand, "home", "--any")).rejects.toThrow(/this node itself/);
    await expect(run(nodeAllowCommand, "homelab-node")).rejects.toThrow(/either --ip/);
    expect(await run(nodeRemoveCommand, "homelab-node")).toContain("Forgot homelab-node");
    const trail = await run(auditCommand, "--limit", "4");
    const words = trail.match(/node\.(introduce|allow|remove)/g);
    expect(words).toEqual(["node.introduce", "node.allow", "node.allow", "node.remove"]);
    expect(await run(auditCommand, "--verify")).toMatch(/^6 records: each follows/);
    expect(await run(auditCommand, "--after", "2", "--limit", "1")).toContain("--after 3");
  });
});
