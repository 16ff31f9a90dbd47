/** Peers at the authority: how they come, who of them is believed, how they go. */
import { limits, type TrustDomain } from "@hearthmesh/core";
import {
  type SignedTrustBundle,
  signRevocationList,
  verifyPeerTrustList,
} from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import type { PeerChanged } from "./peers.js";
import { authorityFixture, DAY_MS } from "./testing/authority-fixture.js";
import {
  befriend,
  bundleOf,
  endpoints,
  invite,
  member,
  type Other,
  sameKeys,
} from "./testing/other-member.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("two members", () => {
  it("become peers by a code, see the same words, and know each other's people", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    await befriend(alice, bob);
    const [atAlice] = alice.authority.peers.list();
    const [atBob] = bob.authority.peers.list();
    expect(atAlice).toMatchObject({ alias: "bob", memberId: "bob", trustDomain: "garage.bob" });
    expect(atBob).toMatchObject({ alias: "alice", trustDomain: "home.alice" });
    expect(alice.authority.peers.wordsOf(atAlice!)).toBe(bob.authority.peers.wordsOf(atBob!));
    for (const name of ["bob", "garage.bob", " BOB "]) {
      expect(alice.authority.peers.find(name)).toEqual(atAlice);
    }
    expect(() => alice.authority.peers.find("carol")).toThrow(code("MESH_PEER_UNKNOWN"));
    for (const kind of ["coordinator", "node", "person"] as const) {
      const der = await bob.issue(kind, kind === "person" ? "b@garage.bob" : "one");
      const principal = alice.authority.principal([der]);
      expect(principal).toMatchObject({ kind: "foreign", foreignKind: kind });
      expect(alice.authority.grantsOf(principal)).toEqual([]);
      expect(() => alice.authority.authorize(principal, "/shared", "read")).toThrow(
        code("MESH_FORBIDDEN"),
      );
      await expect(alice.authority.renew(principal, "")).rejects.toThrow();
      const ask = { kind: "person" as const, grants: [], validityMs: DAY_MS, endpoints };
      await expect(alice.authority.createInvite(principal, ask)).rejects.toThrow();
      await expect(alice.authority.revoke(principal, "alice-hub", "")).rejects.toThrow(
        code("MESH_FORBIDDEN"),
      );
      const by = { principal };
      const { peers } = alice.authority;
      await expect(peers.createInvite(by, { validityMs: 1, endpoints })).rejects.toThrow(
        code("MESH_FORBIDDEN"),
      );
      await expect(peers.remove(by, "bob")).rejects.toThrow(code("MESH_FORBIDDEN"));
    }
  });

  it("leave no secret behind, and everything in the audit trail", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    const { secret } = await invite(alice, "bob");
    await befriend(alice, bob).catch(() => undefined);
    const { records } = await alice.authority.auditTrail();
    const all = await alice.store.range({ prefix: "authority/" });
    const text = all.entries.map(({ value }) => Buffer.from(value).toString()).join("\n");
    expect(text + JSON.stringify(records)).not.toContain(secret);
    expect(records.map(({ action }) => action)).toEqual(
      expect.arrayContaining(["peer.invite", "peer.accept"]),
    );
  });
});

