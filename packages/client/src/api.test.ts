import { randomBytes } from "node:crypto";
import { systemRandom } from "@hearthmesh/core";

import { ENDPOINTS } from "@hearthmesh/gateway/contracts";
import { encodeInvite, generateKeyPair, parseInvite } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
// Layers hold for what ships; a test may look at both ends of the wire.
import { ApiDoor, EnrolmentDoor, LoopbackDoor } from "../../gateway/src/index.js";
import { type GatewayFixture, gatewayFixture } from "../../gateway/src/testing/index.js";
import { memoryStore } from "../../store/src/index.js";
import { ApiClient } from "./api-client.js";
import { backupNow, backupStatus } from "./backup.js";
import {
  explainPolicy,
  listPolicies,
  listQuotas,
  offerQuota,
  removePolicy,
  setPolicy,
  withdrawQuota,
} from "./copies.js";
import { enrolWithInvite } from "./enrol.js";
import { fsckReport, runFsck } from "./fsck.js";
import { addGrant, explainGrant, listGrants, removeGrant } from "./grants.js";
import { HttpFiles } from "./http-files.js";
import { KeyValueClient } from "./key-value.js";
import {
  allowNode,
  audit,
  createKey,
  knownNodes,
  listKeys,
  registerNode,
  revokeKey,
  verifyAudit,
} from "./keys.js";
import {
  applyLayout,
  drainNode,
  layoutChanges,
  removeNode,
  revertLayout,
  stageLayout,
  undrainNode,
} from "./layout.js";
import { LockClient } from "./locks.js";
import { peerContact } from "./peer-contact.js";
import {
  acceptPeer,
  invitePeer,
  listPeers,
  refreshPeer,
  removePeer,
  revokePeerInvite,
} from "./peers.js";
import { addService, listServices, removeService } from "./services.js";
import { askAi } from "./testing/ai-calls.js";
import { askHealing } from "./testing/healing-calls.js";
import { SettableClock } from "./testing/small-member.js";
import { emptyTrash, listTrash, restoreTrash } from "./trash.js";
import { listWorkers, runWorker, setWorker } from "./workers.js";

const clock = new SettableClock();
let fixture: GatewayFixture;
let local: ApiClient;
const doors: { stop(): Promise<void> }[] = [];

beforeEach(async () => {
  const store = memoryStore({ clock });
  fixture = await gatewayFixture({ store, clock, random: systemRandom() });
  const { services, metrics } = fixture;
  const door = new LoopbackDoor({ host: "127.0.0.1", port: 0, services, metrics });
  await door.start();
  doors.push(door);
  local = new ApiClient({ loopbackUrl: `http://127.0.0.1:${door.address?.port}` });
});
afterEach(async () => {
  local.close();
  for (const door of doors.splice(0)) await door.stop();
  await fixture.authority.close();
});

