import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority } from "@hearthmesh/collective";
import { type MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import type { PoolJoinRequest } from "@hearthmesh/gateway/contracts";
import {
  createCertificateRequest,
  createMemberCa,
  generateKeyPair,
  type KeyPairPem,
  type PoolRoster,
  type Principal,
  pairingKeyOf,
  pairingProof,
  parsePairingCode,
} from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JoinDesk } from "./join-desk.js";
import { prepareHome, readPreparation } from "./preparation.js";

const clock = systemClock();
const tools = { clock, random: systemRandom(), log: silentLogger };
const never = new AbortController().signal;
let authority: Authority;
let operator: Principal;
let pool: PoolRoster;
let desk: JoinDesk;

beforeEach(async () => {
  const who = { memberId: "alice", trustDomain: "home.alice" };
  const ca = await createMemberCa({ ...who, ...tools });
  authority = await Authority.open({ store: memoryStore({ clock }), ca, ...who, ...tools });
  const csrPem = await createCertificateRequest(generateKeyPair());
  await authority.enrolCoordinator({ csrPem, name: "one" });
  operator = authority.localOperator();
  const admin = { nodeId: operator.nodeId, name: operator.name };
  pool = await authority.pools.create(operator, { name: "lab", networkId: "test", admin });
  desk = new JoinDesk({ authority, clock, log: silentLogger });
});

afterEach(() => authority.close());

async function question(key: KeyPairPem, more: Partial<PoolJoinRequest> = {}) {
  const csrPem = await createCertificateRequest(key);
  return { poolId: pool.poolId, name: "two", csrPem, waitMs: 0, ...more };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "none",
    (error: MeshError) => error.code,
  );
}

