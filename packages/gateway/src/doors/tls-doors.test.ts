import { type IncomingMessage, request } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { systemClock, systemRandom } from "@hearthmesh/core";
import {
  checkPinnedChain,
  createCertificateRequest,
  createMemberCa,
  generateKeyPair,
  issueCertificate,
  type KeyPairPem,
  type MemberCa,
  parseInvite,
  publicKeyDerOf,
} from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DoorCredentials } from "../services.js";
import { type GatewayFixture, gatewayFixture } from "../testing/index.js";
import { ApiDoor } from "./api-door.js";
import { EnrolmentDoor } from "./enrolment-door.js";

const clock = systemClock();
const random = systemRandom();

interface Answer {
  status: number;
  body: Record<string, unknown>;
  headers: IncomingMessage["headers"];
}

/** One request over TLS; without an agent the connection is not used again. */
function send(
  port: number,
  path: string,
  options: RequestOptions,
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpsRequest({ host: "localhost", port, path, ...options }, (response) => {
      let text = "";
      response.on("error", reject);
      response.on("data", (piece) => {
        text += piece;
      });
      response.once("end", () => {
        const parsed = text === "" ? {} : JSON.parse(text);
        resolve({ status: response.statusCode ?? 0, body: parsed, headers: response.headers });
      });
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

const post = (value: unknown) => ({
  options: { method: "POST", headers: { "content-type": "application/json" } },
  body: JSON.stringify(value),
});

let fixture: GatewayFixture;
beforeEach(async () => {
  fixture = await gatewayFixture({ store: memoryStore({ clock }), clock, random });
});
afterEach(() => fixture.authority.close());

const client = ({ privateKeyPem, certificatePem, caCertificatePem }: DoorCredentials) => ({
  key: privateKeyPem,
  cert: certificatePem,
  ca: caCertificatePem,
});

describe("the API door", () => {
  let door: ApiDoor;
  let port: number;
  const agents: Agent[] = [];

  beforeEach(async () => {
    const { services, metrics, credentials } = fixture;
    door = new ApiDoor({ host: "127.0.0.1", port: 0, services, metrics, credentials });
    await door.start();
    port = door.address?.port ?? 0;
  });
  afterEach(async () => {
    for (const agent of agents.splice(0)) agent.destroy();
    await door.stop();
  });
  const keepAlive = (credentials: DoorCredentials) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ...client(credentials) });
    agents.push(agent);
    return agent;
  };

  it("knows a person by the certificate", async () => {
    const carol = await fixture.person("carol@home.alice", ["/shared:read+write"]);
    const { status, body } = await send(port, "/api/whoami", client(carol));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      kind: "person",
      name: "carol@home.alice",
      operator: false,
      grants: [{ path: "/shared", rights: ["read", "write"] }],
    });
  });

  it("takes the coordinator's certificate for the operator's", async () => {
    const { body } = await send(port, "/api/whoami", client(fixture.credentials));
    expect(body).toMatchObject({ kind: "coordinator", operator: true });
  });

  it("refuses a person what is the operator's", async () => {
    const carol = client(await fixture.person("carol@home.alice", ["/shared:read"]));
    for (const [method, path] of [
      ["GET", "/api/identities"],
      ["DELETE", "/api/nodes/some"],
    ] as const) {
      const { status, body } = await send(port, path, { ...carol, method });
      expect([status, body.code]).toEqual([403, "MESH_FORBIDDEN"]);
    }
    const { options, body } = post({ kind: "node" });
    const invite = await send(port, "/api/invites", { ...carol, ...options }, body);
    expect(invite.status).toBe(403);
  });

  it("does not serve the page", async () => {
    expect((await send(port, "/", client(fixture.credentials))).status).toBe(404);
  });

  it("refuses no certificate, a foreign one, an old TLS and plaintext", async () => {
    const ca = fixture.credentials.caCertificatePem;
    await expect(send(port, "/health", { ca })).rejects.toThrow();
    const stranger = await foreignCredentials();
    await expect(send(port, "/health", { ...client(stranger), ca })).rejects.toThrow();
    const old = { ...client(fixture.credentials), maxVersion: "TLSv1.2" } as const;
    await expect(send(port, "/health", old)).rejects.toThrow();
    await expect(
      new Promise((resolve, reject) => {
        request({ host: "127.0.0.1", port, path: "/health" }, resolve).once("error", reject).end();
      }),
    ).rejects.toThrow();
  });

  it("refuses a certificate of the right CA for a key that nobody let in", async () => {
    const unknown = await issued(fixture.ca, 60_000);
    const { status, body } = await send(port, "/api/whoami", client(unknown));
    expect([status, body.code]).toEqual([401, "MESH_CERT_UNTRUSTED"]);
    // Health tells nothing about the member, and is for anybody with a certificate.
    expect((await send(port, "/health", client(unknown))).status).toBe(200);
  });

  it("refuses an expired certificate in the handshake", async () => {
    const expired = await issued(fixture.ca, -86_400_000);
    await expect(send(port, "/health", client(expired))).rejects.toThrow();
  });

  it("refuses a revoked certificate", async () => {
    const carol = await fixture.person("carol@home.alice", ["/shared:read"]);
    await fixture.authority.revoke(fixture.services.operator, carol.nodeId, "test");
    const { status, body } = await send(port, "/api/whoami", client(carol));
    expect([status, body.code]).toEqual([401, "MESH_CERT_REVOKED"]);
  });

  it("ends the open connections of a revoked identity, and no others", async () => {
    const carol = await fixture.person("carol@home.alice", ["/shared:read"]);
    const [hers, operators] = [keepAlive(carol), keepAlive(fixture.credentials)];
    await send(port, "/api/whoami", { agent: hers });
    await send(port, "/api/whoami", { agent: operators });
    const socket = Object.values(hers.freeSockets)[0]?.[0] as TLSSocket;
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const { options, body } = post({ identity: carol.nodeId, reason: "lost laptop" });
    const revoked = await send(port, "/api/revocations", { ...options, agent: operators }, body);
    expect(revoked.body).toMatchObject({ revoked: { nodeId: carol.nodeId }, epoch: 1 });
    await closed;
    const again = await send(port, "/api/whoami", { agent: hers });
    expect(again.body.code).toBe("MESH_CERT_REVOKED");
  });

  it("renews the caller's own key and refuses another", async () => {
    const keys = generateKeyPair();
    const carol = await enrolled(keys);
    const good = post({ csrPem: await createCertificateRequest(keys) });
    const renewed = await send(
      port,
      "/api/identity/renew",
      { ...client(carol), ...good.options },
      good.body,
    );
    expect(renewed.status).toBe(200);
    expect(renewed.body.certificatePem).toContain("BEGIN CERTIFICATE");
    const other = post({ csrPem: await createCertificateRequest(generateKeyPair()) });
    const refused = await send(
      port,
      "/api/identity/renew",
      { ...client(carol), ...other.options },
      other.body,
    );
    expect([refused.status, refused.body.code]).toEqual([400, "MESH_CERT_INVALID"]);
  });

  it("shows a renewed certificate to new connections without a restart", async () => {
    const before = await serverSerial();
    door.reload(await fixture.renewCoordinator());
    expect(await serverSerial()).not.toBe(before);
  });

  it("moves a large body both ways", async () => {
    const bytes = Buffer.alloc(5 << 20, "hearth");
    const options = { ...client(fixture.credentials), method: "PUT" };
    const put = await send(port, "/api/files/content?path=%2Fbig", options, bytes);
    expect(put.body).toMatchObject({ entry: { sizeBytes: bytes.length } });
    expect(fixture.files.bytesTaken).toBe(bytes.length);
  });

  async function enrolled(keys: KeyPairPem): Promise<DoorCredentials> {
    const { authority, services, credentials } = fixture;
    const invite = await authority.createInvite(services.operator, {
      kind: "person",
      grants: [{ path: "/shared", rights: ["read"], effect: "allow" }],
      validityMs: 60_000,
      endpoints: [],
    });
    const result = await authority.enrol({
      inviteId: invite.code.id,
      secret: invite.code.secret,
      csrPem: await createCertificateRequest(keys),
      kind: "person",
      name: "carol@home.alice",
    });
    return {
      privateKeyPem: keys.privateKeyPem,
      certificatePem: result.certificatePem,
      caCertificatePem: credentials.caCertificatePem,
    };
  }

  function serverSerial(): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { host: "localhost", port, ...client(fixture.credentials) };
      const socket = connect(options, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.once("error", reject);
    });
  }
});

