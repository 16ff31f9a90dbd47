/** Two members with real processes: they become peers, are refused what they may not, and part. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enrolWithInvite } from "@hearthmesh/client";
import {
  encodeMessage,
  fromWireError,
  type NodeId,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import {
  generateKeyPair,
  type KeyPairPem,
  nodeIdOfPublicKey,
  publicKeyDerOf,
  signerOf,
} from "@hearthmesh/identity";
import { dialLink, type Link, tlsTransport } from "@hearthmesh/qwormhole";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePortBase, PORT_STEP } from "../../scripts/free-ports.mjs";
import { MeshProcess, MeshProcesses, mesh, meshOk } from "../../scripts/mesh-processes.mjs";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-peers-"));
const clock = systemClock();
const random = systemRandom();
let alice: MeshProcesses;
let bob: MeshProcess;
let aliceBase = 0;

interface Shown {
  keyPem: string;
  certificatePem: string;
  /** By which Alice's servers are judged. */
  caPem: string;
}
interface Peer {
  alias: string;
  trustDomain: string;
  words: string;
  state: string;
}

beforeAll(async () => {
  aliceBase = await freePortBase(3);
  alice = await MeshProcesses.start({ folder, storageNodes: 1, portBase: aliceBase });
  const portBase = aliceBase + 2 * PORT_STEP;
  const who = ["--member", "bob", "--domain", "garage.bob", "--name", "bob-hub"];
  const args = ["up", ...who, "--port-base", String(portBase)];
  bob = new MeshProcess({ name: "bob", home: join(folder, "bob"), portBase, args });
  bob.start();
  await bob.ready();
}, 120_000);

afterAll(async () => {
  await Promise.all([alice?.stop(), bob?.kill("SIGTERM")]);
  rmSync(folder, { recursive: true, force: true });
});

const home = () => alice.coordinator.home;
const peersOf = async (of: string) =>
  (JSON.parse(await meshOk(of, ["peer", "list", "--json"])) as { peers: Peer[] }).peers;

/** The certificate of Bob's coordinator, as its operator has it. */
function bobsOwn(): Shown {
  const read = (path: string) => readFileSync(join(bob.home, "certs", path), "utf8");
  return {
    keyPem: read("coordinators/bob-hub.key"),
    certificatePem: read("coordinators/bob-hub.crt"),
    caPem: readFileSync(join(home(), "certs/ca/alice-ca.crt"), "utf8"),
  };
}

async function bobsFriend(personName: string): Promise<Shown & { keyPair: KeyPairPem }> {
  const generate = ["invite", "generate", "--grant", "/:read", "--quiet"];
  const inviteText = await meshOk(bob.home, generate);
  const keyPair = generateKeyPair();
  const name = `${personName}@garage.bob`;
  const enrolled = await enrolWithInvite({ inviteText, kind: "person", name, keyPair, clock });
  const { privateKeyPem: keyPem } = keyPair;
  return { ...bobsOwn(), keyPem, certificatePem: enrolled.certificatePem, keyPair };
}

