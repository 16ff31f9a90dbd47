import { limits } from "@hearthmesh/core";
import {
  createCertificateRequest,
  decodePem,
  generateKeyPair,
  type KeyPairPem,
  recoveryMessage,
  signerOf,
} from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import { authorityFixture, DAY_MS } from "./testing/authority-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });

async function proofOf(key: KeyPairPem, signedAtMs: number, member = "home.alice") {
  const csrPem = await createCertificateRequest(key);
  const message = recoveryMessage({ nodeId: key.nodeId, csrPem, signedAtMs, member });
  return {
    nodeId: key.nodeId,
    csrPem,
    signedAtMs,
    signature: signerOf(key.privateKeyPem)(message),
  };
}

describe("renewal", () => {
  it("gives the same identity a later certificate", async () => {
    const { authority, inviteNode, join, clock } = await authorityFixture();
    const { key, result, principal } = await join(await inviteNode(), "one");
    clock.advance(DAY_MS / 2);
    const renewed = await authority.renew(principal, await createCertificateRequest(key));
    expect(renewed.spiffeId).toBe(result.spiffeId);
    expect(renewed.notAfterMs).toBe(result.notAfterMs + DAY_MS / 2);
    expect(authority.identity(key.nodeId)?.serial).toBe(renewed.serial);
  });

  it("refuses another key, and an expired certificate", async () => {
    const { authority, inviteNode, join, clock } = await authorityFixture();
    const { key, principal } = await join(await inviteNode(), "one");
    const foreign = await createCertificateRequest(generateKeyPair());
    await expect(authority.renew(principal, foreign)).rejects.toThrow(code("MESH_CERT_INVALID"));
    clock.advance(DAY_MS + 1);
    const own = await createCertificateRequest(key);
    await expect(authority.renew(principal, own)).rejects.toThrow(code("MESH_CERT_EXPIRED"));
  });
});

describe("recovery", () => {
  it("lets a machine back in that was off for a month, and counts", async () => {
    const { authority, inviteNode, join, clock } = await authorityFixture();
    const { key, result } = await join(await inviteNode(), "one");
    const chain = [decodePem("CERTIFICATE", result.certificatePem)];
    clock.advance(30 * DAY_MS);
    expect(() => authority.principal(chain)).toThrow(code("MESH_CERT_EXPIRED"));
    const recovered = await authority.recover(await proofOf(key, clock.nowMs()));
    expect(recovered.spiffeId).toBe(result.spiffeId);
    expect(authority.principal([decodePem("CERTIFICATE", recovered.certificatePem)]).name).toBe(
      "one",
    );
    expect(authority.identity(key.nodeId)?.recoveries).toBe(1);
  });

  it("refuses a proof that is used, old, early, for another member or of another key", async () => {
    const { authority, inviteNode, join, clock } = await authorityFixture();
    const { key } = await join(await inviteNode(), "one");
    const now = clock.nowMs();
    const age = limits.RECOVERY_PROOF_AGE_MS_MAX;
    const proof = await proofOf(key, now);
    await authority.recover(proof);
    const refused = [
      proof,
      await proofOf(key, now - age - 1),
      await proofOf(key, now + age + 1),
      await proofOf(key, Number.NaN),
      await proofOf(key, now, "home.bob"),
      { ...(await proofOf(key, now)), signature: new Uint8Array(64) },
      { ...(await proofOf(generateKeyPair(), now)), nodeId: key.nodeId },
    ];
    for (const attempt of refused) {
      await expect(authority.recover(attempt)).rejects.toThrow(code("MESH_UNAUTHENTICATED"));
    }
    expect(authority.identity(key.nodeId)?.recoveries).toBe(1);
    // The same proof with another of the two valid signatures is still the same proof.
    const signature = signerOf(key.privateKeyPem)(
      recoveryMessage({ ...proof, member: "home.alice" }),
    );
    await expect(authority.recover({ ...proof, signature })).rejects.toThrow(
      code("MESH_UNAUTHENTICATED"),
    );
  });

  it("refuses a key that nobody let in, and one that was revoked", async () => {
    const { authority, operator, inviteNode, join, clock } = await authorityFixture();
    await expect(
      authority.recover(await proofOf(generateKeyPair(), clock.nowMs())),
    ).rejects.toThrow(code("MESH_CERT_UNTRUSTED"));
    const { key } = await join(await inviteNode(), "one");
    await authority.revoke(operator, "one", "stolen");
    await expect(authority.recover(await proofOf(key, clock.nowMs()))).rejects.toThrow(
      code("MESH_CERT_REVOKED"),
    );
  });

  it("stops when a machine came back too often, until the operator allows more", async () => {
    const { authority, operator, inviteNode, join, clock } = await authorityFixture();
    const { key } = await join(await inviteNode(), "one");
    for (let i = 0; i < limits.RECOVERIES_MAX; i++) {
      clock.advance(2 * DAY_MS);
      await authority.recover(await proofOf(key, clock.nowMs()));
    }
    clock.advance(DAY_MS);
    const late = await proofOf(key, clock.nowMs());
    await expect(authority.recover(late)).rejects.toThrow(code("MESH_RECOVERY_EXHAUSTED"));
    await authority.allowRecovery(operator, "one");
    await authority.recover(late);
  });
});
