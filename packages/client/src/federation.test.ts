/** The three calls of the federation guide, between two fresh members with a CA each. */

import { createServer, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeProbe } from "./introduction-probe.js";
import { type Home, openHome } from "./testing/federation-home.js";

const clock = systemClock();
const random = systemRandom();

interface Reply {
  readonly status: number;
  readonly body: Record<string, never> & { code?: string };
}

const newStore = () => memoryStore({ clock: systemClock() });

let alice: Home;
let bob: Home;

beforeEach(async () => {
  [alice, bob] = await Promise.all([
    openHome({ memberId: "alice", store: newStore() }),
    openHome({ memberId: "bob", store: newStore() }),
  ]);
});
afterEach(async () => {
  await Promise.all([alice.close(), bob.close()]);
});

async function call(url: string, options: RequestInit = {}): Promise<Reply> {
  const response = await fetch(url, options);
  return { status: response.status, body: (await response.json()) as Reply["body"] };
}

function register(at: Home, key: string | undefined, body: object): Promise<Reply> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (key !== undefined) headers["x-api-key"] = key;
  const options = { method: "POST", headers, body: JSON.stringify(body) };
  return call(`${at.url}/api/mesh/register`, options);
}

const homelab = () => ({
  nodeUrl: bob.url,
  nodeName: "homelab-node",
  capabilities: "storage,compute",
});

