import {
  checkCertificateRequest,
  createCertificateRequest,
  decodePem,
  encodePem,
  generateKeyPair,
  parseInvite,
  signerOf,
} from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import { authorityFixture, carol, DAY_MS, HOUR_MS } from "./testing/authority-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("redeeming an invite", () => {
  it("gives a person a certificate, its grants and the global id that it asked for", async () => {
    const { authority, invitePerson, join } = await authorityFixture();
    const invite = await invitePerson(["/shared:read+write", "/media:read"]);
    expect(parseInvite(invite.text)).toEqual(invite.code);
    const { result, principal, key } = await join(invite, carol);
    expect(principal).toMatchObject({
      kind: "person",
      name: carol,
      nodeId: key.nodeId,
      spiffeId: `spiffe://home.alice/person/${carol}`,
      serial: result.serial,
    });
    authority.authorize(principal, "/shared/a", "write");
    authority.authorize(principal, "/media", "read");
    expect(() => authority.authorize(principal, "/media/film", "write")).toThrow(
      expect.objectContaining({
        code: "MESH_FORBIDDEN",
        message: `${carol} may not write /media/film`,
      }),
    );
    expect([authority.visible(principal, "/"), authority.visible(principal, "/etc")]).toEqual([
      true,
      false,
    ]);
    expect(authority.deniedBelow(principal, "/", "read")).toBe(false);
    expect(() => authority.authorize(principal, "/shared/../etc", "read")).toThrow(
      code("MESH_FORBIDDEN"),
    );
  });

  it("takes the name that the invite fixes, and adds the domain to a short one", async () => {
    const { inviteNode, invitePerson, join } = await authorityFixture();
    const node = await join(await inviteNode({ nodeName: "garage" }), "coordinator-of-bob");
    expect(node.principal).toMatchObject({ kind: "node", name: "garage" });
    expect(node.result.roles).toEqual(["storage"]);
    const person = await join(await invitePerson(["/:read"]), "Dave");
    expect(person.principal.name).toBe("dave@home.alice");
  });

  it("never takes a name from the certificate request", async () => {
    const { authority, invitePerson } = await authorityFixture();
    const { code: invite } = await invitePerson(["/:r"]);
    const csrPem = await createCertificateRequest(generateKeyPair(), "coordinator/alice-hub");
    const result = await authority.enrol({
      inviteId: invite.id,
      secret: invite.secret,
      csrPem,
      kind: "person",
      name: "mallory",
    });
    expect(result.spiffeId).toBe("spiffe://home.alice/person/mallory@home.alice");
  });

  it("lets exactly one of a hundred at once have a single-use invite", async () => {
    const { authority, invitePerson, join } = await authorityFixture();
    const invite = await invitePerson(["/shared:read"]);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) => join(invite, `guest-${index}`)),
    );
    const failures = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(failures).toHaveLength(99);
    for (const failure of failures) expect(failure.reason).toEqual(code("MESH_INVITE_USED"));
    const people = authority.listIdentities().filter(({ kind }) => kind === "person");
    expect(people).toHaveLength(1);
    expect((await authority.listInvites())[0]?.uses).toHaveLength(1);
  });

  it("lets as many in as it says, each with a name of its own", async () => {
    const { invitePerson, join } = await authorityFixture();
    const invite = await invitePerson(["/shared:read"], { maxUses: 2 });
    await join(invite, "one");
    await expect(join(invite, "one")).rejects.toThrow(code("MESH_NAME_TAKEN"));
    await join(invite, "two");
    await expect(join(invite, "three")).rejects.toThrow(code("MESH_INVITE_USED"));
  });

  it("gives the same key its identity again, until the invite ends", async () => {
    const { authority, invitePerson, join, clock } = await authorityFixture();
    const invite = await invitePerson(["/shared:read"]);
    const first = await join(invite, "one");
    const again = await join(invite, "another-name", first.key);
    expect(again.result.spiffeId).toBe(first.result.spiffeId);
    expect(again.result.serial).not.toBe(first.result.serial);
    expect((await authority.listInvites())[0]?.uses).toHaveLength(1);
    clock.advance(2 * DAY_MS);
    await expect(join(invite, "one", first.key)).rejects.toThrow(code("MESH_INVITE_EXPIRED"));
  });

  it("adds the grants of a further invite to a key that is known", async () => {
    const { authority, invitePerson, inviteNode, join } = await authorityFixture();
    const first = await join(await invitePerson(["/a:read"]), "one");
    await join(await invitePerson(["/b:read"]), "ignored", first.key);
    authority.authorize(first.principal, "/a", "read");
    authority.authorize(first.principal, "/b", "read");
    const node = await inviteNode();
    await expect(join(node, "machine", first.key)).rejects.toThrow(code("MESH_ALREADY_MEMBER"));
  });

  it("does not let nodes and coordinators share a name", async () => {
    const { inviteNode, join } = await authorityFixture();
    await expect(join(await inviteNode(), "alice-hub")).rejects.toThrow(code("MESH_NAME_TAKEN"));
    await expect(inviteNode({ nodeName: "alice-hub" })).rejects.toThrow(code("MESH_NAME_TAKEN"));
  });
});

