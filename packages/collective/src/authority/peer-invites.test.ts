/** Codes for peers: who may redeem one, and how often. */
import { describe, expect, it } from "vitest";
import { authorityFixture, DAY_MS } from "./testing/authority-fixture.js";
import { befriend, forgeRedemption, invite, member } from "./testing/other-member.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("a code", () => {
  it("is for one CA: again for the same, used up for a thief, gone when the peer is", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    const carol = await member(alice, "carol", "office.carol");
    const { peers } = alice.authority;
    const peeringCode = await invite(alice);
    const redemption = await bob.authority.peers.redemptionOf(peeringCode, undefined);
    const stolen = await carol.authority.peers.redemptionOf(peeringCode, undefined);
    expect((await peers.redeem(redemption)).alias).toBe("bob");
    expect((await peers.redeem(redemption)).alias).toBe("bob");
    await expect(peers.redeem(stolen)).rejects.toThrow(code("MESH_INVITE_USED"));
    expect(peers.list()).toHaveLength(1);
    await peers.remove({ principal: alice.operator }, "bob");
    await expect(peers.redeem(redemption)).rejects.toThrow(code("MESH_INVITE_USED"));
  });

  it("of many at once serves one", async () => {
    const alice = await authorityFixture();
    const names = ["bob", "carol", "dave", "eve"];
    const others = await Promise.all(names.map((name) => member(alice, name, `home.${name}`)));
    const peeringCode = await invite(alice);
    const all = await Promise.allSettled(
      others.map(async ({ authority }) =>
        alice.authority.peers.redeem(await authority.peers.redemptionOf(peeringCode, undefined)),
      ),
    );
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(alice.authority.peers.list()).toHaveLength(1);
  });

  it("is refused with a wrong secret, after its end, when revoked, unproven", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    const eve = await member(alice, "eve", "home.eve");
    const { peers } = alice.authority;
    const peeringCode = await invite(alice);
    const redemption = await bob.authority.peers.redemptionOf(peeringCode, undefined);
    const unknown = code("MESH_INVITE_UNKNOWN");
    await expect(peers.redeem({ ...redemption, secret: "a".repeat(32) })).rejects.toThrow(unknown);
    const unproven = code("MESH_BUNDLE_INVALID");
    for (const proof of ["", "x", "A".repeat(86).concat("==")]) {
      await expect(peers.redeem({ ...redemption, proof })).rejects.toThrow(unproven);
    }
    // Whoever holds a bundle of Bob, which every peer of Bob does, is not Bob.
    const borrowed = forgeRedemption(peeringCode, redemption.bundle as object, eve.ca);
    await expect(peers.redeem(borrowed)).rejects.toThrow(unproven);
    const other = await invite(alice);
    await expect(peers.redeem({ ...redemption, inviteId: other.id })).rejects.toThrow(unproven);
    await peers.revokeInvite({ principal: alice.operator }, peeringCode.id);
    await expect(peers.redeem(redemption)).rejects.toThrow(code("MESH_INVITE_REVOKED"));
    alice.clock.advance(DAY_MS + 1);
    const late = await bob.authority.peers.redemptionOf(other, undefined);
    await expect(peers.redeem(late)).rejects.toThrow(code("MESH_INVITE_EXPIRED"));
    expect(peers.list()).toEqual([]);
  });

  it("of the member itself, and names that are taken, are refused before it is sent", async () => {
    const alice = await authorityFixture();
    const bob = await member(alice);
    const own = await invite(alice);
    const { peers } = alice.authority;
    await expect(peers.redemptionOf(own, "other")).rejects.toThrow(code("MESH_BAD_REQUEST"));
    await befriend(alice, bob);
    const again = await invite(alice);
    await expect(bob.authority.peers.redemptionOf(again, undefined)).rejects.toThrow(
      code("MESH_PEER_EXISTS"),
    );
    for (const alias of ["bob", "../x", "a/b", "", "home.alice"]) {
      await expect(bob.authority.peers.redemptionOf(again, alias), alias).rejects.toThrow(
        code("MESH_BAD_REQUEST"),
      );
    }
    const taken = code("MESH_PEER_EXISTS");
    await expect(invite(alice, "bob")).rejects.toThrow(taken);
    await expect(invite(alice, "alice")).rejects.toThrow(code("MESH_BAD_REQUEST"));
  });
});
