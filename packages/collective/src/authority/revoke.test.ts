import {
  createCertificateRequest,
  decodePem,
  generateKeyPair,
  isRevoked,
  type RevocationEntry,
  verifyRevocationList,
} from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import { authorityFixture, DAY_MS } from "./testing/authority-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("revocation", () => {
  it("holds at once for every question, and tells the listeners", async () => {
    const { authority, operator, invitePerson, join } = await authorityFixture();
    const { key, result, principal } = await join(await invitePerson(["/:read"]), "one");
    const told: RevocationEntry[] = [];
    const stop = authority.onRevoked((entry) => told.push(entry));
    await authority.revoke(operator, principal.name, "left the house");
    expect(told).toEqual([
      expect.objectContaining({ nodeId: key.nodeId, reason: "left the house" }),
    ]);
    const refused = code("MESH_CERT_REVOKED");
    const chain = [decodePem("CERTIFICATE", result.certificatePem)];
    expect(() => authority.principal(chain)).toThrow(refused);
    expect(() => authority.check(principal)).toThrow(refused);
    expect(() => authority.authorize(principal, "/a", "read")).toThrow(refused);
    const csrPem = await createCertificateRequest(key);
    await expect(authority.renew(principal, csrPem)).rejects.toThrow(refused);
    const list = verifyRevocationList(authority.revocationList(), authority.trustBundle);
    expect([list.epoch, isRevoked(list, key.nodeId)]).toEqual([1, true]);
    stop();
    await authority.revoke(operator, key.nodeId, "again");
    expect([told.length, authority.revocationList().epoch]).toEqual([1, 1]);
  });

  it("keeps the key out for good, and gives the name to the next", async () => {
    const { authority, operator, inviteNode, join } = await authorityFixture();
    const invite = await inviteNode({ maxUses: 3 });
    const old = await join(invite, "garage");
    await authority.revoke(operator, "garage", "disk stolen");
    await expect(join(await inviteNode(), "garage", old.key)).rejects.toThrow(
      code("MESH_CERT_REVOKED"),
    );
    const next = await join(invite, "garage");
    authority.check(next.principal);
    expect(() => authority.check(old.principal)).toThrow(code("MESH_CERT_REVOKED"));
    const revoked = await authority.revoke(operator, "garage", "again");
    expect(revoked.nodeId).toBe(next.key.nodeId);
  });

  it("is for operators, about known identities, and never about the coordinator", async () => {
    const { authority, operator, invitePerson, join } = await authorityFixture();
    const { principal } = await join(await invitePerson(["/:all"]), "one");
    await expect(authority.revoke(principal, "alice-hub", "coup")).rejects.toThrow(
      code("MESH_FORBIDDEN"),
    );
    await expect(authority.revoke(operator, "alice-hub", "oops")).rejects.toThrow(
      code("MESH_FORBIDDEN"),
    );
    await expect(authority.revoke(operator, "nobody", "x")).rejects.toThrow(code("MESH_NOT_FOUND"));
  });

  it("does not end when one listener throws", async () => {
    const { authority, operator, invitePerson, join } = await authorityFixture();
    await join(await invitePerson(["/:read"]), "one");
    let told = 0;
    authority.onRevoked(() => {
      throw new Error("broken");
    });
    authority.onRevoked(() => told++);
    await authority.revoke(operator, "one@home.alice", "x");
    expect(told).toBe(1);
  });

  it("drops keys from the list when their certificates end, and still refuses them", async () => {
    const { authority, operator, inviteNode, join, clock } = await authorityFixture();
    const invite = await inviteNode({ maxUses: 2 });
    const first = await join(invite, "one");
    const second = await join(invite, "two");
    await authority.revoke(operator, "one", "x");
    clock.advance(2 * DAY_MS);
    await authority.revoke(operator, "two", "x");
    const ids = authority.revocationList().entries.map(({ nodeId }) => nodeId);
    expect(ids).toEqual([second.key.nodeId]);
    expect(authority.isRevoked(first.key.nodeId)).toBe(true);
  });

  it("reaches another coordinator on the same store, and its listeners", async () => {
    const fixture = await authorityFixture();
    const { principal } = await fixture.join(await fixture.invitePerson(["/:read"]), "one");
    const other = await fixture.reopen();
    other.check(principal);
    const told = new Promise<RevocationEntry>((resolve) => other.onRevoked(resolve));
    await fixture.authority.revoke(fixture.operator, principal.name, "x");
    expect((await told).nodeId).toBe(principal.nodeId);
    expect(() => other.check(principal)).toThrow(code("MESH_CERT_REVOKED"));
    await other.close();
  });

  it("refuses a key that was never enrolled", async () => {
    const first = await authorityFixture();
    const second = await authorityFixture();
    const { result } = await first.join(await first.invitePerson(["/:read"]), "one");
    const chain = [decodePem("CERTIFICATE", result.certificatePem)];
    expect(() => second.authority.principal(chain)).toThrow(code("MESH_CERT_UNTRUSTED"));
    const stranger = { ...first.operator, nodeId: generateKeyPair().nodeId };
    expect(() => first.authority.check(stranger)).toThrow(code("MESH_CERT_UNTRUSTED"));
  });
});