async function joined(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const asked = (calls: readonly Promise<unknown>[]) => Promise.allSettled(calls);

/** Every call about workers, the check and the trash once. */
async function askUpkeep(door: ApiClient): Promise<void> {
  await asked([listWorkers(door), setWorker(door, "repair", {}), runWorker(door, "repair")]);
  await asked([runFsck(door, false), fsckReport(door), listTrash(door, "").next()]);
  await asked([restoreTrash(door, { id: "x" }), emptyTrash(door, {})]);
}

/** Every call about peers, grants and copies at friends once. */
async function askFederation(door: ApiClient): Promise<void> {
  await asked([listPeers(door), invitePeer(door, {}), revokePeerInvite(door, "x")]);
  await asked([acceptPeer(door, { code: "x" }), removePeer(door, "bob"), refreshPeer(door, "bob")]);
  await asked([peerContact(door, "bob"), listGrants(door), removeGrant(door, "x")]);
  const [subject, path, right] = ["carol@office.carol", "/shared", "read"] as const;
  await asked([addGrant(door, { subject, grant: `${path}:${right}` })]);
  await asked([explainGrant(door, { subject, path, right })]);
  await asked([listPolicies(door), setPolicy(door, { path, strategy: "backup" })]);
  await asked([removePolicy(door, path), explainPolicy(door, path)]);
  await asked([listQuotas(door), offerQuota(door, "bob", 1), withdrawQuota(door, "bob")]);
}

/** Every call of `KeyValueClient` and `LockClient` once; the member of this test has no keys. */
async function askKeyValue(door: ApiClient): Promise<void> {
  const keyValue = new KeyValueClient({ door, clock, random: systemRandom() });
  const locks = new LockClient({ door, clock, random: systemRandom() });
  const calls: (() => Promise<unknown>)[] = [
    () => keyValue.get("a"),
    () => keyValue.put("a", "1"),
    () => keyValue.delete("a"),
    () => keyValue.deletePrefix(""),
    () => keyValue.list().next(),
    () => keyValue.watch({ key: "a" }).next(),
    () => keyValue.transaction({ success: [] }),
    () => keyValue.grantLease(1_000),
    () => keyValue.keepLeaseAlive(1),
    () => keyValue.revokeLease(1),
    () => keyValue.leases(),
    () => locks.acquire("a"),
    () => locks.inspect("a"),
    () => locks.release("a", 1),
    () => locks.list().next(),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject({ code: "MESH_NOT_FOUND" });
  await door.call("POST", "/api/locks/renew", { name: "a", token: 1 }).catch(() => undefined);
}

describe("ApiClient with the real doors", () => {
  it("asks for what the contract has, and for nothing else", async () => {
    const asked: string[] = [];
    const send = local.send.bind(local);
    local.send = (request) => {
      asked.push(`${request.method} ${request.path.split("?")[0]}`);
      return send(request);
    };
    const created = await local.createInvite({ kind: "person", grants: ["/shared:read"] });
    await local.revokeInvite(created.invite.id);
    await fixture.person("carol@office.carol", ["/shared:read"]);
    await local.revoke({ identity: "carol@office.carol" });
    await Promise.all([local.health(), local.status(), local.whoami(), local.nodes()]);
    await Promise.all([local.layout(), local.invites(), local.identities()]);
    await local.revocationList();
    await removeNode(local, "nobody").catch(() => undefined);
    await local.renew({ csrPem: "none" }).catch(() => undefined);
    const files = new HttpFiles(local);
    await files.makeDirectory("/shared", { parents: true });
    await files.write("/shared/a", once(Buffer.from("a")));
    await files.move("/shared/a", "/shared/b");
    await (await files.read("/shared/b")).stream[Symbol.asyncIterator]().return?.();
    for await (const _ of files.list("/shared"));
    await files.remove("/shared/b");
    const maybe = (call: Promise<unknown>) => call.catch(() => undefined);
    await Promise.all([local.meshStatus(), local.meshPeers(), local.meshRoutes()].map(maybe));
    await Promise.all([layoutChanges(local), revertLayout(local)].map(maybe));
    await Promise.all([stageLayout(local, {}), applyLayout(local, { version: 1 })].map(maybe));
    await Promise.all([drainNode(local, "attic"), undrainNode(local, "attic")].map(maybe));
    await Promise.all([listServices(local), removeService(local, "web")].map(maybe));
    await maybe(addService(local, { name: "web", port: 1 }));
    await Promise.all([createKey(local, { scopes: ["read"] }), listKeys(local)].map(maybe));
    await Promise.all([revokeKey(local, "none"), audit(local), verifyAudit(local)].map(maybe));
    await maybe(registerNode(local, { nodeUrl: "", nodeName: "x", capabilities: [] }));
    await Promise.all([knownNodes(local), allowNode(local, "x", [])].map(maybe));
    await Promise.all([maybe(local.coordinators()), askKeyValue(local)]);
    await Promise.all([backupNow(local), backupStatus(local, true)].map(maybe));
    await askUpkeep(local);
    await askFederation(local);
    await askAi(local);
    await askHealing(local);
    // `mesh store` asks for these by their paths.
    const store = ["status", "members", "snapshot"].map((name) => `/api/store/${name}`);
    await Promise.all(store.map((path) => maybe(local.call("GET", path))));
    const matches = (one: string, { method, path }: { method: string; path: string }) =>
      new RegExp(`^${method} ${path.replace(/:\w+/g, "[^/]+").replace(/\*$/, ".+")}$`).test(one);
    const endpoints = Object.values(ENDPOINTS);
    for (const one of asked) {
      expect(
        endpoints.some((endpoint) => matches(one, endpoint)),
        one,
      ).toBe(true);
    }
    const missed = endpoints.filter((endpoint) => !asked.some((one) => matches(one, endpoint)));
    expect(missed.map(({ path }) => path)).toEqual([
      "/health/live",
      "/health/ready",
      // Other programs ask for these: load balancers, coordinators of peers, other meshes.
      "/api/peers/bundle",
      "/api/peers/bundle",
      "/api/peers/farewell",
      "/api/mesh/identity",
      "/api/mesh/nodes/:node",
      "/api/pools/:pool",
      "/v1/models",
      "/v1/models/*",
    ]);
  });

  it("tells the coordinators: this one alone, or those that the node knows", async () => {
    const { operator } = fixture.services;
    const [only, ...others] = (await local.coordinators()).coordinators;
    expect(only).toEqual({
      nodeId: operator.nodeId,
      name: operator.name,
      isLeader: true,
      apiAddresses: ["localhost:8001"],
      linkAddresses: ["localhost:9000"],
      enrolmentAddresses: ["localhost:9001"],
    });
    expect(others).toEqual([]);
  });

  it("turns problems into the errors that they tell of", async () => {
    await expect(removeNode(local, "nobody")).rejects.toMatchObject({
      code: "MESH_NOT_FOUND",
      hint: expect.stringMatching(/./),
    });
    const bad = { kind: "person", maxUses: 0 } as const;
    await expect(local.createInvite(bad)).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
      message: expect.stringContaining("maxUses"),
    });
  });

  it("moves bytes both ways, with ranges and conditions", async () => {
    const files = new HttpFiles(local);
    const bytes = randomBytes(3_000_000);
    await files.makeDirectory("/shared", { parents: true });
    const entry = await files.write("/shared/größe #1?.bin", once(bytes), { ifMatch: "" });
    expect(entry.sizeBytes).toBe(bytes.length);
    const whole = await files.read(entry.path);
    expect((await joined(whole.stream)).equals(bytes)).toBe(true);
    const part = await files.read(entry.path, { start: 10, endInclusive: 19 });
    expect((await joined(part.stream)).equals(bytes.subarray(10, 20))).toBe(true);
    await expect(files.write(entry.path, once(bytes), { ifMatch: "" })).rejects.toMatchObject({
      status: expect.any(Number),
      exitCode: 5,
    });
    await expect(files.write(entry.path, once(bytes), { ifMatch: "other" })).rejects.toMatchObject({
      code: "MESH_PATH_CHANGED",
    });
    await files.write(entry.path, once(bytes), { ifMatch: entry.etag });
    await expect(files.read("/shared/none")).rejects.toMatchObject({ exitCode: 3 });
  });

  it("redeems an invite at the enrolment door and speaks at the API door", async () => {
    const { services, credentials, metrics } = fixture;
    const options = { host: "127.0.0.1", port: 0, services, credentials, metrics };
    const enrolment = new EnrolmentDoor(options);
    const api = new ApiDoor(options);
    for (const door of [enrolment, api]) {
      await door.start();
      doors.push(door);
    }
    const { code } = await local.createInvite({ kind: "person", grants: ["/media:read"] });
    const keyPair = generateKeyPair();
    // The fixture names the standard port in its invites.
    const endpoints = [{ host: "127.0.0.1", port: enrolment.address?.port ?? 0 }];
    const inviteText = encodeInvite({ ...parseInvite(code), endpoints }).text;
    const enrolled = await enrolWithInvite({
      inviteText,
      kind: "person",
      name: "carol@office.carol",
      keyPair,
      clock,
    });
    const { certificatePem, caCertificatePem } = enrolled;
    const remote = new ApiClient({
      addresses: ["127.0.0.1:1", `127.0.0.1:${api.address?.port}`],
      credentials: { certificatePem, caCertificatePem, keyPem: keyPair.privateKeyPem },
      clock,
    });
    expect(await remote.whoami()).toMatchObject({ name: "carol@office.carol", operator: false });
    await expect(remote.identities()).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    await local.revoke({ identity: "carol@office.carol" });
    await expect(remote.whoami()).rejects.toMatchObject({ exitCode: expect.any(Number) });
    remote.close();
  });

  it("speaks plaintext to nobody but this machine", () => {
    expect(() => new ApiClient({ loopbackUrl: "http://192.168.1.20:3000" })).toThrow(
      /not this machine/,
    );
    expect(() => new ApiClient({ loopbackUrl: "https://127.0.0.1:1" })).toThrow(/http:/);
  });
});
