/** Two members that are peers by a code, as their operators would do it. */
import { parsePeering } from "@hearthmesh/identity";
import { type AuthorityFixture, DAY_MS } from "./authority-fixture.js";

/** `host` makes a code and `guest` redeems it; each has the other's bundle afterwards. */
export async function makePeers(host: AuthorityFixture, guest: AuthorityFixture): Promise<void> {
  const endpoints = [{ host: "host.example", port: 9001 }];
  const made = await host.authority.peers.createInvite(
    { principal: host.operator },
    { validityMs: DAY_MS, endpoints },
  );
  const code = parsePeering(made.text);
  const redemption = await guest.authority.peers.redemptionOf(code, undefined);
  await host.authority.peers.redeem(redemption);
  const bundle = await host.authority.peers.ownBundle();
  await guest.authority.peers.accept({ principal: guest.operator }, code, {
    bundle,
    alias: undefined,
  });
}
