import { limits, type NodeId, type TrustDomain } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { fingerprintWords } from "./fingerprint.js";
import { generateKeyPair } from "./keys.js";
import { recoveryMessage } from "./recovery.js";
import { isRevoked, signRevocationList, verifyRevocationList } from "./revocation.js";
import { memberFixture, NOW_MS } from "./testing/member-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });

function contentFor(nodeIds: NodeId[]) {
  return {
    trustDomain: "home.alice" as TrustDomain,
    epoch: 3,
    issuedAtMs: NOW_MS,
    entries: nodeIds.map((nodeId) => ({
      nodeId,
      spiffeId: "spiffe://home.alice/node/one",
      reason: "stolen",
      atMs: NOW_MS,
    })),
  };
}

describe("revocation lists", () => {
  it("are accepted from the CA of the domain alone, whole and unchanged", async () => {
    const { ca, bundle } = await memberFixture();
    const { nodeId } = generateKeyPair();
    const list = signRevocationList(contentFor([nodeId]), ca.privateKeyPem);
    const received: unknown = JSON.parse(JSON.stringify(list));
    expect(verifyRevocationList(received, bundle)).toEqual(list);
    expect([isRevoked(list, nodeId), isRevoked(list, generateKeyPair().nodeId)]).toEqual([
      true,
      false,
    ]);
    const untrusted = code("MESH_CERT_UNTRUSTED");
    for (const changed of [
      { ...list, entries: [] },
      { ...list, epoch: 4 },
      { ...list, trustDomain: "home.bob" },
      { ...list, signature: "AAAA" },
      signRevocationList(contentFor([nodeId]), generateKeyPair().privateKeyPem),
    ]) {
      expect(() => verifyRevocationList(changed, bundle)).toThrow(untrusted);
    }
    for (const malformed of [null, {}, { ...list, v: 2 }, { ...list, entries: [{}] }, "x"]) {
      expect(() => verifyRevocationList(malformed, bundle)).toThrow(code("MESH_CERT_INVALID"));
    }
  });

  it("have a limit", async () => {
    const { ca } = await memberFixture();
    const many = Array(limits.REVOCATIONS_MAX + 1).fill(generateKeyPair().nodeId);
    expect(() => signRevocationList(contentFor(many), ca.privateKeyPem)).toThrow(
      code("MESH_LIMIT"),
    );
  });
});

describe("recovery messages and fingerprints", () => {
  it("bind every part of the claim", () => {
    const { nodeId } = generateKeyPair();
    const claim = { nodeId, csrPem: "x", signedAtMs: 1, member: "home.alice" };
    const texts = [
      claim,
      { ...claim, csrPem: "y" },
      { ...claim, signedAtMs: 2 },
      { ...claim, member: "home.bob" },
      { ...claim, nodeId: generateKeyPair().nodeId },
    ].map((each) => Buffer.from(recoveryMessage(each)).toString());
    expect(new Set(texts).size).toBe(5);
  });

  it("can be read aloud", () => {
    const words = fingerprintWords(Buffer.from("a"));
    expect(words).toMatch(/^([bdfghjklmnprstvz][aiou]){3}(-([bdfghjklmnprstvz][aiou]){3}){3}$/);
    expect(fingerprintWords(Buffer.from("a"))).toBe(words);
    expect(fingerprintWords(Buffer.from("b"))).not.toBe(words);
  });
});
