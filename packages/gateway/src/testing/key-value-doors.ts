/** A gateway with a key-value service on both API doors, and short ways to ask it. */
import { request as httpsRequest } from "node:https";
import { KeyValueService, type KeyValueServiceOptions } from "@hearthmesh/collective";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { keyValuePath } from "../contracts/index.js";
import { ApiDoor } from "../doors/api-door.js";
import { LoopbackDoor } from "../doors/loopback-door.js";
import type { DoorCredentials } from "../services.js";
import { type GatewayFixture, gatewayFixture } from "./gateway-fixture.js";

/** What answers of these endpoints may hold; a test asks for what it expects. */
interface Body {
  readonly code: string;
  readonly revision: number;
  readonly lease: { readonly leaseId: number };
  readonly leases: readonly unknown[];
  readonly entries: readonly { readonly key: string }[];
  readonly held: { readonly token: number; readonly sinceMs: number };
  readonly lock: { readonly waiting: number };
  readonly locks: readonly unknown[];
  readonly more: boolean;
}

export async function bodyOf(answer: Response | Promise<Response>): Promise<Body> {
  return (await (await answer).json()) as Body;
}

/** Status and code; throws for an answer that is no problem document. */
export async function problem(answer: Response): Promise<[status: number, code: string]> {
  const type = answer.headers.get("content-type") ?? "";
  if (!type.includes("application/problem+json")) throw new Error(`the answer is of type ${type}`);
  return [answer.status, (await bodyOf(answer)).code];
}

export const base64 = (text: string): string => Buffer.from(text).toString("base64");

type UsersStore = KeyValueServiceOptions["store"];

export interface PersonAnswer {
  readonly status: number;
  readonly text: string;
}

export interface PersonRequest {
  readonly method?: string;
  readonly body?: string;
  /** Called with all that has come so far. */
  readonly seen?: (text: string) => void;
}

export class KeyValueDoors {
  readonly fixture: GatewayFixture;
  readonly keyValue: KeyValueService;
  readonly store: UsersStore;
  /** Of the loopback door, where the caller is the operator. */
  readonly base: string;
  readonly #http: LoopbackDoor;
  readonly #api: ApiDoor;

  private constructor(
    fixture: GatewayFixture,
    keyValue: KeyValueService,
    store: UsersStore,
    doors: { http: LoopbackDoor; api: ApiDoor },
  ) {
    this.fixture = fixture;
    this.keyValue = keyValue;
    this.store = store;
    this.#http = doors.http;
    this.#api = doors.api;
    this.base = `http://localhost:${doors.http.address?.port}`;
  }

  static async open(store: UsersStore): Promise<KeyValueDoors> {
    const clock = systemClock();
    const fixture = await gatewayFixture({ store, clock, random: systemRandom() });
    const policy = fixture.authority;
    const keyValue = new KeyValueService({ store, policy, clock, log: silentLogger });
    const services = { ...fixture.services, keyValue };
    const { metrics, credentials } = fixture;
    const common = { host: "127.0.0.1", port: 0, services, metrics, credentials };
    const http = new LoopbackDoor(common);
    const api = new ApiDoor(common);
    await http.start();
    await api.start();
    return new KeyValueDoors(fixture, keyValue, store, { http, api });
  }

  async close(): Promise<void> {
    this.keyValue.close();
    await this.#http.stop();
    await this.#api.stop();
    await this.fixture.authority.close();
    await this.store.close();
  }

  url(key: string, query = ""): string {
    return `${this.base}${keyValuePath(key)}${query}`;
  }

  put(key: string, body: string | Uint8Array, headers = {}, query = ""): Promise<Response> {
    return fetch(this.url(key, query), { method: "PUT", body: Buffer.from(body), headers });
  }

  post(path: string, body: unknown): Promise<Response> {
    const headers = { "content-type": "application/json" };
    return fetch(this.base + path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** Under mutual TLS, as this person. */
  as(
    credentials: DoorCredentials,
    path: string,
    { method = "GET", body, seen = () => undefined }: PersonRequest = {},
  ): Promise<PersonAnswer> {
    const { privateKeyPem: key, certificatePem: cert, caCertificatePem: ca } = credentials;
    const tls = { key, cert, ca, servername: "localhost", agent: false as const };
    const target = { host: "127.0.0.1", port: this.#api.address?.port ?? 0, path, method };
    return new Promise((resolve, reject) => {
      const request = httpsRequest({ ...target, ...tls }, (answer) => {
        let text = "";
        answer.on("data", (piece: Buffer) => {
          text += piece.toString();
          seen(text);
        });
        const done = () => resolve({ status: answer.statusCode ?? 0, text });
        answer.on("end", done);
        answer.on("error", done);
      });
      request.once("error", reject);
      request.end(body);
    });
  }
}
