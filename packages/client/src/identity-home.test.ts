import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadCollective } from "./credentials.js";
import { type Enrolment, enrolWithInvite } from "./enrol.js";
import { IdentityHome } from "./identity-home.js";
import { SettableClock, SmallMember } from "./testing/small-member.js";

const DAY_MS = 86_400_000;
let directory: string;
let clock: SettableClock;
let home: IdentityHome;
let alice: SmallMember;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearthmesh-identity-"));
  clock = new SettableClock();
  home = new IdentityHome(directory);
  alice = await SmallMember.create("alice", clock);
});
afterEach(async () => {
  await alice.stop();
  await rm(directory, { recursive: true });
});

const create = (replace = false) =>
  home.create({ globalId: "carol@office.carol", replace, nowMs: clock.nowMs() });

async function joinMember(member: SmallMember, openPort?: number): Promise<Enrolment> {
  const port = openPort ?? (await member.listen());
  const enrolment = await enrolWithInvite({
    inviteText: member.invite(port),
    kind: "person",
    name: "carol@office.carol",
    keyPair: await home.keyPair(),
    clock,
  });
  await home.saveEnrolment(enrolment, clock.nowMs());
  return enrolment;
}

describe("an identity on disk", () => {
  it("is made once, unless it is to be replaced", async () => {
    const first = await create();
    await expect(create()).rejects.toMatchObject({ code: "MESH_NAME_TAKEN" });
    expect((await home.requireIdentity()).nodeId).toBe(first.nodeId);
    const second = await create(true);
    expect(second.nodeId).not.toBe(first.nodeId);
    expect((await home.keyPair()).nodeId).toBe(second.nodeId);
  });

  it("keeps its key private, and refuses a key that others can read", async () => {
    await create();
    const path = join(directory, "identity", "key.pem");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await chmod(path, 0o644);
    await expect(home.keyPair()).rejects.toMatchObject({
      code: "MESH_HOME_UNSAFE",
      hint: expect.stringContaining("chmod 600"),
    });
  });

  it("says what to do when there is none, and when a file is damaged", async () => {
    await expect(home.requireIdentity()).rejects.toMatchObject({ code: "MESH_NOT_FOUND" });
    await expect(home.collective()).rejects.toMatchObject({ code: "MESH_UNAUTHENTICATED" });
    await create();
    await writeFile(join(directory, "identity", "identity.json"), "{");
    await expect(home.identity()).rejects.toMatchObject({ code: "MESH_CONFIG_INVALID" });
  });
});

describe("collectives", () => {
  it("are kept beside each other, and one is current", async () => {
    await create();
    const bob = await SmallMember.create("bob", clock);
    const secondAlice = await SmallMember.create("alice", clock);
    for (const member of [alice, bob, secondAlice, alice]) await joinMember(member);
    await bob.stop();
    await secondAlice.stop();
    const names = (await home.collectives()).map((record) => record.name);
    expect(names).toEqual(["alice", "alice-2", "bob"]);
    expect((await home.collective()).record.name).toBe("alice");
    await home.switchTo("bob-homelab");
    expect((await home.collective()).record.name).toBe("bob");
    expect((await home.collective("home.alice")).record.name).toBe("alice");
    await expect(home.switchTo("nobody")).rejects.toMatchObject({
      code: "MESH_NOT_FOUND",
      hint: "There are: alice, alice-2, bob.",
    });
  });

  it("renews a certificate past half of its life, keeps the old one when that fails", async () => {
    await create();
    const enrolment = await joinMember(alice);
    const api = await alice.listen("coordinator", true);
    const apiAddresses = [`127.0.0.1:${api}`];
    const coordinator = { ...enrolment.coordinator, apiAddresses };
    await home.saveEnrolment({ ...enrolment, coordinator }, clock.nowMs());
    const options = { home, clock, log: silentLogger };
    const before = await loadCollective(options);
    expect(before.credentials.certificatePem).toBe(enrolment.certificatePem);

    clock.offsetMs = 4 * DAY_MS;
    const renewed = await loadCollective(options);
    expect(renewed.credentials.certificatePem).not.toBe(enrolment.certificatePem);
    expect(alice.received.at(-1)).toMatchObject({
      path: "/api/identity/renew",
      clientNodeId: before.keyPair.nodeId,
    });
    const kept = await readFile(join(directory, "collectives/alice/certificate.pem"), "utf8");
    expect(kept).toBe(renewed.credentials.certificatePem);

    clock.offsetMs = 8 * DAY_MS;
    await alice.stop();
    const still = await loadCollective(options);
    expect(still.credentials.certificatePem).toBe(renewed.credentials.certificatePem);
    await expect(loadCollective({ ...options, renew: "always" })).rejects.toMatchObject({
      code: "MESH_UNREACHABLE",
    });
  });

  it("comes back with an expired certificate by proving its key", async () => {
    // TLS itself reads the machine's clock, so the past is what is made up.
    clock.offsetMs = -30 * DAY_MS;
    alice = await SmallMember.create("alice", clock);
    alice.validityMs = 60 * DAY_MS;
    const port = await alice.listen();
    await create();
    alice.validityMs = DAY_MS;
    await joinMember(alice, port);
    clock.offsetMs = 0;
    const { record } = await home.collective();
    const path = join(directory, "collectives/alice/collective.json");
    const enrolmentAddresses = ["127.0.0.1:1", `127.0.0.1:${port}`];
    const coordinator = { ...record.coordinator, enrolmentAddresses };
    await writeFile(path, JSON.stringify({ ...record, coordinator }));
    const loaded = await loadCollective({ home, clock, log: silentLogger });
    expect(loaded.record.certificateNotAfterMs).toBeGreaterThan(clock.nowMs());
    expect(alice.received.at(-1)).toMatchObject({
      path: "/recover",
      body: { nodeId: loaded.keyPair.nodeId },
      clientNodeId: undefined,
    });
  });
});
