/** The simulated transport does what every transport has to do. */
import { decodePem } from "@hearthmesh/identity";
import { testAuthority, transportContract } from "@hearthmesh/qwormhole/testing";
import { describe, it } from "vitest";
import { seededRandom } from "./seeded-random.js";
import { virtualClock } from "./virtual-clock.js";
import { VirtualNetwork } from "./virtual-network.js";
import { lanProfile, wanProfile } from "./virtual-path.js";

const HANGS_AFTER_MS = 600_000;
const authority = testAuthority();

for (const [name, profile] of Object.entries({ lan: lanProfile, wan: wanProfile })) {
  let clock = virtualClock({ startMs: 0 });
  transportContract(
    { describe, it },
    {
      name: `simulated, ${name}`,
      hasBinding: true,
      hasCertificates: true,
      open: async () => {
        clock = virtualClock({ startMs: Date.UTC(2030, 0, 1) });
        const random = seededRandom(`contract ${name}`);
        const network = new VirtualNetwork({ clock, random: random.fork("network"), profile });
        const [dialer, listener] = [authority.issue("alpha"), authority.issue("beta")];
        const certificatesOf = (node: typeof dialer) => [
          decodePem("CERTIFICATE", node.credentials.certificatePem),
        ];
        return {
          transport: network.transport("beta", certificatesOf(listener)),
          dialTransport: network.transport("alpha", certificatesOf(dialer)),
          address: { host: "beta", port: 0 },
          nobody: { host: "beta", port: 1 },
          dialerIdentity: dialer.identity,
          listenerIdentity: listener.identity,
          linkOptions: { clock, random: random.fork("links") },
        };
      },
      drive: (work) => clock.runUntilSettled(work(), HANGS_AFTER_MS),
    },
  );
}
