/** A member for tests: a CA and a coordinator's TLS doors, with answers that a test may change. */
import type { IncomingMessage, ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import {
  type Clock,
  limits,
  type MemberId,
  type MeshError,
  parseInviteId,
  parseTrustDomain,
  systemRandom,
} from "@hearthmesh/core";
import {
  caPinOf,
  checkCertificateRequest,
  createMemberCa,
  encodeInvite,
  generateKeyPair,
  issueCertificate,
  type MemberCa,
  newInviteSecret,
  nodeIdOfPublicKey,
  type PrincipalKind,
  publicKeyDerOf,
} from "@hearthmesh/identity";

export interface ReceivedRequest {
  method: string;
  path: string;
  body: Record<string, unknown>;
  /** Of the client certificate, when there was one. */
  clientNodeId: string | undefined;
}

export class SmallMember {
  readonly received: ReceivedRequest[] = [];
  /** May throw, or change the answer. */
  onRequest: (request: ReceivedRequest, answer: Record<string, unknown>) => unknown = (_, answer) =>
    answer;
  validityMs = limits.PERSON_CERTIFICATE_VALIDITY_MS_MAX;
  readonly #servers: https.Server[] = [];

  private constructor(
    readonly memberId: string,
    readonly ca: MemberCa,
    readonly clock: Clock,
  ) {}

  static async create(memberId: string, clock: Clock): Promise<SmallMember> {
    const trustDomain = `home.${memberId}`;
    const ca = await createMemberCa({ memberId, trustDomain, clock, random: systemRandom() });
    return new SmallMember(memberId, ca, clock);
  }

  /** The port of a door on loopback. */
  async listen(kind: PrincipalKind = "coordinator", askClient = false): Promise<number> {
    const keys = generateKeyPair();
    const { certificatePem } = await this.issue(keys.publicKeyPem, kind, "alice-coordinator");
    const server = https.createServer(
      {
        key: keys.privateKeyPem,
        cert: certificatePem + this.ca.certificatePem,
        ca: this.ca.certificatePem,
        requestCert: askClient,
        rejectUnauthorized: askClient,
        minVersion: "TLSv1.3",
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  invite(...ports: number[]): string {
    return encodeInvite({
      memberId: this.memberId as MemberId,
      caPin: caPinOf(this.ca.certificatePem),
      id: parseInviteId("abcdefghij"),
      secret: newInviteSecret(systemRandom()),
      endpoints: ports.map((port) => ({ host: "127.0.0.1", port })),
    }).text;
  }

  issue(publicKeyPem: string, kind: PrincipalKind, name: string) {
    const trustDomain = parseTrustDomain(`home.${this.memberId}`);
    const { ca, clock, validityMs } = this;
    const publicKeyDer = publicKeyDerOf(publicKeyPem);
    const random = systemRandom();
    return issueCertificate({
      ca,
      publicKeyDer,
      kind,
      trustDomain,
      name,
      validityMs,
      clock,
      random,
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of request as AsyncIterable<Uint8Array>) pieces.push(piece);
    const text = Buffer.concat(pieces).toString();
    const peer = (request.socket as TLSSocket).getPeerX509Certificate();
    const received: ReceivedRequest = {
      method: request.method ?? "",
      path: request.url ?? "",
      body: text === "" ? {} : JSON.parse(text),
      clientNodeId:
        peer && nodeIdOfPublicKey(peer.publicKey.export({ type: "spki", format: "der" })),
    };
    this.received.push(received);
    try {
      const answer = this.onRequest(received, await this.#answer(received));
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(answer));
    } catch (error) {
      const known = error as MeshError;
      response.statusCode = known.status;
      response.setHeader("content-type", "application/problem+json");
      const { code, hint, message, status } = known;
      response.end(JSON.stringify({ code, hint, status, title: code, detail: message }));
    }
  }

  async #answer({ body }: ReceivedRequest): Promise<Record<string, unknown>> {
    if (typeof body.csrPem !== "string") return {};
    const { publicKeyDer } = await checkCertificateRequest(body.csrPem);
    const base64 = Buffer.from(publicKeyDer).toString("base64");
    const pem = `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`;
    const name = typeof body.name === "string" ? body.name : "carol@office.carol";
    const { certificatePem, spiffeId } = await this.issue(pem, "person", name);
    return {
      certificatePem,
      caCertificatePem: this.ca.certificatePem,
      memberId: this.memberId,
      trustDomain: `home.${this.memberId}`,
      spiffeId,
      grants: [{ path: "/shared", rights: ["read", "write"], effect: "allow" }],
      roles: [],
      coordinator: { nodeId: "c".repeat(52), apiAddresses: [], linkAddresses: [] },
    };
  }
}

/** A clock that a test can put forward. */
export class SettableClock implements Clock {
  offsetMs = 0;

  nowMs(): number {
    return Date.now() + this.offsetMs;
  }

  monotonicMs(): number {
    return performance.now();
  }

  setTimeout(callback: () => void, delayMs: number): { cancel(): void } {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  }
}
