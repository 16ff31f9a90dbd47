import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { nodeIdOfPublicKey } from "../keys.js";
import { testAuthority } from "../testing/index.js";
import type { TlsCredentials } from "../tls-transport.js";
import { QWormholeClient } from "./client.js";
import type { QWormholeClientOptions, QWormholeServerOptions } from "./options.js";
import { QWormholeServer } from "./server.js";

const authority = testAuthority();
const hub = authority.issue("hub");
const worker = authority.issue("worker");
const over: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of over.splice(0).reverse()) await end();
});

async function serve(options: QWormholeServerOptions = {}) {
  const server = new QWormholeServer({ tls: hub.credentials, ...options });
  over.push(() => server.close(50));
  const { port } = await server.listen();
  const refused: unknown[] = [];
  server.on("refused", ({ error }) => refused.push(error.code));
  const clientOf = (changes: QWormholeClientOptions = {}) => {
    const client = new QWormholeClient({ port, tls: worker.credentials, ...changes });
    over.push(() => client.disconnect("over", 50));
    return client;
  };
  return { server, refused, clientOf };
}

describe("servers and clients under TLS", () => {
  it("prove the keys of their certificates to each other", async () => {
    const { server, clientOf } = await serve();
    const connection = once(server, "connection");
    const client = clientOf({ expectedNodeId: nodeIdOfPublicKey(hub.identity.publicKey) });
    await client.connect();
    const [peer] = await connection;
    expect(peer.handshake.nodeId).toBe(nodeIdOfPublicKey(worker.identity.publicKey));
    expect(peer.peer.certificates.length).toBeGreaterThan(0);
  });

  it("let in only pinned keys, and count the others by that", async () => {
    const pins = [nodeIdOfPublicKey(worker.identity.publicKey)];
    const { server, refused, clientOf } = await serve({ pins });
    await clientOf().connect();
    const stranger = clientOf({ tls: authority.issue("stranger").credentials });
    await expect(stranger.connect()).rejects.toMatchObject({
      code: "QW_REFUSED_BY_PEER",
      remoteCode: "QW_PEER_NOT_PINNED",
    });
    await vi.waitFor(() => expect(refused).toEqual(["QW_PEER_NOT_PINNED"]), { timeout: 20_000 });
    expect(server.getConnectionCount()).toBe(1);
    const wrong = clientOf({ pins });
    await expect(wrong.connect()).rejects.toMatchObject({ code: "QW_PEER_NOT_PINNED" });
  });

  it("change key and certificate at a reload; open connections live on", async () => {
    let present: TlsCredentials = hub.credentials;
    const { server, clientOf } = await serve({ tls: () => present });
    const [first, second, third] = [clientOf(), clientOf(), clientOf()];
    await first.connect();
    const renewed = authority.issue("hub");
    present = renewed.credentials;
    // Until the reload, certificate and proven key are still those from before.
    await second.connect();
    server.reload();
    await third.connect();
    const [before, after] = [hub, renewed].map(({ identity }) =>
      nodeIdOfPublicKey(identity.publicKey),
    );
    const nodeIds = [first, second, third].map((client) => client.handshake?.nodeId);
    expect(nodeIds).toEqual([before, before, after]);
  });

  it("keep what they have when the new credentials cannot be used", async () => {
    let present: TlsCredentials = hub.credentials;
    const { server, clientOf } = await serve({ tls: () => present });
    present = { ...hub.credentials, keyPem: worker.credentials.keyPem };
    expect(() => server.reload()).toThrow("cannot be used");
    await clientOf().connect();
    expect(server.metrics.refused).toEqual({});
  });

  it("say where to look when a certificate was refused", async () => {
    const { refused, clientOf } = await serve();
    const foreign = testAuthority("another").issue("worker").credentials;
    const client = clientOf({ tls: { ...foreign, caPem: authority.caPem } });
    await expect(client.connect()).rejects.toThrow(/certificate|`refused`/);
    await vi.waitFor(() => expect(refused).toEqual(["QW_TLS_FAILED"]), { timeout: 20_000 });
  });

  it("never fall back to plain TCP", async () => {
    const { server, refused, clientOf } = await serve();
    const plain = clientOf({ tls: undefined });
    await expect(plain.connect()).rejects.toMatchObject({ name: "QWormholeError" });
    await vi.waitFor(() => expect(refused).toEqual(["QW_TLS_FAILED"]), { timeout: 20_000 });
    const open = new QWormholeServer();
    over.push(() => open.close(50));
    const { port } = await open.listen();
    const secure = clientOf({ port });
    await expect(secure.connect()).rejects.toMatchObject({ code: "QW_TLS_FAILED" });
    expect(server.getConnectionCount() + open.getConnectionCount()).toBe(0);
  });
});
