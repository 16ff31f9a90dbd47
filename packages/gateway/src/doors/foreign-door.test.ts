/** The API door when people and machines of peers come: what they reach, and when they are cut. */
import { createHash } from "node:crypto";
import { Agent, request as httpsRequest } from "node:https";
import { type Random, systemClock, systemRandom, type TrustDomain } from "@hearthmesh/core";
import {
  createMemberCa,
  decodePem,
  generateKeyPair,
  issueCertificate,
  parsePeering,
  publicKeyDerOf,
} from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ENDPOINTS, type Endpoint } from "../contracts/index.js";
import { apiRoutes } from "../routes/api-routes.js";
import type { DoorCredentials } from "../services.js";
import { type GatewayFixture, gatewayFixture } from "../testing/index.js";
import { ApiDoor } from "./api-door.js";

const random = systemRandom();
const clock = systemClock();
let alice: GatewayFixture;
let bob: GatewayFixture;
let carol: GatewayFixture;
let door: ApiDoor;

beforeEach(async () => {
  const make = (memberId: string) =>
    gatewayFixture({ store: memoryStore({ clock }), clock, random, memberId });
  [alice, bob, carol] = await Promise.all([make("alice"), make("bob"), make("carol")]);
  const { services, metrics, credentials } = alice;
  door = new ApiDoor({ services, metrics, credentials, port: 0, host: "127.0.0.1" });
  await door.start();
});
afterEach(async () => {
  await door.stop();
  await Promise.all([alice, bob, carol].map(({ authority }) => authority.close()));
});

async function befriend(): Promise<void> {
  const by = { principal: alice.services.operator };
  const request = { validityMs: 60_000, endpoints: [] };
  const { text } = await alice.authority.peers.createInvite(by, request);
  const redemption = await bob.authority.peers.redemptionOf(parsePeering(text), undefined);
  await alice.authority.peers.redeem(redemption);
}

interface Answer {
  readonly status: number;
  readonly code: string;
}