describe("a bundle", () => {
  it("is taken when it is newer, and never when it is older or the same", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    await befriend(alice, bob);
    const { peers } = alice.authority;
    const domain = "garage.bob" as TrustDomain;
    const old = await bob.authority.peers.ownBundle();
    const { sequence } = peers.get(domain)!;
    const addresses = { apiAddresses: ["b:1"], linkAddresses: [], enrolmentAddresses: [] };
    const coordinators = [{ nodeId: alice.operator.nodeId, name: "hub", ...addresses }];
    const newer = await bundleOf(bob, { sequence: sequence + 5, coordinators });
    expect((await peers.refresh(domain, newer)).coordinators).toEqual(coordinators);
    const replayed = await bundleOf(bob, { sequence: sequence + 4 });
    expect((await peers.refresh(domain, replayed)).sequence).toBe(sequence + 5);
    expect((await peers.refresh(domain, old)).sequence).toBe(sequence + 5);
    // The same again changes nothing, however high its number.
    const length = await alice.authority.auditLength();
    const same = await bundleOf(bob, { sequence: sequence + 99, coordinators });
    expect((await peers.refresh(domain, same)).sequence).toBe(sequence + 5);
    expect(await alice.authority.auditLength()).toBe(length);
    const foreign = await alice.authority.peers.ownBundle();
    await expect(peers.refresh(domain, foreign)).rejects.toThrow(code("MESH_BUNDLE_INVALID"));
    await expect(peers.refresh("home.eve" as TrustDomain, newer)).rejects.toThrow(
      code("MESH_PEER_UNKNOWN"),
    );
  });

  it("may not claim this member, another peer, or a CA key that is known elsewhere", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    await befriend(alice, bob);
    const invalid = code("MESH_BUNDLE_INVALID");
    const redeem = async (other: Other) =>
      alice.authority.peers.redeem(
        await other.authority.peers.redemptionOf(await invite(alice, "other"), "friend"),
      );
    await expect(redeem(await member(alice, "mallory", "home.alice"))).rejects.toThrow(invalid);
    await expect(redeem(await member(alice, "mallory", "garage.bob"))).rejects.toThrow(
      code("MESH_PEER_EXISTS"),
    );
    const refresh = async (more: Partial<SignedTrustBundle>) =>
      alice.authority.peers.refresh(
        "garage.bob" as TrustDomain,
        await bundleOf(bob, { sequence: Number.MAX_SAFE_INTEGER, ...more }),
      );
    const carol = await member(alice, "carol", "office.carol");
    const cas = [bob.ca.certificatePem, carol.ca.certificatePem];
    await expect(refresh({ caCertificatesPem: cas })).rejects.toThrow(invalid);
    const withAlice = [bob.ca.certificatePem, alice.ca.certificatePem];
    await expect(refresh({ caCertificatesPem: withAlice })).rejects.toThrow(invalid);
    const renamed = { trustDomain: "office.carol" as TrustDomain };
    await expect(refresh(renamed)).rejects.toThrow(invalid);
  });

  it("that names a CA key of another domain is refused, whatever its name", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice, "bob", "garage.bob", sameKeys());
    await befriend(alice, bob);
    // One key that would speak for two members.
    const twin = await member(alice, "twin", "home.twin", sameKeys());
    const redemption = await twin.authority.peers.redemptionOf(await invite(alice), undefined);
    await expect(alice.authority.peers.redeem(redemption)).rejects.toThrow(/garage\.bob/);
    const shadow = await member(alice, "shadow", "home.shadow");
    await befriend(alice, shadow);
    expect(alice.authority.peers.list()).toHaveLength(2);
  });

  it("that has ended believes nobody until a newer one comes", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    await befriend(alice, bob);
    alice.clock.advance(limits.PEER_BUNDLE_VALIDITY_MS + 1);
    const der = await bob.issue("coordinator", "hub");
    const { authority } = alice;
    expect(() => authority.principal([der])).toThrow(/nothing was heard/);
    const domain = "garage.bob" as TrustDomain;
    await authority.peers.refresh(domain, await bob.authority.peers.ownBundle());
    expect(authority.principal([der]).kind).toBe("foreign");
  });

  it("of the own member grows with what changes, and is made anew before it is old", async () => {
    const alice = await authorityFixture();
    const { authority, operator, clock } = alice;
    const first = await authority.peers.ownBundle();
    expect(await authority.peers.ownBundle()).toEqual(first);
    const joined = await alice.join(await alice.invitePerson(["/shared:rw"]), "one");
    await authority.revoke(operator, "one@home.alice", "stolen phone");
    const second = await authority.peers.ownBundle();
    expect(second.sequence).toBeGreaterThan(first.sequence);
    expect(second.revocations.entries.map(({ nodeId }) => nodeId)).toEqual([
      joined.principal.nodeId,
    ]);
    expect(JSON.stringify(second)).not.toContain("stolen phone");
    const contact = { apiAddresses: ["a:1"], linkAddresses: [], enrolmentAddresses: [] };
    const { nodeId, name } = operator;
    await authority.coordinators.announce({ nodeId, name, ...contact, storeAddresses: ["s:1"] });
    const third = await authority.peers.ownBundle();
    expect(third.coordinators).toEqual([{ nodeId, name, ...contact }]);
    expect(third.sequence).toBeGreaterThan(second.sequence);
    clock.advance(DAY_MS);
    const fourth = await authority.peers.ownBundle();
    expect(fourth.sequence).toBeGreaterThan(third.sequence);
    // A coordinator that was restored from an older backup does not fall behind.
    expect(fourth.sequence).toBe(clock.nowMs());
    expect(await (await alice.reopen()).peers.ownBundle()).toEqual(fourth);
  });
});

