import { silentLogger, type TrustDomain } from "@hearthmesh/core";
import { createMemberCa } from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import { describe, expect, it } from "vitest";
import { hashOfAudit } from "./audit.js";
import { Authority } from "./authority.js";
import { authorityFixture } from "./testing/authority-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("opening", () => {
  it("refuses a CA that is not the store's, or not the member's", async () => {
    const { store, ca, clock, random } = await authorityFixture();
    const trustDomain = "home.alice" as TrustDomain;
    const common = { store, clock, random, log: silentLogger, memberId: "alice", trustDomain };
    const other = await createMemberCa({ ...common });
    const invalid = code("MESH_CONFIG_INVALID");
    await expect(Authority.open({ ...common, ca: other })).rejects.toThrow(invalid);
    await expect(Authority.open({ ...common, ca, memberId: "bob" })).rejects.toThrow(invalid);
    const mixed = { certificatePem: ca.certificatePem, privateKeyPem: other.privateKeyPem };
    await expect(Authority.open({ ...common, ca: mixed })).rejects.toThrow(invalid);
  });

  it("keeps the coordinator's name for its key", async () => {
    const { authority, operator } = await authorityFixture();
    expect(operator).toMatchObject({ kind: "coordinator", name: "alice-hub" });
    authority.authorize(operator, "/anything", "delete");
    expect(authority.grantsOf(operator)).toEqual([
      { path: "/", rights: ["read", "write", "delete", "share"], effect: "allow" },
    ]);
  });
});

describe("the audit trail", () => {
  it("has one record for each change, chained, without secrets", async () => {
    const { authority, operator, invitePerson, join } = await authorityFixture();
    const invite = await invitePerson(["/shared:rw"]);
    await join(invite, "one");
    await authority.revoke(operator, "one@home.alice", "over");
    const { records, more } = await authority.auditTrail();
    expect(more).toBe(false);
    expect(records.map(({ action }) => action)).toEqual([
      "authority.create",
      "coordinator.enrol",
      "invite.create",
      "identity.enrol",
      "identity.revoke",
    ]);
    expect(records.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(records[4]?.previousHash).toBe(hashOfAudit(records[3]!));
    expect(JSON.stringify(records)).not.toContain(invite.code.secret);
    const page = await authority.auditTrail({ after: 3, limit: 1 });
    expect([page.records[0]?.sequence, page.more]).toEqual([4, true]);
  });

  it("shows a record that was changed afterwards", async () => {
    const { authority, store, invitePerson } = await authorityFixture();
    await invitePerson(["/shared:rw"]);
    const key = "audit/0000000000000002";
    const text = Buffer.from((await store.get(key))!.value).toString();
    const value = Buffer.from(text.replace("alice-hub", "mallory-x"));
    await store.transact({ success: [{ type: "put", key, value }] });
    await expect(authority.auditTrail()).rejects.toThrow(code("MESH_STORE_CORRUPT"));
  });
});

describe("other writers of the same store", () => {
  it("make a change decide anew, and in the end give up with a typed error", async () => {
    let refusals = 0;
    const { invitePerson } = await authorityFixture((store) => flaky(store, () => refusals-- > 0));
    refusals = 3;
    await invitePerson(["/a:r"]);
    refusals = Number.POSITIVE_INFINITY;
    await expect(invitePerson(["/a:r"])).rejects.toThrow(code("MESH_STORE_BUSY"));
  });

  it("leave everything as it was when the store fails", async () => {
    let failing = false;
    const fixture = await authorityFixture((store) =>
      flaky(store, () => {
        if (failing) throw new Error("disk on fire");
        return false;
      }),
    );
    const invite = await fixture.invitePerson(["/a:r"]);
    failing = true;
    await expect(fixture.join(invite, "one")).rejects.toThrow("disk on fire");
    failing = false;
    expect(fixture.authority.listIdentities()).toHaveLength(1);
    await fixture.join(invite, "one");
  });

  it("may give short pages: everything is read all the same", async () => {
    const fixture = await authorityFixture((store) => shortPages(store));
    for (const name of ["a", "b", "c", "d", "e"]) {
      await fixture.join(await fixture.invitePerson(["/a:r"]), name);
    }
    expect(await fixture.authority.listInvites()).toHaveLength(5);
    const reopened = await fixture.reopen();
    expect(reopened.listIdentities()).toHaveLength(6);
    await reopened.close();
  });

  it("let two coordinators redeem one invite only once", async () => {
    const fixture = await authorityFixture();
    const other = await fixture.reopen();
    const invite = await fixture.invitePerson(["/a:r"]);
    const elsewhere = { ...invite, code: invite.code };
    const { generateKeyPair, createCertificateRequest } = await import("@hearthmesh/identity");
    const csrPem = await createCertificateRequest(generateKeyPair());
    const { id: inviteId, secret } = elsewhere.code;
    const outcomes = await Promise.allSettled([
      fixture.join(invite, "one"),
      other.enrol({ inviteId, secret, csrPem, kind: "person", name: "two" }),
    ]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await other.close();
  });
});

/** A store that gives two entries at a time. */
function shortPages(store: Store): Store {
  const range: Store["range"] = (keys, options) => store.range(keys, { ...options, limit: 2 });
  return replaceMethod(store, "range", range);
}

/** A store whose transactions fail to compare when `refuse` says so. */
function flaky(store: Store, refuse: () => boolean): Store {
  const transact: Store["transact"] = async (transaction) =>
    refuse() ? { succeeded: false, revision: 0, results: [] } : store.transact(transaction);
  return replaceMethod(store, "transact", transact);
}

function replaceMethod<K extends keyof Store>(store: Store, name: K, method: Store[K]): Store {
  return new Proxy(store, {
    get(target, property) {
      if (property === name) return method;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
