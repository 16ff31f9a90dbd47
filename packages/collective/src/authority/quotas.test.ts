/** To whom an offer counts. */
import type { TrustDomain } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { authorityFixture, DAY_MS } from "./testing/authority-fixture.js";
import { befriend, member } from "./testing/other-member.js";

const GARAGE = "garage.bob" as TrustDomain;

describe("an offer", () => {
  it("counts for the peer it was made to, and not for a later one of the same domain", async () => {
    const alice = await authorityFixture();
    const { authority, operator, clock } = alice;
    await befriend(alice, await member(alice));
    clock.advance(DAY_MS);
    await authority.quotas.offer(operator, GARAGE, 1000);
    await authority.peers.remove({ principal: operator }, "bob");
    // What the peer keeps here is still its own, as long as nobody else has its name.
    expect(authority.quotas.get(GARAGE)).toMatchObject({ bytes: 1000 });
    clock.advance(DAY_MS);
    await befriend(alice, await member(alice, "mallory", GARAGE));
    expect(authority.quotas.get(GARAGE)).toBeUndefined();
    expect(authority.quotas.list()).toMatchObject([{ withdrawnAtMs: clock.nowMs() }]);
    clock.advance(-2 * DAY_MS);
    await authority.quotas.offer(operator, GARAGE, 2000);
    expect(authority.quotas.get(GARAGE)).toMatchObject({ bytes: 2000 });
    expect(authority.quotas.list()[0]?.withdrawnAtMs).toBeUndefined();
  });
});
