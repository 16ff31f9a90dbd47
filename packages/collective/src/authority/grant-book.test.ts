/** The book of grants over real authorities of two members that are peers. */
import type { TrustDomain } from "@hearthmesh/core";
import { decodePem, type Principal, parseGrant } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GrantRecord } from "./grant-record.js";
import { type AuthorityFixture, authorityFixture, DAY_MS } from "./testing/authority-fixture.js";
import { makePeers } from "./testing/peer-members.js";

let alice: AuthorityFixture;
let garage: AuthorityFixture;

beforeEach(async () => {
  alice = await authorityFixture();
  const { clock } = alice;
  const options = { memberId: "bob", trustDomain: "garage.bob" as TrustDomain, clock };
  garage = await authorityFixture(undefined, options);
  await makePeers(alice, garage);
});
afterEach(() => Promise.all([alice.authority.close(), garage.authority.close()]));

const code = (name: string) => expect.objectContaining({ code: name });

/** As `alice` sees whoever shows this certificate. */
async function person(home: AuthorityFixture, name: string, ...grants: string[]) {
  const invite = await home.invitePerson(grants.length === 0 ? ["/none:read"] : grants);
  return seen((await home.join(invite, name)).result.certificatePem);
}

function seen(certificatePem: string): Principal {
  return alice.authority.principal([decodePem("CERTIFICATE", certificatePem)]);
}

function give(subject: string, text: string, by = alice.operator): Promise<GrantRecord> {
  const { grants } = alice.authority;
  return grants.give({ principal: by }, { subject, grant: parseGrant(text) });
}

function may(who: Principal, path: string, right: "read" | "write" | "delete" = "read"): boolean {
  try {
    alice.authority.authorize(who, path, right);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "MESH_FORBIDDEN" });
    return false;
  }
}

describe("a grant of the book", () => {
  it("adds to what the invite said, and is gone when it is taken away", async () => {
    const carol = await person(alice, "carol@office.carol", "/media:read");
    const record = await give("carol@office.carol", "/shared:read+write");
    expect(record).toMatchObject({ subject: "carol@office.carol", nodeId: carol.nodeId });
    expect([may(carol, "/media/a"), may(carol, "/shared/a", "write")]).toEqual([true, true]);
    await give("carol@office.carol", "!/media/private:read");
    expect([may(carol, "/media/private/x"), may(carol, "/media/x")]).toEqual([false, true]);
    await alice.authority.grants.take({ principal: alice.operator }, record.id);
    expect(may(carol, "/shared/a")).toBe(false);
    const again = await alice.reopen();
    expect(again.grants.list()).toHaveLength(1);
    await again.close();
    expect(await alice.authority.verifyAudit()).toMatchObject({ ok: true });
  });

  it("ends by itself, in the very millisecond after its end", async () => {
    const carol = await person(alice, "carol@office.carol");
    const notAfterMs = alice.clock.nowMs() + 1000;
    const grant = { ...parseGrant("/shared:read"), notAfterMs };
    await alice.authority.grants.give(
      { principal: alice.operator },
      { subject: carol.name, grant },
    );
    expect(alice.authority.rightEndsAtMs(carol, "/shared/x", "read")).toBe(notAfterMs);
    alice.clock.advance(1000);
    expect(may(carol, "/shared/x")).toBe(true);
    alice.clock.advance(1);
    expect(may(carol, "/shared/x")).toBe(false);
    expect(alice.authority.grants.stateOf(alice.authority.grants.list()[0]!)).toBe("ended");
  });

  it("is bound to the key of a local person, and not to a name that others take", async () => {
    const carol = await person(alice, "carol@office.carol");
    await give(carol.name, "/shared:read");
    await alice.authority.revoke(alice.operator, carol.name, "lost");
    const other = await person(alice, "carol@office.carol");
    expect(other.nodeId).not.toBe(carol.nodeId);
    expect(may(other, "/shared/x")).toBe(false);
    await give("carol@office.carol", "/shared:read");
    expect(may(other, "/shared/x")).toBe(true);
  });

  it("may say the same twice, and is one", async () => {
    const first = await give("*@garage.bob", "/media:read");
    expect(await give("*@GARAGE.bob", "/media:read")).toEqual(first);
    expect(alice.authority.grants.list()).toHaveLength(1);
  });

  it("is refused for whom nobody knows, for nodes, and for what is elsewhere", async () => {
    const node = await alice.join(await alice.inviteNode(), "node-1");
    const refused: [string, string, string][] = [
      ["nobody@home.alice", "/x:read", "MESH_NOT_FOUND"],
      ["carol@office.carol", "/x:read", "MESH_PEER_UNKNOWN"],
      ["*@office.carol", "/x:read", "MESH_PEER_UNKNOWN"],
      ["operator@office.carol", "/x:read", "MESH_PEER_UNKNOWN"],
      ["operator@home.alice", "/x:read", "MESH_BAD_REQUEST"],
      [node.principal.nodeId, "/x:read", "MESH_BAD_REQUEST"],
      ["spiffe://garage.bob/person/carol@office.carol", "/x:read", "MESH_BAD_REQUEST"],
      ["spiffe://garage.bob/node/node-1", "/x:read", "MESH_BAD_REQUEST"],
      ["c*@garage.bob", "/x:read", "MESH_BAD_REQUEST"],
      ["*", "/x:read", "MESH_BAD_REQUEST"],
      ["*@*@*", "/x:read", "MESH_BAD_REQUEST"],
      ["*@garage.bob", "/@bob/x:read", "MESH_BAD_REQUEST"],
      ["operator@garage.bob", "/.copies/garage.bob:read", "MESH_BAD_REQUEST"],
    ];
    for (const [subject, grant, error] of refused) {
      await expect(give(subject, grant), subject).rejects.toEqual(code(error));
    }
    const ended = { ...parseGrant("/x:read"), notAfterMs: alice.clock.nowMs() };
    const late = { subject: "*@garage.bob", grant: ended };
    await expect(alice.authority.grants.give({ principal: alice.operator }, late)).rejects.toEqual(
      code("MESH_BAD_REQUEST"),
    );
    expect(alice.authority.grants.list()).toEqual([]);
  });
});

