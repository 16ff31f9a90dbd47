/** A member with an HTTP door that is open to other machines, for tests of introductions. */
import { type Clock, systemClock, systemRandom } from "@hearthmesh/core";
import { LoopbackDoor } from "../../../gateway/src/index.js";
import {
  type FixtureOptions,
  type GatewayFixture,
  gatewayFixture,
} from "../../../gateway/src/testing/index.js";
import { NodeProbe } from "../introduction-probe.js";

type Scope = "admin" | "register" | "read" | "services";

export interface Home {
  readonly fixture: GatewayFixture;
  readonly door: LoopbackDoor;
  readonly url: string;
  key(...scopes: Scope[]): Promise<string>;
  close(): Promise<void>;
}

export interface HomeOptions {
  readonly memberId: string;
  /** An empty one of its own, such as `memoryStore`. */
  readonly store: FixtureOptions["store"];
  readonly clock?: Clock;
  readonly port?: number;
  /** Default true. */
  readonly isOpen?: boolean;
}

export async function openHome(options: HomeOptions): Promise<Home> {
  const { memberId, store, clock = systemClock(), port = 0, isOpen = true } = options;
  const random = systemRandom();
  const prober = new NodeProbe({ clock, random });
  const fixture = await gatewayFixture({ store, clock, random, memberId, prober });
  const { services, metrics, credentials, authority } = fixture;
  const host = isOpen ? "0.0.0.0" : "127.0.0.1";
  const door = new LoopbackDoor({ host, port, services, metrics, credentials, isOpen });
  await door.start();
  return {
    fixture,
    door,
    url: `http://127.0.0.1:${door.address?.port}`,
    async key(...scopes) {
      return (await authority.apiKeys.create({ principal: services.operator }, { scopes })).text;
    },
    async close() {
      await door.stop();
      await authority.close();
    },
  };
}
