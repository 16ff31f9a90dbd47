import { connect as connectTcp, createServer, type Socket } from "node:net";
import { type ConnectionOptions, connect } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { dialLink } from "./dial-link.js";
import { encodeFrame, FrameType, PREAMBLE } from "./frames.js";
import type { Link } from "./link.js";
import { type LinkListener, listenLinks } from "./listen-links.js";
import { tcpTransport } from "./tcp-transport.js";
import { type TestNode, testAuthority, testIdentity } from "./testing/index.js";
import { type TlsTransport, type TlsTransportOptions, tlsTransport } from "./tls-transport.js";

const LOOPBACK = { host: "127.0.0.1", port: 0 };
const authority = testAuthority();
const server = authority.issue("server");
const client = authority.issue("client");

const open: (Link | LinkListener)[] = [];
afterEach(async () => {
  for (const item of open.splice(0)) {
    if ("links" in item) {
      for (const link of item.links) link.destroy(new Error("the test is over"));
      await item.close();
    } else item.destroy(new Error("the test is over"));
  }
});

async function serve(node: TestNode = server, options: Partial<TlsTransportOptions> = {}) {
  const refused: { error: Error; from: string }[] = [];
  let credentials = node.credentials;
  const transport = tlsTransport({
    credentials: () => credentials,
    onRefused: (error, from) => refused.push({ error, from }),
    ...options,
  });
  const handlers = { onRequest: async () => new Uint8Array(1) };
  const listener = await listenLinks(
    transport,
    LOOPBACK,
    { identity: node.identity, handlers },
    () => {},
    (error, from) => refused.push({ error, from }),
  );
  open.push(listener);
  const use = (next: TestNode) => {
    credentials = next.credentials;
    transport.reload();
  };
  return { transport, listener, refused, use };
}