/** Bob's key and certificate; Alice's door is checked by Alice's CA. */
function ask(
  { privateKeyPem, certificatePem }: DoorCredentials,
  { method, path }: { method: string; path: string },
  { agent, body }: { agent?: Agent; body?: object } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      host: "127.0.0.1",
      port: door.address?.port ?? 0,
      method,
      path,
      servername: "localhost",
      key: privateKeyPem,
      cert: certificatePem,
      ca: alice.credentials.caCertificatePem,
      agent: agent ?? false,
      headers: body === undefined ? {} : { "content-type": "application/json" },
    });
    request.once("response", (answer) => {
      let text = "";
      answer.on("data", (piece: Buffer) => {
        text += piece.toString();
      });
      answer.once("end", () => {
        const body = text.startsWith("{") ? JSON.parse(text) : {};
        const code = body.code ?? body.error?.code ?? "";
        resolve({ status: answer.statusCode ?? 0, code });
      });
      answer.once("error", reject);
    });
    request.once("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const bundlePath = { method: "GET", path: "/api/peers/bundle" };
const target = ({ method, path }: Endpoint) => ({
  method,
  path: path.replace(/:\w+/g, "nothing-of-this-name").replace("*", "x"),
});

describe("people and machines of a peer", () => {
  it("reach what is for files and for peers, and nothing else", async () => {
    await befriend();
    const callers = {
      coordinator: bob.credentials,
      node: await bob.node("attic"),
      person: await bob.person("carol@home.bob", ["/:read+write+delete+share"]),
    };
    const routes = apiRoutes(alice.services);
    const agent = new Agent({ keepAlive: true });
    for (const endpoint of Object.values(ENDPOINTS)) {
      const { method, path } = endpoint;
      const route = routes.find(
        (one) => one.endpoint.method === method && one.endpoint.path === path,
      );
      for (const [kind, credentials] of Object.entries(callers)) {
        // Ends the peering; it is below.
        if (path === "/api/peers/farewell" && kind === "coordinator") continue;
        const { status, code } = await ask(credentials, target(endpoint), { agent });
        const isOpen =
          route?.policy === "public" ||
          route?.policy === "files" ||
          (route?.policy === "peer" && kind === "coordinator");
        const refusals = ["MESH_FORBIDDEN", "insufficient_permissions"];
        const isTurnedAway = status === 403 && refusals.includes(code);
        // A handler for files may refuse too, by its grants: that is an answer of its own.
        const expected = isOpen ? isTurnedAway : true;
        expect([kind, method, path, isTurnedAway]).toEqual([kind, method, path, expected]);
        if (!isOpen) expect(status).toBe(403);
      }
    }
    for (const credentials of Object.values(callers)) {
      expect((await ask(credentials, bundlePath)).status).toBe(200);
    }
    agent.destroy();
  }, 60_000);

  it("are strangers before, and once the peer is removed: open connections end", async () => {
    await expect(ask(bob.credentials, bundlePath)).rejects.toThrow();
    await befriend();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let closed = 0;
    agent.on("free", (socket) => socket.once("close", () => closed++));
    expect((await ask(bob.credentials, bundlePath, { agent })).status).toBe(200);
    await alice.authority.peers.remove({ principal: alice.services.operator }, "bob");
    await expect.poll(() => closed, { timeout: 10_000 }).toBe(1);
    await expect(ask(bob.credentials, bundlePath, { agent })).rejects.toThrow();
    agent.destroy();
    // Those of this member go on.
    expect((await ask(alice.credentials, bundlePath)).status).toBe(200);
  });

  it("are cut when their own operator revoked them", async () => {
    await befriend();
    const node = await bob.node("attic");
    expect((await ask(node, bundlePath)).status).toBe(200);
    await bob.authority.revoke(bob.authority.localOperator(), "attic", "sold");
    const bundle = { ...(await bob.authority.peers.ownBundle()) };
    const hand = { method: "PUT", path: "/api/peers/bundle" };
    expect((await ask(bob.credentials, hand, { body: { bundle } })).status).toBe(200);
    const { status, code } = await ask(node, bundlePath);
    expect([status, code]).toEqual([401, "MESH_CERT_REVOKED"]);
  });

  it("speak for their own member alone", async () => {
    await befriend();
    const hand = { method: "PUT", path: "/api/peers/bundle" };
    const stranger = { ...(await carol.authority.peers.ownBundle()) };
    const refused = await ask(bob.credentials, hand, { body: { bundle: stranger } });
    expect(refused.code).toBe("MESH_BUNDLE_INVALID");
    expect(alice.authority.peers.get("home.carol" as TrustDomain)).toBeUndefined();
    await expect(ask(carol.credentials, bundlePath)).rejects.toThrow();
    const farewell = { method: "POST", path: "/api/peers/farewell" };
    const node = await bob.node("attic");
    expect((await ask(node, farewell)).code).toBe("MESH_FORBIDDEN");
    expect((await ask(bob.credentials, farewell)).status).toBe(200);
    await expect.poll(() => alice.authority.peers.list(), { timeout: 10_000 }).toEqual([]);
  });

  it("with a certificate of this member's name from their CA are strangers", async () => {
    // Bob's own CA key signs one that says home.alice (CVE-2026-31360).
    const mallory = await gatewayFixture({
      store: memoryStore({ clock }),
      clock,
      random: sameKeys(),
      memberId: "mallory",
    });
    bob = mallory;
    await befriend();
    const twin = { memberId: "mallory", trustDomain: "home.alice", clock, random: sameKeys() };
    const ca = await createMemberCa(twin);
    expect(publicKeyDerOf(ca.certificatePem)).toEqual(publicKeyDerOf(mallory.ca.certificatePem));
    const keys = generateKeyPair();
    const { certificatePem } = await issueCertificate({
      ca,
      kind: "coordinator",
      name: "home",
      trustDomain: alice.authority.trustDomain,
      publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
      validityMs: 60_000,
      clock,
      random,
    });
    const forged = { ...mallory.credentials, privateKeyPem: keys.privateKeyPem, certificatePem };
    await expect(ask(forged, bundlePath)).rejects.toThrow();
    const der = decodePem("CERTIFICATE", certificatePem);
    expect(() => alice.authority.principal([der])).toThrow(/not trusted|CA|certificate/);
    expect((await ask(mallory.credentials, bundlePath)).status).toBe(200);
  });
});

/** Two of these make the same keys. */
function sameKeys(): Random {
  let count = 0;
  const bytes = (length: number) => {
    count++;
    return new Uint8Array(
      createHash("shake256", { outputLength: length }).update(`${count}`).digest(),
    );
  };
  return { bytes, float: () => 0.5 };
}
