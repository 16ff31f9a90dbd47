/** Speaks to one member of a federation of processes: as its operator, and as its guests. */
import { request } from "node:https";
import { type Credentials, type Enrolment, enrolWithInvite } from "@hearthmesh/client";
import { systemClock } from "@hearthmesh/core";
import { generateKeyPair, type KeyPairPem } from "@hearthmesh/identity";
import type { FederationMember } from "../../scripts/federation-processes.mjs";

export interface Guest {
  readonly keyPair: KeyPairPem;
  readonly enrolment: Enrolment;
  readonly credentials: Credentials;
}

export interface CreatedInvite {
  readonly code: string;
  readonly invite: { readonly id: string; readonly notAfterMs: number };
}

export class MemberCaller {
  readonly #member: FederationMember;

  constructor(member: FederationMember) {
    this.#member = member;
  }

  /** As the operator, through the loopback door; the JSON of the answer, whatever its status. */
  async ask(method: string, path: string, body?: object | Uint8Array) {
    const isJson = body !== undefined && !(body instanceof Uint8Array);
    const answer = await fetch(`${this.#member.coordinator.httpUrl}${path}`, {
      method,
      ...(isJson ? { headers: { "content-type": "application/json" } } : {}),
      ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : Buffer.from(body) }),
    });
    return JSON.parse(await answer.text());
  }

  invite(grants: readonly string[], more: object = {}): Promise<CreatedInvite> {
    return this.ask("POST", "/api/invites", { kind: "person", grants, ...more });
  }

  /** Redeems the code as somebody new. */
  async redeem(inviteText: string, name: string): Promise<Guest> {
    const keyPair = generateKeyPair();
    const clock = systemClock();
    const enrolment = await enrolWithInvite({ inviteText, kind: "person", name, keyPair, clock });
    const { certificatePem, caCertificatePem } = enrolment;
    const credentials = { keyPem: keyPair.privateKeyPem, certificatePem, caCertificatePem };
    return { keyPair, enrolment, credentials };
  }

  async guest(name: string, ...grants: string[]): Promise<Guest> {
    const { code } = await this.invite(grants);
    return this.redeem(code, name);
  }

  /**
   * Over TLS as it is, with any certificate or none, at the API or at enrolment; the server's own
   * certificate is checked. `status` is 0 when there was no answer.
   */
  raw(options: {
    port?: "api" | "enrolment";
    method?: string;
    path: string;
    headers?: Record<string, string>;
    body?: string;
    client?: { keyPem: string; certificatePem: string };
    ca: string;
  }): Promise<{ status: number; body: string }> {
    const { path, headers = {}, client, ca, method = "GET", port = "api" } = options;
    const base = port === "api" ? 8001 : 9001;
    return new Promise((resolve) => {
      const outgoing = request(
        {
          ...{ host: "127.0.0.1", port: base + this.#member.coordinator.portBase, path, method },
          ...{ headers, ca, agent: false },
          ...(client === undefined ? {} : { key: client.keyPem, cert: client.certificatePem }),
        },
        async (answer) => {
          const pieces: Buffer[] = [];
          for await (const piece of answer) pieces.push(piece as Buffer);
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(pieces).toString() });
        },
      );
      outgoing.on("error", (error) => resolve({ status: 0, body: error.message }));
      outgoing.end(options.body);
    });
  }
}