describe("the desk where newcomers ask", () => {
  it("signs nothing before the admin has approved, and answers who waits at once", async () => {
    const key = generateKeyPair();
    const first = await desk.join(await question(key), "192.0.2.2", never);
    expect(first).toMatchObject({ state: "waiting", poolName: "lab", networkId: "test" });
    expect(authority.identity(key.nodeId)).toBeUndefined();
    const waiting = desk.join(await question(key, { waitMs: 20_000 }), "192.0.2.2", never);
    expect(desk.waiting(pool.poolId).map(({ words }) => words)).toEqual([first.words]);
    const decided = await desk.approve(operator, pool.poolId, first.words);
    expect(decided).toEqual({ nodeId: key.nodeId, name: "two", words: first.words });
    const answer = await waiting;
    expect(answer).toMatchObject({ state: "joined", enrolment: { nodeId: key.nodeId } });
    // The answer was lost on the way: asked again, it is the same.
    expect(await desk.join(await question(key), "192.0.2.2", never)).toEqual(answer);
    expect(desk.waiting(pool.poolId)).toEqual([]);
  });

  it("says so to who was refused, for as long as the request is kept", async () => {
    const key = generateKeyPair();
    const asked = desk.join(await question(key, { waitMs: 20_000 }), "192.0.2.2", never);
    await expect.poll(() => desk.waiting(pool.poolId).length).toBe(1);
    await desk.refuse(operator, pool.poolId, "two");
    expect(await codeOf(asked)).toBe("MESH_POOL_REFUSED");
    const again = desk.join(await question(key), "192.0.2.2", never);
    expect(await codeOf(again)).toBe("MESH_POOL_REFUSED");
    expect(await codeOf(desk.approve(operator, pool.poolId, "two"))).toBe(
      "MESH_POOL_REQUEST_UNKNOWN",
    );
  });

  it("lets the line go when the newcomer has gone, and keeps its request", async () => {
    const gone = new AbortController();
    const asked = desk.join(
      await question(generateKeyPair(), { waitMs: 20_000 }),
      "192.0.2.2",
      gone.signal,
    );
    await expect.poll(() => desk.waiting(pool.poolId).length).toBe(1);
    gone.abort();
    expect(await asked).toMatchObject({ state: "waiting" });
    expect(desk.waiting(pool.poolId)).toHaveLength(1);
  });

  it("takes a pairing code once, and gives the same answer to the same key", async () => {
    const { text } = await authority.pools.makeCode(operator, {
      ...{ poolId: pool.poolId, validityMs: 60_000, uses: 1 },
    });
    const key = generateKeyPair();
    const code = parsePairingCode(text);
    const proofKey = pairingKeyOf(code, pool.poolId);
    const proof = pairingProof(proofKey, authority.pools.root, key.nodeId);
    const asked = await question(key, { pairing: { id: code.id, proof } });
    const answer = await desk.join(asked, "192.0.2.2", never);
    expect(answer.state).toBe("joined");
    expect(await desk.join(asked, "192.0.2.2", never)).toEqual(answer);
    const thief = await question(generateKeyPair(), { pairing: { id: code.id, proof } });
    expect(await codeOf(desk.join(thief, "192.0.2.3", never))).toBe("MESH_PAIRING_INVALID");
  });

  it("asks anew about a machine that was taken out of the pool", async () => {
    const key = generateKeyPair();
    await desk.join(await question(key), "192.0.2.2", never);
    await desk.approve(operator, pool.poolId, "two");
    await authority.pools.remove(operator, pool.poolId, "two");
    desk.forget(pool.poolId, key.nodeId);
    expect(await desk.join(await question(key), "192.0.2.2", never)).toMatchObject({
      state: "waiting",
    });
    expect(desk.waiting(pool.poolId)).toHaveLength(1);
  });

  it("refuses other pools, other networks, names and requests that are none", async () => {
    const key = generateKeyPair();
    const cases: [Partial<PoolJoinRequest>, string][] = [
      [{ poolId: "f".repeat(32) }, "MESH_POOL_UNKNOWN"],
      [{ poolId: "lab" }, "MESH_POOL_UNKNOWN"],
      [{ networkId: "other" }, "MESH_BAD_REQUEST"],
      [{ name: "bad\u001b[2Jname" }, "MESH_BAD_REQUEST"],
      [{ csrPem: "none" }, "MESH_CERT_INVALID"],
      [{ pairing: { id: "x", proof: "" } }, "MESH_PAIRING_INVALID"],
    ];
    for (const [more, code] of cases) {
      expect(await codeOf(desk.join(await question(key, more), "192.0.2.2", never))).toBe(code);
    }
    expect(desk.waiting(pool.poolId)).toEqual([]);
  });

  it("keeps few requests of one address", async () => {
    const codes: string[] = [];
    for (let at = 0; at < 9; at++) {
      codes.push(await codeOf(desk.join(await question(generateKeyPair()), "192.0.2.2", never)));
    }
    expect(codes.filter((code) => code === "none")).toHaveLength(8);
    expect(codes.at(-1)).toBe("MESH_LIMIT");
  });
});

describe("mesh init", () => {
  it("keeps name and network, and refuses others later", async () => {
    const home = mkdtempSync(join(tmpdir(), "hearthmesh-init-"));
    const prepare = (networkId: string, name?: string) =>
      prepareHome({ networkId, name, flags: { home }, env: {}, cwd: home });
    try {
      const first = await prepare("test", "MacBook Admin");
      expect(first).toEqual({ v: 1, networkId: "test", nodeName: "macbook-admin" });
      expect(await prepare("test", "macbook-admin")).toEqual(first);
      expect(await prepare("test")).toEqual(first);
      expect(await codeOf(prepare("other", "macbook-admin"))).toBe("MESH_CONFIG_INVALID");
      expect(await codeOf(prepare("test", "other"))).toBe("MESH_CONFIG_INVALID");
      expect(await codeOf(prepare("a b"))).toBe("MESH_BAD_REQUEST");
      writeFileSync(join(home, "init.json"), "{");
      expect(await codeOf(readPreparation(home))).toBe("MESH_STORE_CORRUPT");
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});
