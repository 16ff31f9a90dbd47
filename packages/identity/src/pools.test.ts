import { systemClock, systemRandom } from "@hearthmesh/core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { caPinOf } from "./ca-pin.js";
import { generateKeyPair } from "./keys.js";
import { createMemberCa, type MemberCa } from "./member-ca.js";
import {
  formatPairingCode,
  newPairingCode,
  pairingKeyOf,
  pairingProof,
  pairingProofMatches,
  parsePairingCode,
} from "./pairing-code.js";
import { caPinOfRoot, parsePoolRoot, poolIdOf, poolRootOf } from "./pool-root.js";
import { type PoolRosterContent, signPoolRoster, verifyPoolRoster } from "./pool-roster.js";

const tools = { clock: systemClock(), random: systemRandom() };
let ca: MemberCa;
let other: MemberCa;
let root: string;

beforeAll(async () => {
  ca = await createMemberCa({ memberId: "alice", trustDomain: "home.alice", ...tools });
  other = await createMemberCa({ memberId: "bob", trustDomain: "home.bob", ...tools });
  root = poolRootOf(ca.certificatePem);
});

describe("the root of a pool", () => {
  it("is 53 letters and digits, the same for each certificate of the key", async () => {
    const again = { memberId: "alice", trustDomain: "home.alice", ...tools };
    const renewed = await createMemberCa({ ...again, privateKeyPem: ca.privateKeyPem });
    expect(root).toMatch(/^[a-z2-7]{53}$/);
    expect(poolRootOf(renewed.certificatePem)).toBe(root);
    expect(caPinOfRoot(root)).toBe(caPinOf(ca.certificatePem));
  });

  it("has one text alone: every other one is refused", () => {
    expect(parsePoolRoot(root)).toHaveLength(91);
    const bad = ["", root.toUpperCase(), `${root} `, root.slice(1), `${root}a`, "a".repeat(53)];
    for (const text of bad) expect(() => parsePoolRoot(text)).toThrow("not the root public key");
    // The last character carries four bits: with the fifth set it would be a second text.
    const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    const twin = root.slice(0, -1) + alphabet[alphabet.indexOf(root.slice(-1)) ^ 1];
    expect(() => parsePoolRoot(twin)).toThrow();
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parsePoolRoot(text)).toThrow();
      }),
    );
  });

  it("and the name prove the id", () => {
    const id = poolIdOf(root, "test-pool");
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(poolIdOf(root, "Test-pool")).not.toBe(id);
    expect(poolIdOf(poolRootOf(other.certificatePem), "test-pool")).not.toBe(id);
    for (const name of ["", "a b", "x".repeat(64), "-a", "a\u0000"]) {
      expect(() => poolIdOf(root, name)).toThrow("not a valid name of a pool");
    }
  });
});

describe("a roster", () => {
  const admin = generateKeyPair().nodeId;
  const second = generateKeyPair().nodeId;
  const content = (): PoolRosterContent => ({
    poolId: poolIdOf(root, "lab"),
    name: "lab",
    networkId: "test",
    version: 3,
    createdAtMs: 1,
    members: [
      { nodeId: admin, name: "one", role: "admin", sequence: 1 },
      { nodeId: second, name: "two", role: "member", sequence: 2 },
    ],
    removed: [],
  });

  it("is believed when the root key signed all of it", () => {
    const roster = signPoolRoster(content(), ca.privateKeyPem);
    expect(verifyPoolRoster(JSON.parse(JSON.stringify(roster)), root)).toEqual(roster);
    expect(() => verifyPoolRoster(signPoolRoster(content(), other.privateKeyPem), root)).toThrow(
      "not signed by the pool's root key",
    );
    expect(() => verifyPoolRoster(roster, poolRootOf(other.certificatePem))).toThrow();
    for (const change of [{ version: 4 }, { members: [] }, { name: "lob" }, { more: 1 }]) {
      expect(() => verifyPoolRoster({ ...roster, ...change }, root)).toThrow();
    }
  });

  it("of a wrong form is refused even when it is signed", () => {
    const { members } = content();
    const [one, two] = members as [(typeof members)[0], (typeof members)[0]];
    const wrong: Partial<PoolRosterContent>[] = [
      { version: 0 },
      { members: [two, one] },
      { members: [one, { ...two, nodeId: one.nodeId }] },
      { members: [one, { ...two, role: "admin" }] },
      { members: [one, { ...two, sequence: 1 }] },
      { members: [one, { ...two, name: "Bad\u001b[2J" }] },
      { poolId: "x" },
    ];
    for (const change of wrong) {
      const signed = signPoolRoster({ ...content(), ...change }, ca.privateKeyPem);
      expect(() => verifyPoolRoster(signed, root)).toThrow();
    }
    const many = Array.from({ length: 65 }, (_, at) => ({ ...two, sequence: at + 2 }));
    expect(() => signPoolRoster({ ...content(), members: many }, ca.privateKeyPem)).toThrow(
      "at most 64 members",
    );
  });
});

describe("a pairing code", () => {
  it("is read as people write it, and nothing else is", () => {
    const code = newPairingCode(tools.random);
    const text = formatPairingCode(code);
    expect(text).toMatch(/^[a-z2-7]{5}-[a-z2-7]{7}-[a-z2-7]{7}$/);
    for (const form of [text, ` ${text.toUpperCase()}\n`, text.replaceAll("-", "")]) {
      expect(parsePairingCode(form)).toEqual(code);
    }
    for (const form of ["", text.slice(1), `${text}a`, text.replace(/^./, "1")]) {
      expect(() => parsePairingCode(form)).toThrow("not a pairing code");
    }
  });

  it("proves itself for one pool, one root and one key, without being told", () => {
    const code = newPairingCode(tools.random);
    const poolId = poolIdOf(root, "lab");
    const { nodeId } = generateKeyPair();
    const key = pairingKeyOf(code, poolId);
    const proof = pairingProof(key, root, nodeId);
    expect(proof).not.toContain(code.secret);
    expect(pairingProofMatches(proof, key, root, nodeId)).toBe(true);
    const otherRoot = poolRootOf(other.certificatePem);
    expect(pairingProofMatches(proof, key, otherRoot, nodeId)).toBe(false);
    expect(pairingProofMatches(proof, key, root, generateKeyPair().nodeId)).toBe(false);
    const otherPool = pairingKeyOf(code, poolIdOf(root, "den"));
    expect(pairingProofMatches(proof, otherPool, root, nodeId)).toBe(false);
    const otherCode = pairingKeyOf(
      { ...code, secret: newPairingCode(tools.random).secret },
      poolId,
    );
    expect(pairingProofMatches(proof, otherCode, root, nodeId)).toBe(false);
    for (const wrong of ["", proof.slice(1), "ü".repeat(64)]) {
      expect(pairingProofMatches(wrong, key, root, nodeId)).toBe(false);
    }
  });
});
