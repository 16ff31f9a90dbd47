import { limits } from "@hearthmesh/core";
import {
  createCertificateRequest,
  decodePem,
  generateKeyPair,
  type KeyPairPem,
  type PoolRoster,
  pairingKeyOf,
  pairingProof,
  parsePairingCode,
  verifyPoolRoster,
} from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { beforeEach, describe, expect, it } from "vitest";
import { type AuthorityFixture, authorityFixture, DAY_MS } from "./testing/authority-fixture.js";

let fixture: AuthorityFixture;
let pool: PoolRoster;

beforeEach(async () => {
  fixture = await authorityFixture();
  const { operator, authority } = fixture;
  const admin = { nodeId: operator.nodeId, name: operator.name };
  pool = await authority.pools.create(operator, { name: "lab", networkId: "test", admin });
});

async function request(key: KeyPairPem, name = "attic") {
  const csrPem = await createCertificateRequest(key);
  return { poolId: pool.poolId, csrPem, name, roles: ["storage"] as const };
}

function names(): string[] {
  return fixture.authority.pools.find("lab").members.map(({ name }) => name);
}

describe("pools of a member", () => {
  it("are signed, audited, and kept", async () => {
    const { authority, operator } = fixture;
    expect(verifyPoolRoster(pool, authority.pools.root).members[0]?.role).toBe("admin");
    const admin = { nodeId: operator.nodeId, name: operator.name };
    await expect(
      authority.pools.create(operator, { name: "lab", networkId: "test", admin }),
    ).rejects.toMatchObject({ code: "MESH_POOL_EXISTS" });
    expect(() => authority.pools.find("den")).toThrow("no such pool");
    const again = await fixture.reopen();
    expect(again.pools.list()).toEqual([pool]);
    const { records } = await again.auditTrail();
    expect(records.some(({ action }) => action === "pool.create")).toBe(true);
    await again.close();
  });

  it("are bounded, and the operator's alone", async () => {
    const { authority, operator, join, inviteNode } = fixture;
    const admin = { nodeId: operator.nodeId, name: operator.name };
    const make = (name: string, by = operator) =>
      authority.pools.create(by, { name, networkId: "test", admin });
    for (let at = 1; at < limits.POOLS_MAX; at++) await make(`pool-${at}`);
    await expect(make("one-more")).rejects.toMatchObject({ code: "MESH_LIMIT" });
    const { principal } = await join(await inviteNode(), "attic");
    expect(() => make("den", principal)).toThrow("may not change pools");
  });
});

describe("who is let into a pool", () => {
  it("becomes a node with the role ai, last in the ring, by one record of the audit", async () => {
    const { authority, operator } = fixture;
    const key = generateKeyPair();
    const { enrolment, roster } = await authority.pools.admit(operator, await request(key));
    expect(enrolment).toMatchObject({ name: "attic", roles: ["storage", "ai"] });
    const chain = [decodePem("CERTIFICATE", enrolment.certificatePem)];
    expect(authority.principal(chain)).toMatchObject({ nodeId: key.nodeId, kind: "node" });
    expect(roster).toMatchObject({ version: 2 });
    expect(names()).toEqual([operator.name, "attic"]);
    const { records } = await authority.auditTrail();
    expect(records.at(-1)).toMatchObject({ action: "pool.admit", by: operator.spiffeId });
  });

  it("gets a name of its own, and keeps it when it comes again", async () => {
    const { authority, operator } = fixture;
    const [one, two] = [generateKeyPair(), generateKeyPair()];
    await authority.pools.admit(operator, await request(one));
    await authority.pools.admit(operator, await request(two));
    const { version } = authority.pools.find("lab");
    await authority.pools.admit(operator, await request(two, "other"));
    expect(names()).toEqual([operator.name, "attic", "attic-2"]);
    expect(authority.pools.find("lab").version).toBe(version);
  });

  it("is not called like the id of another", async () => {
    const { authority, operator } = fixture;
    const likeAnId = await request(generateKeyPair(), operator.nodeId);
    await expect(authority.pools.admit(operator, likeAnId)).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
    });
  });

  it("may be a node already: it keeps name and roles, and runs models too", async () => {
    const { authority, operator, join, inviteNode } = fixture;
    const node = await join(await inviteNode(), "cellar");
    await authority.pools.admit(operator, await request(node.key, "other"));
    expect(authority.identity(node.key.nodeId)?.roles).toEqual(["storage", "ai"]);
    expect(names()).toEqual([operator.name, "cellar"]);
  });

  it("is nobody who was revoked, a person, or a coordinator", async () => {
    const { authority, operator, join, invitePerson } = fixture;
    const key = generateKeyPair();
    await authority.pools.admit(operator, await request(key));
    await authority.revoke(operator, "attic", "gone");
    await expect(authority.pools.admit(operator, await request(key))).rejects.toMatchObject({
      code: "MESH_CERT_REVOKED",
    });
    const person = await join(await invitePerson(["/shared:read"]), "carol@home.alice");
    await expect(authority.pools.admit(operator, await request(person.key))).rejects.toMatchObject({
      code: "MESH_ALREADY_MEMBER",
    });
    await expect(
      authority.pools.admit(operator, { ...(await request(key)), csrPem: "no" }),
    ).rejects.toMatchObject({ code: "MESH_CERT_INVALID" });
  });

  it("leaves by the operator's word; the admin stays", async () => {
    const { authority, operator } = fixture;
    const key = generateKeyPair();
    await authority.pools.admit(operator, await request(key));
    const heard: number[] = [];
    authority.pools.onChange(({ version }) => heard.push(version));
    await authority.pools.remove(operator, pool.poolId, "attic");
    expect(names()).toEqual([operator.name]);
    expect(authority.pools.find("lab").removed).toEqual([key.nodeId]);
    expect(heard).toEqual([3]);
    await expect(
      authority.pools.remove(operator, pool.poolId, operator.name),
    ).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
    await authority.pools.admit(operator, await request(key));
    expect(authority.pools.find("lab")).toMatchObject({ version: 4, removed: [] });
  });
});

