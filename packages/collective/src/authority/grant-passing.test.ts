/** What a person passes on, by invite or by the book, follows what that person has. */
import { type Principal, parseGrant } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AuthorityFixture, authorityFixture, DAY_MS } from "./testing/authority-fixture.js";

let alice: AuthorityFixture;
let giver: Principal;
let dave: Principal;

beforeEach(async () => {
  alice = await authorityFixture();
  giver = await person("giver@home.alice", "/own:read");
  dave = await person("dave@home.alice", "/dave:read");
});
afterEach(() => alice.authority.close());

async function person(name: string, ...grants: string[]): Promise<Principal> {
  return (await alice.join(await alice.invitePerson(grants), name)).principal;
}

const code = (name: string) => expect.objectContaining({ code: name });

function give(subject: Principal | string, text: string, by = alice.operator) {
  const name = typeof subject === "string" ? subject : subject.name;
  const { grants } = alice.authority;
  return grants.give({ principal: by }, { subject: name, grant: parseGrant(text) });
}

function may(who: Principal, path: string, right: "read" | "write" | "share" = "read"): boolean {
  const evaluated = alice.authority.grants.decide(who, path, right).allowed;
  let authorized = true;
  try {
    alice.authority.authorize(who, path, right);
  } catch {
    authorized = false;
  }
  expect(authorized).toBe(evaluated);
  return authorized;
}

describe("a person with the right to share", () => {
  it("gives what it has there, for a bounded time, to one person by name", async () => {
    await give(giver, "/team:read+write+share");
    const record = await give(dave, "/team/a:read", giver);
    expect(record.grant.notAfterMs).toBe(alice.clock.nowMs() + 90 * DAY_MS);
    expect(record.givenBy).toBe(giver.nodeId);
    expect([may(dave, "/team/a/x"), may(dave, "/team/b")]).toEqual([true, false]);
    const refused: [string, string][] = [
      ["dave@home.alice", "/team:delete"],
      ["dave@home.alice", "/team:read+share"],
      ["dave@home.alice", "/own:read"],
      ["dave@home.alice", "!/team:read"],
      ["*@home.alice", "/team:read"],
      ["*@*", "/team:read"],
    ];
    for (const [subject, text] of refused) {
      await expect(give(subject, text, giver), text).rejects.toEqual(code("MESH_FORBIDDEN"));
    }
    await expect(give("dave@home.alice", "/dave:read", dave)).rejects.toEqual(
      code("MESH_FORBIDDEN"),
    );
  });

  it("sees and takes away what it gave, and no more", async () => {
    await give(giver, "/team:read+share");
    const mine = await give(dave, "/team:read", giver);
    const other = await give(dave, "/other:read");
    const { grants } = alice.authority;
    const ids = (by: Principal) =>
      grants
        .list(by)
        .map(({ id }) => id)
        .sort();
    expect(ids(dave)).toEqual([mine.id, other.id].sort());
    expect(ids(giver)).toContain(mine.id);
    expect(ids(giver)).not.toContain(other.id);
    for (const by of [giver, dave]) {
      await expect(grants.take({ principal: by }, other.id)).rejects.toEqual(
        code("MESH_GRANT_UNKNOWN"),
      );
    }
    await grants.take({ principal: giver }, mine.id);
    expect(may(dave, "/team")).toBe(false);
  });

  it("cannot pass on what was passed on to it", async () => {
    await give(giver, "/team:read+share");
    await give(dave, "/team:read", giver);
    await give(dave, "/team:share");
    const erin = await person("erin@home.alice", "/erin:read");
    await expect(give(erin, "/team:read", dave)).rejects.toEqual(code("MESH_FORBIDDEN"));
  });
});

