/** Why somebody may or may not: for people here and elsewhere, and for whole domains. */
import type { TrustDomain } from "@hearthmesh/core";
import { parseGrant, type Right } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
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

async function person(name: string, ...grants: string[]) {
  return (await alice.join(await alice.invitePerson(grants), name)).principal;
}

async function give(subject: string, text: string, by = alice.operator): Promise<string> {
  const request = { subject, grant: parseGrant(text) };
  return (await alice.authority.grants.give({ principal: by }, request)).id;
}

const explain = (subject: string, path: string, right: Right = "read") =>
  alice.authority.explain(alice.operator, path, right, subject);

describe("an explanation", () => {
  it("names the grant that decided, the others, and what would change it", async () => {
    await person("carol@office.carol", "/shared:read");
    const wide = await give("*@home.alice", "/shared:write");
    const denied = await give("carol@office.carol", "!/shared/private:write");
    const why = explain("carol@office.carol", "/shared/private/x", "write");
    expect(why).toMatchObject({
      allowed: false,
      reason:
        "carol@office.carol is denied write on /shared/private, which is the nearest that says so",
      decidedBy: {
        id: denied,
        text: "!/shared/private:write",
        verdict: "decides: it takes it away",
      },
      others: [
        { id: wide, subject: "*@home.alice", verdict: "does not count: /shared/private is nearer" },
        { origin: "invite", text: "/shared:read", verdict: "says nothing about write" },
      ],
      advice: [`To allow it: mesh grant remove ${denied}`],
    });
    const allowed = explain("carol@office.carol", "/shared", "write");
    expect(allowed).toMatchObject({ allowed: true, decidedBy: { id: wide } });
    expect(allowed.notes.join()).toMatch(/On a part below it write is taken away/);
    expect(allowed.advice).toEqual([
      `To take it away: mesh grant remove ${wide}`,
      'To deny it here: mesh grant add carol@office.carol "/shared:write" --deny',
    ]);
  });

  it("says what is missing, what has ended, and what may be seen all the same", async () => {
    await person("carol@office.carol", "/shared/photos:read");
    expect(explain("carol@office.carol", "/shared")).toMatchObject({
      allowed: false,
      reason: "no grant gives carol@office.carol read on /shared",
      notes: ["The directory itself may be seen: it leads to something granted."],
      advice: ['To allow it: mesh grant add carol@office.carol "/shared:read"'],
    });
    await give("carol@office.carol", "/media:read until 2026-11-22");
    const end = explain("carol@office.carol", "/media");
    expect(end).toMatchObject({ allowed: true, notAfterMs: Date.UTC(2026, 10, 22) });
    alice.clock.advance(2 * DAY_MS);
    const why = explain("carol@office.carol", "/media");
    expect(why.reason).toMatch(/; one has ended$/);
    expect(why.others[0]?.verdict).toBe("has ended on 2026-11-22T00:00:00.000Z");
  });

  it("of what was passed on names the giver, and that it lost it", async () => {
    const giver = await person("giver@home.alice", "/own:read");
    await person("dave@home.alice", "/dave:read");
    const own = await give(giver.name, "/team:read+share");
    await give("dave@home.alice", "/team:read", giver);
    expect(explain("dave@home.alice", "/team")).toMatchObject({
      allowed: true,
      decidedBy: { givenBy: "giver@home.alice" },
    });
    await alice.authority.grants.take({ principal: alice.operator }, own);
    const why = explain("dave@home.alice", "/team");
    expect(why.reason).toMatch(/passed on by somebody who does not have it any more/);
    expect(why.others[0]).toMatchObject({ givenBy: "giver@home.alice" });
  });
});

describe("who is asked about", () => {
  it("may be revoked, unknown, or invited by somebody who was revoked", async () => {
    const sharer = await person("giver@home.alice", "/team:read+share");
    const invite = await alice.invitePerson(["/team:read"], { by: sharer });
    await alice.join(invite, "guest@home.alice");
    await alice.authority.revoke(alice.operator, sharer.name, "left");
    for (const [name, reason] of [
      ["giver@home.alice", /was revoked on 2026-11-21/],
      ["guest@home.alice", /was let in by somebody who was revoked/],
      ["nobody@home.alice", /nobody called nobody@home.alice is enrolled here/],
      ["carol@office.carol", /office.carol is no peer/],
      ["*@office.carol", /office.carol is no peer/],
    ] as const) {
      const why = explain(name, "/team");
      expect([name, why.allowed]).toEqual([name, false]);
      expect(why.reason).toMatch(reason);
      expect(why.advice).toHaveLength(1);
    }
  });

  it("may be somebody of a peer, its operator, a domain or everybody", async () => {
    const named = await give("bob@garage.bob", "/a:read");
    const domain = await give("*@garage.bob", "/b:read");
    const operator = await give("operator@garage.bob", "/c:read");
    const all = await give("*@*", "/d:read");
    const decides = (subject: string) =>
      ["/a", "/b", "/c", "/d"].map((path) => explain(subject, path).decidedBy?.id);
    expect(decides("bob@garage.bob")).toEqual([named, domain, undefined, all]);
    expect(decides("spiffe://garage.bob/person/bob@garage.bob")[0]).toBe(named);
    expect(decides("operator@garage.bob")).toEqual([undefined, domain, operator, all]);
    expect(decides("*@garage.bob")).toEqual([undefined, domain, undefined, all]);
    expect(decides("*@*")).toEqual([undefined, undefined, undefined, all]);
    expect(decides("*@home.alice")).toEqual([undefined, undefined, undefined, all]);
    expect(explain("operator@home.alice", "/x").reason).toMatch(/is the operator of this member/);
    await alice.authority.peers.remove({ principal: alice.operator }, "bob");
    expect(explain("bob@garage.bob", "/a")).toMatchObject({
      allowed: false,
      reason: "garage.bob is no peer: nobody with its certificates gets in",
      others: [
        { id: named, verdict: "does not count: it was made for an earlier peer of this name" },
      ],
    });
  });

  it("must be one of two that have the same name", async () => {
    await give("bob@garage.bob", "/a:read");
    const impostor = await person("bob@garage.bob", "/b:read");
    expect(() => explain("bob@garage.bob", "/a")).toThrow(/one of the peer garage.bob/);
    expect(explain(impostor.nodeId, "/a").allowed).toBe(false);
    expect(explain("spiffe://garage.bob/person/bob@garage.bob", "/a").allowed).toBe(true);
    // About itself somebody asks without saying which.
    expect(alice.authority.explain(impostor, "/b", "read", "bob@garage.bob").allowed).toBe(true);
  });

  it("has nothing to say of a path of a peer, and keys are a realm of their own", async () => {
    await person("carol@office.carol", "/:all");
    expect(explain("carol@office.carol", "/@bob/garage").reason).toMatch(/belongs to the peer bob/);
    expect(explain("carol@office.carol", "/kv/app").notes.join()).toMatch(/only grants on \/kv/);
    expect(() => explain("carol@office.carol", "/a/../b")).toThrow(/not a path in its plain form/);
  });
});
