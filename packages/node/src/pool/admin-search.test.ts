import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { Authority } from "@hearthmesh/collective";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import {
  createCertificateRequest,
  createMemberCa,
  generateKeyPair,
  poolIdOf,
  poolRootOf,
} from "@hearthmesh/identity";
import { wordsOfNode } from "@hearthmesh/pool/membership";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AdminSearch } from "./admin-search.js";

const clock = systemClock();
const tools = { clock, random: systemRandom(), log: silentLogger };
let authority: Authority;
let server: Server;
let root: string;
let told: string;

beforeEach(async () => {
  const who = { memberId: "alice", trustDomain: "home.alice" };
  const ca = await createMemberCa({ ...who, ...tools });
  root = poolRootOf(ca.certificatePem);
  authority = await Authority.open({ store: memoryStore({ clock }), ca, ...who, ...tools });
  const key = generateKeyPair();
  const csrPem = await createCertificateRequest(key);
  const { certificatePem } = await authority.enrolCoordinator({ csrPem, name: "one" });
  server = createServer(
    { key: key.privateKeyPem, cert: `${certificatePem}${ca.certificatePem}` },
    (request, response) => {
      request.resume();
      response.setHeader("content-type", "application/json");
      const answer = { state: "waiting", words: told, poolName: "lab", networkId: "test" };
      response.end(JSON.stringify(answer));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await authority.close();
});

async function search(waitMs: number, shown: string[], words?: string): Promise<unknown> {
  const keyPair = generateKeyPair();
  told = words ?? wordsOfNode(keyPair.nodeId);
  const poolId = poolIdOf(root, "lab");
  const { port } = server.address() as AddressInfo;
  const csrPem = await createCertificateRequest(keyPair);
  const run = new AdminSearch({
    ...{ poolId, root, name: "two", keyPair, waitMs, beaconPort: undefined },
    request: { poolId, name: "two", csrPem },
    places: [{ host: "127.0.0.1", port }],
    onWords: (text) => shown.push(text),
    ...tools,
  }).run(new AbortController().signal);
  return run.then(
    () => "joined",
    (error: unknown) => error,
  );
}

describe("a newcomer that waits for the admin", () => {
  it("shows the words of its own key, and none of another one", async () => {
    const shown: string[] = [];
    expect(await search(200, shown)).toMatchObject({ code: "MESH_POOL_PENDING" });
    expect(shown).toEqual([told]);
    const other = wordsOfNode(generateKeyPair().nodeId);
    expect(await search(200, shown, other)).toMatchObject({ code: "MESH_PIN_MISMATCH" });
    expect(shown).not.toContain(other);
  });
});