async function foreignCredentials(): Promise<DoorCredentials> {
  const names = { memberId: "mallory", trustDomain: "home.alice" };
  return issued(await createMemberCa({ ...names, clock, random }), 60_000);
}

/** A certificate straight from a CA, that ends this long from now. */
async function issued(ca: MemberCa, endsInMs: number): Promise<DoorCredentials> {
  const keys = generateKeyPair();
  const { certificatePem } = await issueCertificate({
    ca,
    publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
    kind: "person",
    trustDomain: fixture.services.member.trustDomain,
    name: "carol@home.alice",
    validityMs: 60_000,
    clock: { ...clock, nowMs: () => clock.nowMs() + endsInMs - 60_000 },
    random,
  });
  return {
    privateKeyPem: keys.privateKeyPem,
    certificatePem,
    caCertificatePem: ca.certificatePem,
  };
}

describe("the enrolment door", () => {
  let door: EnrolmentDoor;
  let port: number;

  beforeEach(async () => {
    const { services, metrics, credentials } = fixture;
    door = new EnrolmentDoor({ host: "127.0.0.1", port: 0, services, metrics, credentials });
    await door.start();
    port = door.address?.port ?? 0;
  });
  afterEach(() => door.stop());

  const order = async (code: string) => {
    const { id, secret } = parseInvite(code);
    const csrPem = await createCertificateRequest(generateKeyPair());
    return { inviteId: id, secret, csrPem, kind: "person", name: "dora@home.alice" };
  };
  const invite = async () => {
    const { authority, services } = fixture;
    const made = await authority.createInvite(services.operator, {
      kind: "person",
      grants: [{ path: "/shared", rights: ["read"], effect: "allow" }],
      validityMs: 60_000,
      endpoints: [],
    });
    return made.text;
  };
  const enrol = (value: unknown, path = "/enrol") => {
    const { options, body } = post(value);
    return send(port, path, { ...options, ca: fixture.credentials.caCertificatePem }, body);
  };

  it("redeems an invite for somebody without a certificate", async () => {
    const { status, body } = await enrol(await order(await invite()));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      memberId: "alice",
      spiffeId: "spiffe://home.alice/person/dora@home.alice",
      coordinator: { apiAddresses: ["localhost:8001"] },
    });
  });

  it("sends the CA in its chain, so that the pin can be checked", async () => {
    const chain = await new Promise<Uint8Array[]>((resolve, reject) => {
      const socket = connect(
        {
          host: "localhost",
          port,
          rejectUnauthorized: true,
          ca: fixture.credentials.caCertificatePem,
        },
        () => {
          const leaf = socket.getPeerCertificate(true);
          socket.destroy();
          resolve([leaf.raw, leaf.issuerCertificate.raw]);
        },
      );
      socket.once("error", reject);
    });
    const nowMs = clock.nowMs();
    expect(() => checkPinnedChain(chain, { caPin: fixture.authority.caPin, nowMs })).not.toThrow();
  });

  it("answers a wrong secret and an unknown invite alike", async () => {
    const code = await invite();
    const right = await order(code);
    const wrong = await enrol({ ...right, secret: "a".repeat(32) });
    const unknown = await enrol({ ...right, inviteId: "a".repeat(10) });
    expect(wrong.status).toBe(404);
    const { instance: _first, ...wrongBody } = wrong.body;
    const { instance: _second, ...unknownBody } = unknown.body;
    expect(wrongBody).toEqual(unknownBody);
    expect(JSON.stringify(wrong.body)).not.toContain(right.secret);
  });

  it("has no other route, takes small bodies and limits attempts", async () => {
    const ca = fixture.credentials.caCertificatePem;
    expect((await send(port, "/api/status", { ca })).status).toBe(404);
    expect((await enrol({ csrPem: "x".repeat(70_000) })).body.code).toBe("MESH_BODY_TOO_LARGE");
    const bad = await order(await invite());
    let last: Answer | undefined;
    for (let attempt = 0; attempt < 6; attempt++) last = await enrol({ ...bad, secret: "b" });
    expect([last?.status, last?.body.code]).toEqual([429, "MESH_LIMIT"]);
    expect(Number(last?.headers["retry-after"])).toBeGreaterThan(0);
  });

  it("refuses a recovery that proves nothing", async () => {
    const keys = generateKeyPair();
    const { status, body } = await enrol(
      {
        nodeId: keys.nodeId,
        csrPem: await createCertificateRequest(keys),
        signedAtMs: clock.nowMs(),
        signature: Buffer.alloc(64).toString("base64"),
      },
      "/recover",
    );
    expect([status, body.code]).toEqual([401, "MESH_UNAUTHENTICATED"]);
  });
});