describe("the federation guide", () => {
  it("registers both ways and shows the nodes, with the guide's own bodies", async () => {
    const key = await alice.key("admin");
    const there = await register(alice, key, homelab());
    expect(there.status).toBe(201);
    const { operator } = bob.fixture.services;
    expect(there.body).toMatchObject({
      node: {
        nodeId: operator.nodeId,
        name: "homelab-node",
        reportedName: "home",
        url: bob.url,
        capabilities: ["storage", "compute"],
        reportedCapabilities: ["storage", "gateway"],
        memberId: "bob",
        state: "online",
        trust: "introduced",
        scopes: ["services"],
      },
      trust: expect.stringMatching(/^introduced: it may use the services .* because the key /),
    });
    const back = await register(bob, await bob.key("register"), {
      nodeUrl: alice.url,
      nodeName: "your-node",
      capabilities: "ai,storage",
    });
    expect(back.status).toBe(201);
    expect(back.body).toMatchObject({
      node: { scopes: [], memberId: "alice" },
      trust: expect.stringContaining("it may use nothing here"),
    });
    const headers = { "x-api-key": key };
    const { body } = await call(`${alice.url}/api/mesh/nodes`, { headers });
    const nodes = (body as unknown as { nodes: { trust: string; fingerprint: string }[] }).nodes;
    expect(nodes.map(({ trust }) => trust)).toEqual(["self", "introduced"]);
    // What one side shows of itself is what the other shows of it.
    const bobs = await call(`${bob.url}/api/mesh/nodes`);
    const self = (bobs.body as unknown as { nodes: { fingerprint: string }[] }).nodes[0];
    expect(nodes[1]?.fingerprint).toBe(self?.fingerprint);
  });

  it("brings a node up to date when it is registered again, or writes nothing", async () => {
    const key = await alice.key("register");
    await register(alice, key, homelab());
    const length = await alice.fixture.authority.auditLength();
    expect((await register(alice, key, homelab())).status).toBe(200);
    expect(await alice.fixture.authority.auditLength()).toBe(length);
    const again = await register(alice, key, {
      nodeUrl: `${bob.url}/`,
      nodeName: "Garage",
      capabilities: ["archive"],
    });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ node: { name: "garage", capabilities: ["archive"] } });
    expect(await alice.fixture.authority.auditLength()).toBe(length + 1);
    const { records } = await alice.fixture.authority.auditTrail();
    expect(records.at(-1)).toMatchObject({ action: "node.introduce", by: /^key\// });
  });

  it("takes no other key at a URL that is known, until the old one is removed", async () => {
    const key = await alice.key("admin");
    await register(alice, key, homelab());
    await bob.door.stop();
    const port = Number(new URL(bob.url).port);
    const mallory = await openHome({ memberId: "mallory", store: newStore(), port });
    try {
      const refused = await register(alice, key, homelab());
      expect([refused.status, refused.body.code]).toEqual([502, "MESH_INTRODUCTION_FAILED"]);
      await alice.fixture.watch?.checkAll();
      const { body } = await call(`${alice.url}/api/mesh/nodes`);
      expect(body).toMatchObject({
        nodes: [{}, { state: "failing", reason: expect.stringContaining("another key answers") }],
      });
      const removed = await call(`${alice.url}/api/nodes/homelab-node`, { method: "DELETE" });
      expect(removed.body).toMatchObject({ name: "homelab-node", introduced: true });
      expect((await register(alice, key, homelab())).status).toBe(201);
    } finally {
      await mallory.close();
    }
  });

  it("says that a node is offline, and online again", async () => {
    await register(alice, undefined, homelab());
    const { watch } = alice.fixture;
    const state = () => watch?.stateOf(bob.fixture.services.operator.nodeId);
    expect(state()).toMatchObject({ state: "online" });
    await bob.door.stop();
    await watch?.checkAll();
    expect(state()).toMatchObject({ state: "offline", reason: expect.stringContaining("refused") });
  });

  it("refuses to introduce a node to itself, and gives a free name", async () => {
    const self = await register(alice, undefined, { ...homelab(), nodeUrl: alice.url });
    expect([self.status, self.body.code]).toEqual([400, "MESH_BAD_REQUEST"]);
    const named = await register(alice, undefined, { ...homelab(), nodeName: "home" });
    expect(named.body).toMatchObject({ node: { name: "home-2" } });
  });

  it.each([
    ["", /empty/],
    ["192.168.1.100:3000", /must start with|not a URL/],
    ["ftp://host", /must start with http/],
    ["http://user:pw@host:3000", /user or password/],
    ["http://host:0", /port 0/],
    ["http://host:3000/?x=1", /query/],
    ["http://[fd00::1", /not a URL/],
  ])("says what is wrong with the URL %j", async (nodeUrl, message) => {
    const { status, body } = await register(alice, undefined, { ...homelab(), nodeUrl });
    expect(status).toBe(400);
    expect((body as unknown as { detail: string }).detail).toMatch(message);
  });

  it("speaks TLS on the same port, and the probe checks whose it is", async () => {
    const url = bob.url.replace("http:", "https:");
    const there = await register(alice, undefined, { ...homelab(), nodeUrl: url });
    expect(there.status).toBe(201);
    const status = await new Promise((resolve, reject) => {
      const ca = bob.fixture.ca.certificatePem;
      const options = { ca, servername: "localhost" };
      httpsRequest(`${url}/health`, options, (answer) => resolve(answer.statusCode))
        .once("error", reject)
        .end();
    });
    expect(status).toBe(200);
  });

  it("lets an introduced node do what its introduction says, by its own certificate", async () => {
    const { authority, services } = alice.fixture;
    const { privateKeyPem: key, certificatePem: cert } = bob.fixture.credentials;
    const ca = alice.fixture.ca.certificatePem;
    const url = alice.url.replace("http:", "https:");
    const askAs = (path: string, tls: object = { key, cert }) =>
      new Promise<string>((resolve, reject) => {
        // Through a proxy, so that the call does not count as one of this machine.
        const headers = { "x-forwarded-for": "192.0.2.1" };
        const options = { ca, servername: "localhost", headers, agent: false as const, ...tls };
        const request = httpsRequest(`${url}${path}`, options, async (answer) => {
          let text = "";
          for await (const piece of answer) text += String(piece);
          resolve((JSON.parse(text) as { code?: string }).code ?? "ok");
        });
        request.once("error", reject).end();
      });
    const service = "/api/mesh/route/nothing/";
    expect(await askAs(service)).toBe("MESH_UNAUTHENTICATED");
    await register(alice, undefined, homelab());
    expect(await askAs(service)).not.toMatch(/UNAUTHENTICATED|FORBIDDEN|SCOPE/);
    expect(await askAs("/api/mesh/nodes")).toBe("MESH_KEY_SCOPE");
    expect(await askAs("/api/mesh/audit")).toBe("MESH_KEY_SCOPE");
    expect(await askAs(service, {})).toBe("MESH_UNAUTHENTICATED");
    const mallory = await openHome({ memberId: "bob", store: newStore() });
    const { privateKeyPem, certificatePem } = mallory.fixture.credentials;
    const forged = { key: privateKeyPem, cert: certificatePem };
    expect(await askAs(service, forged)).toBe("MESH_UNAUTHENTICATED");
    await mallory.close();
    const by = { principal: services.operator };
    const { nodeId } = bob.fixture.services.operator;
    await authority.allowLists.set(by, nodeId, ["10.9.8.7"]);
    expect(await askAs(service)).toBe("MESH_ADDRESS_REFUSED");
    await authority.introductions.remove(by, nodeId);
    expect(await askAs(service)).toBe("MESH_UNAUTHENTICATED");
  });

  it("refuses a proxy with a certificate that nobody trusts", async () => {
    const { createServer: secureServer } = await import("node:https");
    const { privateKeyPem: key, certificatePem: cert } = alice.fixture.credentials;
    const proxy = secureServer({ key, cert }, (request, response) => {
      httpRequest(`${bob.url}${request.url}`, (answer) => answer.pipe(response)).end();
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as AddressInfo;
    const nodeUrl = `https://127.0.0.1:${port}`;
    const { status, body } = await register(alice, undefined, { ...homelab(), nodeUrl });
    expect([status, body.code]).toEqual([502, "MESH_INTRODUCTION_FAILED"]);
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });
});

describe("a remote that is not what it says", () => {
  type Change = (answer: Record<string, unknown>) => unknown;
  const hostile: [string, Change][] = [
    ["another signature", (one) => ({ ...one, signature: `${"A".repeat(86)}==` })],
    ["a changed name", (one) => ({ ...one, capabilities: ["admin"] })],
    ["another node id", (one) => ({ ...one, nodeId: "a".repeat(52) })],
    ["another member", (one) => ({ ...one, memberId: "mallory" })],
    ["no CA", (one) => ({ ...one, caCertificatePem: one.certificatePem })],
    ["a field of another form", (one) => ({ ...one, linkAddresses: "x" })],
    ["no JSON object", () => [1]],
    ["too much", () => ({ pad: "x".repeat(70_000) })],
  ];

  async function answering(change: Change): Promise<{ url: string; close(): Promise<void> }> {
    const server = createServer((request, response) => {
      void fetch(`${bob.url}${request.url}`)
        .then((answer) => answer.json())
        .then((answer) => response.end(JSON.stringify(change(answer as Record<string, unknown>))));
    });
    return listening(server);
  }

  async function listening(server: ReturnType<typeof createServer>) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return {
      url: `http://127.0.0.1:${port}`,
      async close() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  it.each(hostile)("is refused: %s", async (_name, change) => {
    const remote = await answering(change);
    const prober = new NodeProbe({ clock, random });
    await expect(prober.probe(remote.url)).rejects.toMatchObject({
      code: "MESH_INTRODUCTION_FAILED",
    });
    expect(alice.fixture.authority.introductions.list()).toEqual([]);
    await remote.close();
  });

  it("is refused with an answer for an older question", async () => {
    let first: string | undefined;
    const remote = await listening(
      createServer((request, response) => {
        void fetch(`${bob.url}${request.url}`)
          .then((answer) => answer.text())
          .then((text) => {
            first ??= text;
            response.end(first);
          });
      }),
    );
    const prober = new NodeProbe({ clock, random });
    await prober.probe(remote.url);
    await expect(prober.probe(remote.url)).rejects.toThrow(/signature/);
    await remote.close();
  });

  it("is not followed elsewhere, and not waited for", async () => {
    const away = await listening(
      createServer((_, response) => response.writeHead(302, { location: bob.url }).end()),
    );
    const prober = new NodeProbe({ clock, random, timeoutMs: 50 });
    await expect(prober.probe(away.url)).rejects.toThrow(/redirect/);
    await away.close();
    const slow = await listening(createServer((_, response) => response.write("{")));
    await expect(prober.probe(slow.url)).rejects.toMatchObject({ code: "MESH_TIMEOUT" });
    await slow.close();
  });
});
