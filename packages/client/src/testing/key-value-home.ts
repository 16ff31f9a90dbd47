/**
 * A member with two coordinators over one store, for tests: real doors, real key-value services,
 * real certificates. What is in process is the store alone.
 */
import { KeyValueService, type KeyValueServiceOptions } from "@hearthmesh/collective";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import type { CoordinatorView } from "@hearthmesh/gateway/contracts";
import {
  createCertificateRequest,
  generateKeyPair,
  type KeyPairPem,
  parseGrant,
} from "@hearthmesh/identity";
import { ApiDoor, type GatewayServices, LoopbackDoor } from "../../../gateway/src/index.js";
import { type GatewayFixture, gatewayFixture } from "../../../gateway/src/testing/index.js";
import { ApiClient, type Credentials } from "../api-client.js";
import { CoordinatorFinder } from "../coordinator-finder.js";

export interface KeyValueHome {
  readonly fixture: GatewayFixture;
  /** Of a loopback door, for the operator. */
  readonly url: string;
  /** Stops the API door of a coordinator, as when its machine is switched off. */
  stop(at: 0 | 1): Promise<void>;
  /** Starts it again at the same address. */
  start(at: 0 | 1): Promise<void>;
  /** Of a person with a new key, or with this one. */
  credentialsOf(name: string, grants: readonly string[], keys?: KeyPairPem): Promise<Credentials>;
  /** Knows the first coordinator, and no other. */
  finder(keep?: ConstructorParameters<typeof CoordinatorFinder>[2]): CoordinatorFinder;
  /** A client of the operator, by the loopback door. */
  operator(): ApiClient;
  close(): Promise<void>;
}

const HOST = "127.0.0.1";

/** `store`: an empty one of its own, such as `memoryStore`; it is closed at the end. */
export async function keyValueHome(store: KeyValueServiceOptions["store"]): Promise<KeyValueHome> {
  const [clock, random] = [systemClock(), systemRandom()];
  const fixture = await gatewayFixture({ store, clock, random });
  const { authority, metrics, credentials } = fixture;
  const newService = () =>
    new KeyValueService({ store, policy: authority, clock, log: silentLogger });
  /** Of the two coordinators, and of the loopback door, which nothing stops. */
  const keyValues = [newService(), newService(), newService()];
  const ports = [0, 0];
  const views = (): CoordinatorView[] =>
    ports.map((port, at) => ({
      nodeId: at === 0 ? fixture.services.operator.nodeId : "b".repeat(52),
      name: `coordinator-${at}`,
      isLeader: at === 0,
      apiAddresses: [`${HOST}:${port}`],
      linkAddresses: [],
      enrolmentAddresses: [],
    }));
  const servicesOf = (at: number): GatewayServices => ({
    ...fixture.services,
    keyValue: keyValues[at],
    coordinators: async () => views(),
  });
  const openDoor = async (at: number) => {
    const address = { host: HOST, port: ports[at] ?? 0 };
    const door = new ApiDoor({ ...address, services: servicesOf(at), credentials, metrics });
    await door.start();
    ports[at] = door.address?.port ?? 0;
    return door;
  };
  const doors = [await openDoor(0), await openDoor(1)];
  const loopback = { host: HOST, port: 0, services: servicesOf(2), metrics };
  const local = new LoopbackDoor(loopback);
  await local.start();
  const url = `http://${HOST}:${local.address?.port}`;
  const clients: ApiClient[] = [];
  return {
    fixture,
    url,
    async stop(at) {
      keyValues[at]?.close();
      await doors[at]?.stop();
    },
    async start(at) {
      keyValues[at] = newService();
      doors[at] = await openDoor(at);
    },
    async credentialsOf(name, grants, keys = generateKeyPair()) {
      const invite = await authority.createInvite(fixture.services.operator, {
        kind: "person",
        grants: grants.map(parseGrant),
        validityMs: 60_000,
        endpoints: [],
      });
      const { id: inviteId, secret } = invite.code;
      const csrPem = await createCertificateRequest(keys);
      const enrolled = await authority.enrol({ inviteId, secret, csrPem, kind: "person", name });
      const { certificatePem, caCertificatePem } = enrolled;
      return { keyPem: keys.privateKeyPem, certificatePem, caCertificatePem };
    },
    finder(keep) {
      const [first] = views();
      if (first === undefined) throw new Error("there is no coordinator");
      const { nodeId } = fixture.services.operator;
      return new CoordinatorFinder({ ...first, nodeId }, undefined, keep);
    },
    operator() {
      const api = new ApiClient({ loopbackUrl: url, clock, random });
      clients.push(api);
      return api;
    },
    async close() {
      for (const client of clients) client.close();
      for (const service of keyValues) service.close();
      await Promise.all([local.stop(), ...doors.map((door) => door.stop())]);
      await authority.close();
      await store.close();
    },
  };
}