async function dial(listener: LinkListener, node: TestNode, transport?: TlsTransport) {
  const own = transport ?? tlsTransport({ credentials: () => node.credentials });
  const link = await dialLink(own, listener.address, { identity: node.identity, handlers: {} });
  open.push(link);
  return link;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe("TLS transport", () => {
  it("refuses a dialler whose certificate another authority signed", async () => {
    const { listener, refused } = await serve();
    const stranger = testAuthority("other").issue("stranger");
    const trusting = { ...stranger.credentials, caPem: authority.caPem };
    await expect(dial(listener, { ...stranger, credentials: trusting })).rejects.toMatchObject({
      name: "QWormholeError",
    });
    await until(() => refused.length > 0);
    expect(refused[0]?.error).toMatchObject({ code: "QW_TLS_FAILED" });
  });

  it("refuses a listener whose certificate another authority signed", async () => {
    const { listener } = await serve(testAuthority("other").issue("impostor"));
    await expect(dial(listener, client)).rejects.toMatchObject({ code: "QW_TLS_FAILED" });
  });

  it("refuses an expired certificate", async () => {
    const { listener } = await serve(authority.issue("old", { notAfter: "210101000000" }));
    await expect(dial(listener, client)).rejects.toMatchObject({
      code: "QW_TLS_FAILED",
      message: expect.stringContaining("CERT_HAS_EXPIRED"),
    });
  });

  it("refuses a dialler whose certificate has expired, or is not valid yet", async () => {
    const { listener, refused } = await serve();
    const times = [{ notAfter: "210101000000" }, { notBefore: "490101000000" }];
    for (const time of times) {
      await expect(dial(listener, authority.issue("client", time))).rejects.toMatchObject({
        name: "QWormholeError",
      });
    }
    await until(() => refused.length === times.length);
    expect(refused.map(({ error }) => error)).toMatchObject([
      { code: "QW_TLS_FAILED", message: expect.stringMatching(/failed: CERT_HAS_EXPIRED$/) },
      { code: "QW_TLS_FAILED", message: expect.stringMatching(/failed: CERT_NOT_YET_VALID$/) },
    ]);
    for (const { error, from } of refused) {
      expect(from).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(error.message).toContain(from);
    }
    expect(listener.links.size).toBe(0);
  });

  it("refuses a link key that is not the certificate's", async () => {
    const { listener, refused } = await serve();
    const mixed = { credentials: client.credentials, identity: testIdentity() };
    await expect(dial(listener, mixed)).rejects.toMatchObject({
      code: "QW_REFUSED_BY_PEER",
      remoteCode: "QW_KEY_MISMATCH",
    });
    expect(refused[0]?.error).toMatchObject({ code: "QW_KEY_MISMATCH" });
  });

  it.each<[string, ConnectionOptions]>([
    ["without a certificate", { ALPNProtocols: ["hearthmesh/1"] }],
    ["of TLS 1.2", { ...pem(client), ALPNProtocols: ["hearthmesh/1"], maxVersion: "TLSv1.2" }],
    ["without the protocol's name", pem(client)],
    ["with another protocol's name", { ...pem(client), ALPNProtocols: ["h2"] }],
  ])("refuses a connection %s", async (_name, options) => {
    const { listener, refused } = await serve();
    const { caPem } = client.credentials;
    const socket = connect({
      ...listener.address,
      ca: caPem as string,
      servername: "",
      checkServerIdentity: () => undefined,
      ...options,
    });
    socket.on("error", () => {});
    socket.resume();
    await closed(socket);
    await until(() => refused.length > 0);
    expect(refused[0]?.error).toMatchObject({ code: "QW_TLS_FAILED" });
    expect(listener.links.size).toBe(0);
  });

  it.each([
    ["of HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["of a link", Buffer.concat([PREAMBLE, encodeFrame(FrameType.HELLO, 0, Buffer.from("{}"))])],
  ])("answers nothing in plaintext to the words %s", async (_name, words) => {
    const { listener, refused } = await serve();
    const socket = connectTcp(listener.address);
    let answer = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      answer = Buffer.concat([answer, bytes]);
    });
    socket.on("error", () => {});
    socket.write(words);
    await closed(socket);
    // At most one TLS record of the kind "alert" (RFC 8446, 5.1).
    expect(answer.length === 0 || answer[0] === 21).toBe(true);
    expect(answer.length).toBeLessThan(16);
    await until(() => refused.length > 0);
    expect(refused[0]?.error).toMatchObject({ code: "QW_TLS_FAILED" });
    expect(listener.links.size).toBe(0);
  });

  it("uses new credentials for new links after a reload; open links live on", async () => {
    const { listener, use } = await serve();
    const first = await dial(listener, client);
    use(authority.issue("renewed"));
    // The link identity of the listener is still the old key, so the new certificate does not fit.
    await expect(dial(listener, client)).rejects.toMatchObject({ code: "QW_KEY_MISMATCH" });
    use(server);
    const second = await dial(listener, client);
    await first.request("x", new Uint8Array(0));
    await second.request("x", new Uint8Array(0));
  });

  it("trusts another authority after a reload, and the old one no more", async () => {
    const { listener, refused, use } = await serve();
    const next = testAuthority("next");
    const first = await dial(listener, client);
    // For the change-over both are trusted; at the end the old one is not.
    const both = { ...server.credentials, caPem: [authority.caPem, next.caPem] };
    const late = next.issue("late");
    const lateDial = { ...late, credentials: { ...late.credentials, caPem: authority.caPem } };
    await expect(dial(listener, lateDial)).rejects.toMatchObject({ name: "QWormholeError" });
    use({ ...server, credentials: both });
    const second = await dial(listener, lateDial);
    use({ ...server, credentials: { ...server.credentials, caPem: next.caPem } });
    await expect(dial(listener, client)).rejects.toMatchObject({ name: "QWormholeError" });
    await until(() => refused.length === 2);
    for (const { error } of refused) expect(error).toMatchObject({ code: "QW_TLS_FAILED" });
    await first.request("x", new Uint8Array(0));
    await second.request("x", new Uint8Array(0));
  });

  it.each<[string, string | string[]]>([
    ["empty", ""],
    ["an empty list", []],
    ["a list with an empty text", [authority.caPem, ""]],
    ["no certificate", "garbage"],
    ["a damaged certificate", authority.caPem.replace(/[A-Z]{8}/, "")],
    ["a key", server.credentials.keyPem],
  ])("never takes the authorities of Node instead when `caPem` is %s", async (_what, caPem) => {
    const credentials = { ...server.credentials, caPem };
    const transport = tlsTransport({ credentials: () => credentials });
    const refused = { code: "QW_TLS_FAILED", message: expect.stringContaining("`caPem`") };
    await expect(transport.listen(LOOPBACK, () => {})).rejects.toMatchObject(refused);
    await expect(transport.dial({ host: "127.0.0.1", port: 9 })).rejects.toMatchObject(refused);
  });

  it("tells in words of its own that the other side speaks no TLS", async () => {
    const plain = createServer((socket) => socket.end("220 ready\r\n"));
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const { port } = plain.address() as { port: number };
    const transport = tlsTransport({ credentials: () => client.credentials });
    const error = await transport.dial({ host: "127.0.0.1", port }).catch((reason) => reason);
    plain.close();
    expect(error).toMatchObject({ code: "QW_TLS_FAILED" });
    expect(error.message).toMatch(/wrong version number$/);
  });

  it("changes nothing at a reload with credentials that cannot be used", async () => {
    const { listener, use } = await serve();
    const wrongs = [
      { ...server.credentials, keyPem: client.credentials.keyPem },
      { ...server.credentials, certificatePem: "no certificate" },
    ];
    for (const credentials of wrongs) {
      expect(() => use({ ...server, credentials })).toThrow(
        expect.objectContaining({ code: "QW_TLS_FAILED" }),
      );
    }
    expect((await dial(listener, client)).isOpen).toBe(true);
  });

  it("reads the dialler's credentials again at each dial", async () => {
    const { listener } = await serve();
    let node = client;
    const transport = tlsTransport({ credentials: () => node.credentials });
    const first = await dial(listener, node, transport);
    node = authority.issue("client renewed");
    const second = await dial(listener, node, transport);
    expect(first.isOpen && second.isOpen).toBe(true);
    expect(listener.links.size).toBe(2);
  });

  it("shows the certificate chain and ties links to their own connection", async () => {
    const { listener } = await serve();
    const link = await dial(listener, client);
    const [leaf] = link.peer.certificates;
    expect(Buffer.from(leaf ?? []).toString("base64")).toBe(
      server.credentials.certificatePem.replace(/-----.*-----|\n/g, ""),
    );
    expect(Buffer.from(link.peer.publicKey)).toEqual(Buffer.from(server.identity.publicKey));
  });

  it("bounds the TLS handshakes under way", async () => {
    const { listener, refused } = await serve(server, { halfOpenPerAddressMax: 2 });
    const sockets = [1, 2, 3].map(() => connectTcp(listener.address));
    for (const socket of sockets) socket.on("error", () => {});
    await until(() => refused.length > 0);
    expect(refused[0]?.error).toMatchObject({ code: "QW_CONNECTIONS_LIMIT" });
    for (const socket of sockets) socket.destroy();
    // The listener learns of the ends a little later.
    let link: Link | undefined;
    while (link === undefined) link = await dial(listener, client).catch(() => undefined);
    expect(link.isOpen).toBe(true);
  });

  it("refuses credentials that cannot be used", async () => {
    const transport = tlsTransport({
      credentials: () => ({ keyPem: "x", certificatePem: "y", caPem: "z" }),
    });
    await expect(transport.dial({ host: "127.0.0.1", port: 1 })).rejects.toMatchObject({
      code: "QW_TLS_FAILED",
    });
    await expect(transport.listen(LOOPBACK, () => {})).rejects.toMatchObject({
      code: "QW_TLS_FAILED",
    });
  });
});

describe("TCP transport", () => {
  it("is for loopback alone, unless the caller says that the network is encrypted", async () => {
    const transport = tcpTransport({ insecure: "loopback" });
    for (const host of ["0.0.0.0", "192.0.2.1", "::", "example.org", "127.evil.example"]) {
      await expect(transport.listen({ host, port: 0 }, () => {})).rejects.toMatchObject({
        code: "QW_INSECURE_REFUSED",
      });
      await expect(transport.dial({ host, port: 1 })).rejects.toMatchObject({
        code: "QW_INSECURE_REFUSED",
      });
    }
  });
});

function pem({ credentials }: TestNode): ConnectionOptions {
  return { key: credentials.keyPem, cert: credentials.certificatePem };
}
