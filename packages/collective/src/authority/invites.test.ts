import { limits } from "@hearthmesh/core";
import { parseGrant } from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import { authorityFixture, DAY_MS } from "./testing/authority-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("making invites", () => {
  it("refuses what makes no sense, each with a sentence", async () => {
    const { authority, operator } = await authorityFixture();
    const good = {
      kind: "person" as const,
      grants: [parseGrant("/shared:read")],
      validityMs: DAY_MS,
      endpoints: [{ host: "a", port: 1 }],
    };
    const bad = [
      { ...good, maxUses: 0 },
      { ...good, maxUses: 1.5 },
      { ...good, maxUses: limits.INVITE_USES_MAX + 1 },
      { ...good, validityMs: 0 },
      { ...good, validityMs: limits.INVITE_VALIDITY_MS_MAX + 1 },
      { ...good, grants: [] },
      { ...good, grants: [parseGrant("!/shared:read")] },
      { ...good, grants: Array(65).fill(parseGrant("/a:r")) },
      { ...good, roles: ["storage" as const] },
      { ...good, nodeName: "one" },
      { ...good, description: "two\nlines" },
      { ...good, description: "x".repeat(300) },
      { ...good, endpoints: [{ host: "a b", port: 1 }] },
      { ...good, endpoints: Array(9).fill({ host: "a", port: 1 }) },
      { ...good, kind: "coordinator" as "node" },
      { ...good, kind: "node" as const },
      { ...good, kind: "node" as const, grants: [], roles: ["coordinator" as const] },
      { ...good, kind: "node" as const, grants: [], nodeName: "a", maxUses: 2 },
      { ...good, kind: "node" as const, grants: [], nodeName: "A B" },
    ];
    for (const request of bad) {
      await expect(authority.createInvite(operator, request)).rejects.toThrow(
        code("MESH_BAD_REQUEST"),
      );
    }
    await expect(
      authority.createInvite(operator, {
        ...good,
        grants: [{ path: "/a/../b", rights: ["read"], effect: "allow" }],
      }),
    ).rejects.toThrow(code("MESH_PATH_INVALID"));
    expect(await authority.listInvites()).toEqual([]);
  });

  it("has a limit of open invites, which revoking makes room in", async () => {
    const { authority, operator, store, invitePerson } = await authorityFixture();
    const first = await invitePerson(["/a:r"]);
    // Copies of the record, as if made one by one.
    const { value } = (await store.get(`authority/invite/${first.record.id}`)) ?? {};
    for (let i = 1; i < limits.INVITES_OPEN_MAX; i++) {
      const id = first.record.id.slice(0, 6) + i.toString().padStart(4, "0");
      const copy = Buffer.from(value ?? []).toString();
      const record = Buffer.from(copy.replaceAll(first.record.id, id));
      const key = `authority/invite/${id}`;
      await store.transact({ success: [{ type: "put", key, value: record }] });
    }
    await expect(invitePerson(["/a:r"])).rejects.toThrow(code("MESH_LIMIT"));
    await authority.revokeInvite(operator, first.text);
    await invitePerson(["/a:r"]);
  });

  it("lists newest first, revokes by id, code or link, and knows no others", async () => {
    const { authority, operator, invitePerson, clock } = await authorityFixture();
    const first = await invitePerson(["/a:r"]);
    clock.advance(1);
    const second = await invitePerson(["/b:r"]);
    const ids = (await authority.listInvites(operator)).map(({ id }) => id);
    expect(ids).toEqual([second.record.id, first.record.id]);
    const revoked = await authority.revokeInvite(operator, first.record.id);
    expect(revoked.revokedAtMs).toBe(clock.nowMs());
    clock.advance(1);
    expect(await authority.revokeInvite(operator, first.link)).toEqual(revoked);
    await expect(authority.revokeInvite(operator, "aaaaaaaaaa")).rejects.toThrow(
      code("MESH_INVITE_UNKNOWN"),
    );
    await expect(authority.revokeInvite(operator, "hm1-what")).rejects.toThrow(
      code("MESH_INVITE_INVALID"),
    );
  });
});

describe("invites by people", () => {
  it("give on what the person may share, for a while, and fall with it", async () => {
    const fixture = await authorityFixture();
    const { authority, operator, invitePerson, join, clock } = fixture;
    const dave = await join(await invitePerson(["/shared:read+write+share", "/media:r"]), "dave");
    const by = dave.principal;
    const invite = await invitePerson(["/shared/photos:read"], { by });
    const [grant] = invite.record.grants;
    expect(grant?.notAfterMs).toBe(clock.nowMs() + limits.SHARED_GRANT_VALIDITY_MS_MAX);
    const guest = await join(invite, "guest");
    const unused = await invitePerson(["/shared/photos:read"], { by });
    authority.authorize(guest.principal, "/shared/photos/a", "read");
    expect((await authority.listInvites(by)).length).toBe(2);
    const told: string[] = [];
    authority.onRevoked((entry) => told.push(entry.nodeId));
    await authority.revoke(operator, dave.principal.name, "quarrel");
    expect(told.sort()).toEqual([dave.key.nodeId, guest.key.nodeId].sort());
    expect(() => authority.check(guest.principal)).toThrow(code("MESH_CERT_REVOKED"));
    await expect(join(unused, "late")).rejects.toThrow(code("MESH_INVITE_REVOKED"));
  });

  it("give nothing more than that", async () => {
    const { authority, invitePerson, inviteNode, join } = await authorityFixture();
    const dave = await join(
      await invitePerson(["/shared:read+share", "!/shared/private:share", "/media:read"]),
      "dave",
    );
    const by = dave.principal;
    const forbidden = [
      ["/shared:write"],
      ["/media:read"],
      ["/:read"],
      ["/shared:read+share"],
      ["/shared:read"],
      ["/shared/private/diary:read"],
      ["/shared/photos:read", "/secret:read"],
    ];
    for (const grants of forbidden) {
      await expect(invitePerson(grants, { by })).rejects.toThrow(code("MESH_FORBIDDEN"));
    }
    await expect(inviteNode({ by })).rejects.toThrow(code("MESH_FORBIDDEN"));
    await invitePerson(["/shared:read", "!/shared/private:read"], { by });
    const other = await join(await invitePerson(["/:read"]), "eve");
    const [made] = await authority.listInvites(by);
    await expect(authority.revokeInvite(other.principal, made?.id ?? "")).rejects.toThrow(
      code("MESH_INVITE_UNKNOWN"),
    );
  });

  it("end no later than the person's own grant", async () => {
    const { invitePerson, join, clock } = await authorityFixture();
    const end = clock.nowMs() + 5 * DAY_MS;
    const until = new Date(end).toISOString();
    const dave = await join(await invitePerson([`/shared:read+share until ${until}`]), "dave");
    const invite = await invitePerson(["/shared:read"], { by: dave.principal });
    expect(invite.record.grants[0]?.notAfterMs).toBe(end);
  });
});