describe("whom a grant matches", () => {
  it("a person of a peer by its name, and nobody who only has that name", async () => {
    const bob = await person(garage, "bob@garage.bob");
    const guest = await person(garage, "carol@office.carol");
    await give("bob@garage.bob", "/shared:read");
    // An impostor at home takes the name afterwards.
    const impostor = await person(alice, "bob@garage.bob");
    expect(bob).toMatchObject({ kind: "foreign", foreignKind: "person" });
    expect([bob, impostor, guest].map((who) => may(who, "/shared/x"))).toEqual([
      true,
      false,
      false,
    ]);
    // From now on the plain name could be either.
    await expect(give("bob@garage.bob", "/more:read")).rejects.toEqual(code("MESH_BAD_REQUEST"));
    await give("spiffe://garage.bob/person/bob@garage.bob", "/more:read");
    expect([may(bob, "/more"), may(impostor, "/more")]).toEqual([true, false]);
    await give(impostor.nodeId, "/other:read");
    expect([may(bob, "/other"), may(impostor, "/other")]).toEqual([false, true]);
  });

  it("a local carol@office.carol is not the Carol of the peer office.carol", async () => {
    const local = await person(alice, "carol@office.carol");
    await give("carol@office.carol", "/home:read");
    const { clock } = alice;
    const options = { memberId: "carol", trustDomain: "office.carol" as TrustDomain, clock };
    const office = await authorityFixture(undefined, options);
    await makePeers(alice, office);
    const foreign = await person(office, "carol@office.carol");
    expect([may(local, "/home"), may(foreign, "/home")]).toEqual([true, false]);
    await give("spiffe://office.carol/person/carol@office.carol", "/office:read");
    // Whoever garage.bob lets in under that name is not vouched for by office.carol.
    const guest = await person(garage, "carol@office.carol");
    const all = [local, foreign, guest];
    expect(all.map((who) => may(who, "/office"))).toEqual([false, true, false]);
    await office.authority.close();
  });

  it("everybody of a domain by the certificate, and operators by theirs", async () => {
    const bob = await person(garage, "bob@garage.bob");
    const guest = await person(garage, "mallory@home.alice");
    const dave = await person(alice, "dave@home.alice");
    const pretender = await person(alice, "eve@garage.bob");
    const machine = await garage.join(await garage.inviteNode(), "node-1");
    const node = seen(machine.result.certificatePem);
    const called = await person(garage, "operator@garage.bob");
    const operator = await operatorOf(garage);
    const all = [bob, guest, operator, dave, pretender, node, called];
    const matches = async (subject: string) => {
      const record = await give(subject, "/here:read");
      const found = all.map((who) => may(who, "/here"));
      await alice.authority.grants.take({ principal: alice.operator }, record.id);
      return found;
    };
    expect(await matches("*@garage.bob")).toEqual([true, true, true, false, false, false, true]);
    expect(await matches("*@home.alice")).toEqual([false, false, false, true, true, false, false]);
    expect(await matches("*@*")).toEqual([true, true, true, true, true, false, true]);
    expect(await matches("operator@garage.bob")).toEqual([
      false,
      false,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it("a foreign operator like anybody else: it never has everything", async () => {
    const operator = await operatorOf(garage);
    expect(alice.authority.grantsOf(operator)).toEqual([]);
    expect(may(operator, "/")).toBe(false);
    const guest = await person(garage, "carol@office.carol");
    for (const [who, hint] of [
      [operator, 'mesh grant add operator@garage.bob "/x:read"'],
      [guest, `mesh grant add '*@garage.bob' "/x:read"`],
      [await person(garage, "bob@garage.bob"), 'mesh grant add bob@garage.bob "/x:read"'],
    ] as const) {
      const refused = expect.objectContaining({ hint: expect.stringContaining(hint) });
      expect(() => alice.authority.authorize(who, "/x", "read")).toThrow(refused);
    }
  });

  it("nobody of a domain that was removed, nor of a later peer of that name", async () => {
    const bob = await person(garage, "bob@garage.bob");
    const record = await give("bob@garage.bob", "/shared:read");
    await give("*@garage.bob", "/old:read");
    await give("*@*", "/all:read");
    await alice.authority.peers.remove({ principal: alice.operator }, "bob");
    expect(() => alice.authority.authorize(bob, "/shared", "read")).toThrow(/no peer/);
    alice.clock.advance(DAY_MS);
    await garage.authority.peers.remove({ principal: garage.operator }, "alice");
    await makePeers(alice, garage);
    const again = await person(garage, "robert@garage.bob");
    expect([may(again, "/all"), alice.authority.grants.stateOf(record)]).toEqual([true, "no-peer"]);
    expect(may(again, "/old")).toBe(false);
    await give("*@garage.bob", "/shared:read");
    expect(may(again, "/shared")).toBe(true);
  });
});

async function operatorOf(home: AuthorityFixture): Promise<Principal> {
  const { createCertificateRequest, generateKeyPair } = await import("@hearthmesh/identity");
  const csrPem = await createCertificateRequest(generateKeyPair());
  const made = await home.authority.enrolCoordinator({ csrPem, name: "another-hub" });
  return seen(made.certificatePem);
}
