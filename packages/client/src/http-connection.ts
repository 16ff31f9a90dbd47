/**
 * HTTP/1.1 to one server: plain to this machine's own loopback, else TLS 1.3 with both sides
 * proved.
 */
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import type { PeerCertificate } from "node:tls";
import { asUnsent, limits, MeshError } from "@hearthmesh/core";
import { type Endpoint, formatEndpoint } from "@hearthmesh/identity";
import { networkError } from "./network-errors.js";

export interface TlsOptions {
  readonly caCertificatePem: string;
  /** Absent only where the server knows nobody yet: at the enrolment port. */
  readonly client?: { readonly certificatePem: string; readonly keyPem: string };
  checkServerIdentity(host: string, certificate: PeerCertificate): Error | undefined;
}

export interface HttpRequest {
  readonly method: string;
  /** With the query, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** Longest silence of the server. Default 60 s. */
  readonly idleTimeoutMs?: number;
  /** Longest silence before the connection is there: a machine without power refuses nothing. */
  readonly connectTimeoutMs?: number;
  /** Doing it twice is as good as once. Default: of GET and HEAD alone. */
  readonly isRepeatable?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Must be read or destroyed, or the connection stays taken. */
  readonly body: http.IncomingMessage;
}

const CONNECTIONS_MAX = 32;
const IDLE_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 15_000;

export class HttpConnection {
  readonly endpoint: Endpoint;
  readonly #agent: http.Agent;
  readonly #tls: TlsOptions | undefined;

  /**
   * Without `tls` only loopback addresses are accepted: nothing goes over a network in plaintext.
   */
  constructor(endpoint: Endpoint, tls?: TlsOptions) {
    if (tls === undefined && !isLoopback(endpoint.host)) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: `${formatEndpoint(endpoint)} is not this machine: it needs --ca, --cert and --key`,
      });
    }
    this.endpoint = endpoint;
    this.#tls = tls;
    const pool = { keepAlive: true, maxSockets: CONNECTIONS_MAX };
    this.#agent = tls === undefined ? new http.Agent(pool) : new https.Agent(pool);
  }

  get isTls(): boolean {
    return this.#tls !== undefined;
  }

  /**
   * Resolves with the head of the answer. Network failures are `MeshError`s, marked by `asUnsent`
   * when there was no connection yet.
   */
  send(request: HttpRequest): Promise<HttpAnswer> {
    const address = formatEndpoint(this.endpoint);
    return new Promise((resolve, reject) => {
      const outgoing = this.#open(request);
      let answered = false;
      let connected = false;
      whenConnected(outgoing, this.isTls, () => {
        connected = true;
        outgoing.setTimeout(request.idleTimeoutMs ?? IDLE_TIMEOUT_MS);
      });
      outgoing.once("response", (body) => {
        answered = true;
        resolve({ status: body.statusCode ?? 0, headers: body.headers, body });
      });
      outgoing.on("error", (error) => {
        const known = networkError(error, address);
        reject(connected ? known : asUnsent(known));
      });
      outgoing.on("timeout", () => {
        const code = connected ? "MESH_TIMEOUT" : "MESH_UNREACHABLE";
        outgoing.destroy(new MeshError(code, { message: `${address}: no answer came in time` }));
      });
      sendBody(outgoing, request.body, () => answered).catch((error: unknown) => {
        outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
        reject(error);
      });
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #open(request: HttpRequest): http.ClientRequest {
    const { host, port } = this.endpoint;
    const options: https.RequestOptions = {
      host,
      port,
      method: request.method,
      path: request.path,
      headers: request.headers ?? {},
      agent: this.#agent,
      timeout: request.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    };
    if (this.#tls === undefined) return http.request(options);
    const { caCertificatePem, client, checkServerIdentity } = this.#tls;
    return https.request({
      ...options,
      ca: caCertificatePem,
      ...(client === undefined ? {} : { cert: client.certificatePem, key: client.keyPem }),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      minVersion: "TLSv1.3",
      rejectUnauthorized: true,
      checkServerIdentity,
    });
  }
}

/** Calls when the request goes out: at once on a connection that was kept. */
function whenConnected(outgoing: http.ClientRequest, isTls: boolean, then: () => void): void {
  outgoing.once("socket", (socket) => {
    if (outgoing.reusedSocket) then();
    else socket.once(isTls ? "secureConnect" : "connect", then);
  });
}

/** Sends as fast as the socket takes it; stops early when the server has already answered. */
async function sendBody(
  outgoing: http.ClientRequest,
  body: HttpRequest["body"],
  answered: () => boolean,
): Promise<void> {
  if (isStream(body)) {
    for await (const piece of body) {
      if (answered() || outgoing.destroyed) break;
      if (!outgoing.write(piece)) await drained(outgoing);
    }
    outgoing.end();
    return;
  }
  outgoing.end(body);
}

/** Bytes that come as they are made, and cannot be sent a second time. */
export function isStream(body: HttpRequest["body"]): body is AsyncIterable<Uint8Array> {
  return body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array);
}

function drained(outgoing: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ["drain", "close", "response"]) outgoing.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close", "response"]) outgoing.once(event, done);
  });
}

/** The whole body as text, at most `HTTP_ANSWER_BYTES_MAX`. */
export async function readText(body: http.IncomingMessage): Promise<string> {
  const bytes = await readBytes(body, limits.HTTP_ANSWER_BYTES_MAX);
  return bytes.toString("utf8");
}

/** The whole body. `MESH_PROTOCOL` when it is longer, `MESH_UNREACHABLE` when it breaks off. */
export async function readBytes(body: http.IncomingMessage, bytesMax: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const piece of body as AsyncIterable<Uint8Array>) {
      sizeBytes += piece.length;
      if (sizeBytes > bytesMax) {
        throw new MeshError("MESH_PROTOCOL", { message: "the answer is too long" });
      }
      pieces.push(piece);
    }
  } catch (error) {
    body.destroy();
    throw networkError(error, "the answer");
  }
  return Buffer.concat(pieces);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