/** Status of Alice's API under mutual TLS; 0 when the connection itself is refused. */
function statusOf(shown: Shown, path: string, method = "GET"): Promise<number> {
  return new Promise((resolve) => {
    const asked = request({
      host: "127.0.0.1",
      port: 8001 + aliceBase,
      path,
      method,
      key: shown.keyPem,
      cert: shown.certificatePem,
      ca: shown.caPem,
      checkServerIdentity: () => undefined,
      agent: false,
    });
    asked.once("response", (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.once("error", () => resolve(0));
    asked.end();
  });
}

/** A link to a node of Alice, by whoever shows this certificate. */
function linkTo(port: number, shown: Shown): Promise<Link> {
  const { keyPem, certificatePem, caPem } = shown;
  const publicKey = publicKeyDerOf(keyPem);
  return dialLink(
    tlsTransport({ credentials: () => ({ keyPem, certificatePem, caPem }) }),
    { host: "127.0.0.1", port },
    {
      identity: { publicKey, sign: signerOf(keyPem) },
      handlers: {},
      verifyPeer: (peer) => peer.nodeId,
      clock,
      random,
    },
  );
}

async function codeOf(link: Link, method: string): Promise<string> {
  try {
    await link.request(method, encodeMessage({ path: "/" }), { timeoutMs: 10_000 });
    return "answered";
  } catch (error) {
    return (fromWireError(error) as { code?: string }).code ?? "none";
  }
}

describe("two members", () => {
  it("become peers by a code, and both operators see the same words", async () => {
    expect(await statusOf(bobsOwn(), "/api/peers/bundle")).toBe(0);
    const code = await meshOk(home(), ["peer", "invite", "--as", "bob", "--quiet"]);
    const accept = ["peer", "accept", "-", "--as", "alice", "--json"];
    const accepted = JSON.parse(await meshOk(bob.home, accept, { input: code })) as { peer: Peer };
    const [atAlice] = await peersOf(home());
    expect(atAlice).toMatchObject({ alias: "bob", trustDomain: "garage.bob", state: "ok" });
    expect(accepted.peer).toMatchObject({ alias: "alice", trustDomain: "home.alice", state: "ok" });
    expect(atAlice?.words).toBe(accepted.peer.words);
    expect(await meshOk(home(), ["peer", "show", "bob"])).toContain(accepted.peer.words);
    const again = await mesh(bob.home, ["peer", "accept", "-"], { input: code });
    expect(again.stderr).toContain("MESH_PEER_EXISTS");
    expect(await meshOk(bob.home, ["peer", "refresh"])).toContain("up to date");
  });

  it("reach what is for peers, and are refused everywhere else", async () => {
    const friend = await bobsFriend("dora");
    for (const shown of [bobsOwn(), friend]) {
      expect(await statusOf(shown, "/api/peers/bundle")).toBe(200);
      for (const path of [
        "/api/nodes",
        "/api/peers",
        "/api/whoami",
        "/mesh/peers",
        "/api/status",
      ]) {
        expect([path, await statusOf(shown, path)]).toEqual([path, 403]);
      }
    }
    const storage = alice.nodes[0]?.portBase ?? 0;
    const methods = ["chunk.list", "chunk.delete", "node.peers", "mesh.secret", "relay.open"];
    for (const port of [9000 + aliceBase, 9000 + storage]) {
      const link = await linkTo(port, friend);
      expect(link.peer.nodeId).not.toBe(friend.keyPair.nodeId);
      for (const method of [...methods, "node.register", "coordinator.secrets"]) {
        expect([port, method, await codeOf(link, method)]).toEqual([
          port,
          method,
          "MESH_FORBIDDEN",
        ]);
      }
      await link.close("done");
    }
    const status = (await alice.status()) as { totals: { nodes: number } };
    const known = nodeIdOfPublicKey(publicKeyDerOf(bobsOwn().keyPem)) as NodeId;
    expect(JSON.stringify(status)).not.toContain(known);
  });

  it("refuse a key within seconds that the other operator revoked", async () => {
    const friend = await bobsFriend("emil");
    const link = await linkTo(9000 + (alice.nodes[0]?.portBase ?? 0), friend);
    expect(await statusOf(friend, "/api/peers/bundle")).toBe(200);
    await meshOk(bob.home, ["revoke", friend.keyPair.nodeId, "--reason", "stolen"]);
    const refused = () => statusOf(friend, "/api/peers/bundle");
    await expect.poll(refused, { timeout: 30_000, interval: 200 }).toBe(401);
    // Alice's storage node was told, and cut the link.
    await link.closed;
    expect(await statusOf(bobsOwn(), "/api/peers/bundle")).toBe(200);
  }, 60_000);

  it("part at once and on both sides when one removes the other", async () => {
    const own = bobsOwn();
    const links = await Promise.all(
      [aliceBase, alice.nodes[0]?.portBase ?? 0].map((base) => linkTo(9000 + base, own)),
    );
    const removed = JSON.parse(await meshOk(home(), ["peer", "remove", "bob", "--json"]));
    expect(removed).toEqual({ alias: "bob", trustDomain: "garage.bob", told: true });
    await Promise.all(links.map((link) => link.closed));
    expect(await statusOf(own, "/api/peers/bundle")).toBe(0);
    await expect(linkTo(9000 + aliceBase, own)).rejects.toThrow();
    await expect.poll(() => peersOf(bob.home), { timeout: 30_000, interval: 500 }).toEqual([]);
    expect(await peersOf(home())).toEqual([]);
  }, 60_000);

  it("tell a peer that was away of the end when it comes back", async () => {
    const code = await meshOk(bob.home, ["peer", "invite", "--quiet"]);
    await meshOk(home(), ["peer", "accept", "-"], { input: code });
    await alice.coordinator.kill();
    const removed = JSON.parse(await meshOk(bob.home, ["peer", "remove", "alice", "--json"]));
    expect(removed.told).toBe(false);
    alice.coordinator.start();
    await alice.coordinator.ready();
    await expect.poll(() => peersOf(home()), { timeout: 60_000, interval: 1_000 }).toEqual([]);
  }, 120_000);
});