describe("what was passed on", () => {
  it("in the book narrows with its giver, and comes back with it", async () => {
    const own = await give(giver, "/team:read+write+share");
    await give(dave, "/team:read+write", giver);
    const { grants } = alice.authority;
    const denied = await give(giver, "!/team/secret:read");
    expect([may(dave, "/team/x"), may(dave, "/team/secret/x")]).toEqual([true, false]);
    expect(alice.authority.deniedBelow(dave, "/team", "read")).toBe(true);
    expect(may(dave, "/team/secret/x", "write")).toBe(true);
    await grants.take({ principal: alice.operator }, denied.id);
    expect(may(dave, "/team/secret/x")).toBe(true);
    const noShare = await give(giver, "!/team:share");
    expect([may(dave, "/team/x"), may(giver, "/team/x")]).toEqual([false, true]);
    await grants.take({ principal: alice.operator }, noShare.id);
    expect(may(dave, "/team/x")).toBe(true);
    await grants.take({ principal: alice.operator }, own.id);
    expect(may(dave, "/team/x")).toBe(false);
  });

  it("leaves alone what the operator gave to the same person", async () => {
    await give(giver, "/team:read+share");
    await give(dave, "/team:read", giver);
    await give(giver, "!/team/secret:read");
    expect(may(dave, "/team/secret")).toBe(false);
    await give(dave, "/team/secret:read");
    expect(may(dave, "/team/secret")).toBe(true);
  });

  it("by invite narrows with its giver, ends with it, and falls with its key", async () => {
    const own = await give(giver, "/team:read+share");
    const invite = await alice.invitePerson(["/team:read"], { by: giver });
    const { principal: guest } = await alice.join(invite, "guest@home.alice");
    expect(may(guest, "/team/x")).toBe(true);
    const denied = await give(giver, "!/team/secret:read");
    expect([may(guest, "/team/x"), may(guest, "/team/secret")]).toEqual([true, false]);
    await alice.authority.grants.take({ principal: alice.operator }, denied.id);
    await alice.authority.grants.take({ principal: alice.operator }, own.id);
    expect(may(guest, "/team/x")).toBe(false);
    await give(giver, "/team:read+share until 2026-11-22");
    expect(may(guest, "/team/x")).toBe(true);
    expect(alice.authority.rightEndsAtMs(guest, "/team/x", "read")).toBe(Date.UTC(2026, 10, 22));
    alice.clock.advance(DAY_MS + 1);
    expect(may(guest, "/team/x")).toBe(false);
    await alice.authority.revoke(alice.operator, giver.name, "gone");
    expect(() => alice.authority.check(guest)).toThrow(/revoked/);
  });

  it("stays its giver's when the operator invites the same key as well", async () => {
    const own = await give(giver, "/team:read+share");
    const first = await alice.invitePerson(["/team:read"], { by: giver });
    const { key, principal: guest } = await alice.join(first, "guest@home.alice");
    await alice.join(await alice.invitePerson(["/mine:read"]), "guest@home.alice", key);
    expect([may(guest, "/team"), may(guest, "/mine")]).toEqual([true, true]);
    await alice.authority.grants.take({ principal: alice.operator }, own.id);
    expect([may(guest, "/team"), may(guest, "/mine")]).toEqual([false, true]);
    await give(giver, "/team:read+share");
    await alice.authority.revoke(alice.operator, giver.name, "gone");
    expect([may(guest, "/team"), may(guest, "/mine")]).toEqual([false, true]);
  });

  it("is told of to whoever must judge anew, for those whom it concerns alone", async () => {
    const own = await give(giver, "/team:read+share");
    await give(dave, "/team:read", giver);
    const erin = await person("erin@home.alice", "/erin:read");
    const concerned: boolean[][] = [];
    alice.authority.onAccessChanged(({ concerns }) => {
      concerned.push([giver, dave, erin].map((who) => concerns(who)));
    });
    await alice.authority.grants.take({ principal: alice.operator }, own.id);
    expect(concerned[0]).toEqual([true, true, false]);
    await alice.authority.revoke(alice.operator, erin.name, "gone");
    expect(concerned.at(-1)?.[2]).toBe(true);
  });
});