describe("a peer", () => {
  it("whose operator revoked a key is believed for the others alone", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    await befriend(alice, bob);
    const stolen = alice.authority.principal([await bob.issue("node", "stolen")]);
    const other = alice.authority.principal([await bob.issue("node", "other")]);
    const { trustDomain, nodeId, spiffeId } = stolen;
    const entries = [{ nodeId, spiffeId, reason: "", atMs: 1 }];
    const list = { trustDomain, epoch: 9, issuedAtMs: 1, entries };
    const revocations = signRevocationList(list, bob.ca.privateKeyPem);
    const bundle = await bundleOf(bob, { sequence: Number.MAX_SAFE_INTEGER, revocations });
    const changes: PeerChanged[] = [];
    alice.authority.peers.onChange((change) => changes.push(change));
    await alice.authority.peers.refresh(trustDomain, bundle);
    expect(() => alice.authority.check(stolen)).toThrow(code("MESH_CERT_REVOKED"));
    alice.authority.check(other);
    expect(changes).toHaveLength(1);
    expect(changes[0]?.before?.revocations.epoch).toBe(0);
  });

  it("that is removed is nobody at once, is told later, and may come back", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    await befriend(alice, bob);
    const der = await bob.issue("coordinator", "bob-hub");
    const principal = alice.authority.principal([der]);
    const other = await alice.reopen();
    expect(other.principal([der]).kind).toBe("foreign");
    const { peers } = alice.authority;
    const seen: boolean[] = [];
    peers.onChange(({ after }) => seen.push(after === undefined));
    const before = peers.trustList();
    expect((await peers.remove({ principal: alice.operator }, "bob")).alias).toBe("bob");
    expect(seen).toEqual([true]);
    expect(() => alice.authority.check(principal)).toThrow(code("MESH_CERT_UNTRUSTED"));
    expect(() => alice.authority.principal([der])).toThrow(code("MESH_CERT_UNTRUSTED"));
    expect(peers.caCertificatesPem()).toEqual([]);
    expect(peers.trustList().peers).toEqual([]);
    expect(peers.trustList().sequence).toBeGreaterThan(before.sequence);
    // The other coordinator of the member sees it too.
    await expect.poll(() => other.peers.list(), { timeout: 10_000 }).toEqual([]);
    expect(() => other.principal([der])).toThrow(code("MESH_CERT_UNTRUSTED"));
    expect(peers.farewells().map(({ trustDomain }) => trustDomain)).toEqual(["garage.bob"]);
    await expect(peers.remove({ principal: alice.operator }, "bob")).rejects.toThrow(
      code("MESH_PEER_UNKNOWN"),
    );
    await bob.authority.peers.remove({ principal: bob.operator }, "alice");
    await befriend(alice, bob);
    expect(peers.farewells()).toEqual([]);
    expect(alice.authority.principal([der]).kind).toBe("foreign");
  });

  it("ends the peering by its coordinator alone, and for itself alone", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    const carol = await member(alice, "carol", "office.carol");
    await befriend(alice, bob);
    await befriend(alice, carol);
    const { authority } = alice;
    for (const [kind, name] of [
      ["node", "one"],
      ["person", "b@garage.bob"],
    ] as const) {
      const principal = authority.principal([await bob.issue(kind, name)]);
      await expect(authority.peers.removedBy(principal)).rejects.toThrow(code("MESH_FORBIDDEN"));
    }
    await expect(authority.peers.removedBy(alice.operator)).rejects.toThrow(code("MESH_FORBIDDEN"));
    await authority.peers.removedBy(authority.principal([await bob.issue("coordinator", "hub")]));
    expect(authority.peers.list().map(({ alias }) => alias)).toEqual(["carol"]);
    expect(authority.peers.farewells()).toEqual([]);
  });

  it("is in the list that storage nodes verify", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    await befriend(alice, bob);
    const list: unknown = JSON.parse(JSON.stringify(alice.authority.peers.trustList()));
    const { trustBundle } = alice.authority;
    const { peers } = verifyPeerTrustList(list, trustBundle);
    expect(peers.map(({ trustDomain }) => trustDomain)).toEqual(["garage.bob"]);
    expect(() => verifyPeerTrustList(list, bob.authority.trustBundle)).toThrow(
      code("MESH_CERT_UNTRUSTED"),
    );
    const changed = { ...(list as object), sequence: Number.MAX_SAFE_INTEGER };
    expect(() => verifyPeerTrustList(changed, trustBundle)).toThrow(code("MESH_CERT_UNTRUSTED"));
  });

  it("that says too much keeps nobody else from the list of storage nodes", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    await befriend(alice, bob);
    const { peers } = alice.authority;
    const known = peers.get("garage.bob" as TrustDomain)!;
    for (let i = 0; i < 20; i++) {
      const trustDomain = `loud${i}.example`;
      const loud = { ...known, trustDomain, alias: `loud${i}` };
      const entries = Array.from({ length: limits.REVOCATIONS_MAX }, (_, at) => ({
        nodeId: `${at}-${i}`.padStart(52, "a"),
      }));
      const record = { ...loud, revocations: { ...known.revocations, entries } };
      const value = Buffer.from(JSON.stringify(record));
      const key = `authority/peer/${trustDomain}`;
      await alice.store.transact({ success: [{ type: "put", key, value }] });
    }
    const again = await alice.reopen();
    expect(again.peers.list()).toHaveLength(21);
    const list = again.peers.trustList();
    expect(list.peers[0]?.trustDomain).toBe("garage.bob");
    expect(list.peers.length).toBeLessThan(21);
    expect(JSON.stringify(list).length).toBeLessThan(limits.PEER_TRUST_BYTES_MAX + 1024);
  });

  it("has a place among 64 at most", async () => {
    const alice = await authorityFixture();
    const record = { v: 1, alias: "x", caCertificatesPem: [] };
    for (let i = 0; i < limits.PEERS_MAX; i++) {
      const value = Buffer.from(
        JSON.stringify({ ...record, alias: `p${i}`, trustDomain: `p${i}.x` }),
      );
      await alice.store.transact({
        success: [{ type: "put", key: `authority/peer/p${i}.x`, value }],
      });
    }
    const full = { ...alice, authority: await alice.reopen() };
    const bob = await member(alice);
    await expect(befriend(full, bob)).rejects.toThrow(code("MESH_LIMIT"));
  });
});