describe("an invite that does not hold", () => {
  it.each([
    ["no PEM", () => "hello"],
    ["too long", () => "x".repeat(20_000)],
    ["signed by another key", (pem: string) => spoilByte(pem, -1)],
    ["changed after it was signed", (pem: string) => spoilByte(pem, 20)],
    ["cut off", (pem: string) => pem.replace(/\n[^\n]+\n-----END/, "\n-----END")],
  ])("is not burnt by a request that is %s", async (_name, spoil) => {
    const { authority, invitePerson, join } = await authorityFixture();
    const invite = await invitePerson(["/:read"]);
    const csrPem = spoil(await createCertificateRequest(generateKeyPair()));
    const { id: inviteId, secret } = invite.code;
    await expect(
      authority.enrol({ inviteId, secret, csrPem, kind: "person", name: "one" }),
    ).rejects.toThrow(code("MESH_CERT_INVALID"));
    expect((await authority.listInvites())[0]?.uses).toEqual([]);
    await join(invite, "one");
  });

  it("answers an unknown id and a wrong secret with the same words", async () => {
    const { authority, invitePerson } = await authorityFixture();
    const invite = await invitePerson(["/:read"]);
    const csrPem = await createCertificateRequest(generateKeyPair());
    const attempt = async (inviteId: string, secret: string) => {
      const request = { inviteId, secret, csrPem, kind: "person" as const, name: "one" };
      return authority.enrol(request).then(
        () => "in",
        (error: Error & { code: string; hint: string }) =>
          `${error.code} ${error.message} ${error.hint}`,
      );
    };
    const wrong = await attempt(invite.code.id, "a".repeat(32));
    expect(wrong).toContain("MESH_INVITE_UNKNOWN");
    expect(await attempt("aaaaaaaaaa", invite.code.secret)).toBe(wrong);
    expect(await attempt("../identity/x", invite.code.secret)).toBe(wrong);
    expect(await attempt("", "")).toBe(wrong);
  });

  it("says when it has expired, was revoked, or is for the other kind", async () => {
    const { authority, operator, invitePerson, inviteNode, join, clock } = await authorityFixture();
    const short = await invitePerson(["/:read"], { validityMs: HOUR_MS });
    const revoked = await invitePerson(["/:read"]);
    await authority.revokeInvite(operator, revoked.text);
    await expect(join(revoked, "one")).rejects.toThrow(code("MESH_INVITE_REVOKED"));
    clock.advance(HOUR_MS + 1);
    await expect(join(short, "one")).rejects.toThrow(code("MESH_INVITE_EXPIRED"));
    const node = await inviteNode();
    const wrongKind = { ...node, record: { ...node.record, kind: "person" as const } };
    await expect(join(wrongKind, "one")).rejects.toThrow(code("MESH_INVITE_WRONG_KIND"));
  });

  it("refuses the CA's own key", async () => {
    const { authority, ca, invitePerson } = await authorityFixture();
    const { code: invite } = await invitePerson(["/:read"]);
    const { publicKeyPem } = keyOf(ca.privateKeyPem);
    const csrPem = await createCertificateRequest({
      privateKeyPem: ca.privateKeyPem,
      publicKeyPem,
      nodeId: (await checkCertificateRequest(await createCertificateRequest(generateKeyPair())))
        .nodeId,
    });
    const { id: inviteId, secret } = invite;
    await expect(
      authority.enrol({ inviteId, secret, csrPem, kind: "person", name: "one" }),
    ).rejects.toThrow(code("MESH_CERT_INVALID"));
  });
});

describe("what is kept", () => {
  it("has the hash of the secret and never the secret", async () => {
    const { store, invitePerson, join } = await authorityFixture();
    const invite = await invitePerson(["/:read"]);
    await join(invite, "one");
    const { entries } = await store.range({ start: "!", end: "~" });
    expect(entries.length).toBeGreaterThan(5);
    for (const { value } of entries) {
      expect(Buffer.from(value).toString("utf8")).not.toContain(invite.code.secret);
    }
  });

  it("is there again after a restart, with used invites still used", async () => {
    const fixture = await authorityFixture();
    const invite = await fixture.invitePerson(["/shared:read"]);
    const { result, principal } = await fixture.join(invite, "one");
    await fixture.authority.close();
    const reopened = await fixture.reopen();
    expect(reopened.principal([decodePem("CERTIFICATE", result.certificatePem)])).toEqual(
      principal,
    );
    const csrPem = await createCertificateRequest(generateKeyPair());
    const { id: inviteId, secret } = invite.code;
    await expect(
      reopened.enrol({ inviteId, secret, csrPem, kind: "person", name: "two" }),
    ).rejects.toThrow(code("MESH_INVITE_USED"));
    await reopened.close();
  });
});

/** The request with one byte of its DER changed; a negative index counts from the end. */
function spoilByte(pem: string, index: number): string {
  const der = Buffer.from(decodePem("CERTIFICATE REQUEST", pem));
  const at = index < 0 ? der.length + index : index;
  der[at] = (der[at] ?? 0) ^ 1;
  return encodePem("CERTIFICATE REQUEST", der);
}

function keyOf(privateKeyPem: string) {
  expect(signerOf(privateKeyPem)(Buffer.from("x"))).toHaveLength(64);
  // The public half as PEM, as `createCertificateRequest` wants it.
  return { publicKeyPem: privateKeyPem };
}