describe("pairing codes", () => {
  async function proved(key: KeyPairPem, text: string, poolId = pool.poolId) {
    const code = parsePairingCode(text);
    const { root } = fixture.authority.pools;
    const proof = pairingProof(pairingKeyOf(code, poolId), root, key.nodeId);
    return { ...(await request(key)), code: { id: code.id, proof } };
  }

  const made = (more = {}) =>
    fixture.authority.pools.makeCode(fixture.operator, {
      poolId: pool.poolId,
      validityMs: 60_000,
      uses: 1,
      ...more,
    });

  const refused = { code: "MESH_PAIRING_INVALID" };

  it("let in as many as they say, each with the key that proved it", async () => {
    const { pools } = fixture.authority;
    const { text } = await made({ uses: 2 });
    const [one, two, three] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
    await pools.admitByCode(await proved(one, text));
    const stolen = { ...(await proved(one, text)), csrPem: await createCertificateRequest(two) };
    await expect(pools.admitByCode(stolen)).rejects.toMatchObject(refused);
    await pools.admitByCode(await proved(two, text));
    await expect(pools.admitByCode(await proved(three, text))).rejects.toMatchObject(refused);
    expect(pools.find("lab").members).toHaveLength(3);
    expect(pools.openCodes()).toBe(0);
  });

  it("let in one of many at once", async () => {
    const { pools } = fixture.authority;
    const { text } = await made();
    const asked = await Promise.all(
      Array.from({ length: 6 }, () => proved(generateKeyPair(), text)),
    );
    const outcomes = await Promise.allSettled(asked.map((one) => pools.admitByCode(one)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(pools.find("lab").members).toHaveLength(2);
  });

  it("end with their time, and after a few wrong proofs", async () => {
    const { pools } = fixture.authority;
    const late = await made();
    fixture.clock.advance(60_001);
    const good = await proved(generateKeyPair(), late.text);
    await expect(pools.admitByCode(good)).rejects.toMatchObject(refused);
    const guessed = await made();
    const right = await proved(generateKeyPair(), guessed.text);
    for (let attempt = 0; attempt < limits.PAIRING_FAILURES_MAX; attempt++) {
      const wrong = { ...right, code: { ...right.code, proof: "0".repeat(64) } };
      await expect(pools.admitByCode(wrong)).rejects.toMatchObject(refused);
    }
    await expect(pools.admitByCode(right)).rejects.toMatchObject(refused);
    const unknown = { ...right, code: { id: "../..", proof: "" } };
    await expect(pools.admitByCode(unknown)).rejects.toMatchObject(refused);
    expect(pools.find("lab").members).toHaveLength(1);
  });

  it("are bounded in life, uses and number, and are not in the store", async () => {
    for (const more of [{ validityMs: DAY_MS + 1 }, { uses: 0 }, { uses: 65 }]) {
      await expect(made(more)).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
    }
    const { text } = await made();
    for (let at = 1; at < limits.PAIRING_CODES_MAX; at++) await made();
    await expect(made()).rejects.toMatchObject({ code: "MESH_LIMIT" });
    const { entries } = await fixture.store.range({
      start: "authority/pool-code/",
      end: "authority/pool-code/~",
    });
    const all = entries.map(({ value }) => Buffer.from(value).toString("utf8")).join();
    expect(entries).toHaveLength(limits.PAIRING_CODES_MAX);
    expect(all).not.toContain(parsePairingCode(text).secret);
    fixture.clock.advance(60_001);
    await made();
    expect(fixture.authority.pools.openCodes()).toBe(1);
  });
});

describe("records that went back to a backup", () => {
  it("take up what the root key signed later", async () => {
    const { authority, operator } = fixture;
    const { roster } = await authority.pools.admit(operator, await request(generateKeyPair()));
    await authority.pools.remove(operator, pool.poolId, "attic");
    const newest = authority.pools.find("lab");
    const fresh = await authorityFixture();
    const forged = { ...newest, version: 9 };
    await expect(fresh.authority.pools.adopt(forged)).rejects.toMatchObject({
      code: "MESH_POOL_ENTRY_INVALID",
    });
    expect(await authority.pools.adopt(roster)).toBe(false);
    expect(authority.pools.find("lab")).toEqual(newest);
    const restored = await fixture.reopen(memoryStore({ clock: fixture.clock }));
    expect(await restored.pools.adopt(newest)).toBe(true);
    expect(restored.pools.find("lab")).toEqual(newest);
    await restored.close();
  });
});
