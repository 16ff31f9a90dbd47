/**
 * The HTTP API, typed. The same class talks to the loopback door of a node on this machine and to a
 * coordinator under mutual TLS; who may do what is the server's business.
 */
import { type Clock, isMeshError, MeshError } from "@hearthmesh/core";
import type {
  HealthResponse,
  IdentitiesResponse,
  InviteCreateRequest,
  InviteCreateResponse,
  InviteRevokeResponse,
  InvitesResponse,
  LayoutResponse,
  MeshPeersResponse,
  MeshRoutesResponse,
  MeshStatusResponse,
  NodeRemoveResponse,
  NodesResponse,
  RenewRequest,
  RenewResponse,
  RevocationListResponse,
  RevocationRequest,
  RevocationResponse,
  StatusResponse,
  WhoamiResponse,
} from "@hearthmesh/gateway/contracts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "@hearthmesh/identity";
import { readJson } from "./answers.js";
import { type HttpAnswer, HttpConnection, type HttpRequest } from "./http-connection.js";
import { coordinatorCheck } from "./server-check.js";

export interface Credentials {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caCertificatePem: string;
}

export type ApiClientOptions =
  | {
      /** `http://127.0.0.1:3000` of a node on this machine. */
      loopbackUrl: string;
    }
  | {
      /** `host:port` of the coordinator's API, tried in order. */
      addresses: readonly string[];
      credentials: Credentials;
      clock: Clock;
    };

/** Silence that ends a call; answers are small and come from memory or a local disk. */
const CALL_IDLE_TIMEOUT_MS = 15_000;

export class ApiClient {
  readonly #connections: readonly HttpConnection[];
  #current = 0;

  constructor(options: ApiClientOptions) {
    this.#connections =
      "loopbackUrl" in options
        ? [new HttpConnection(loopbackEndpoint(options.loopbackUrl))]
        : options.addresses.map((address) => secureConnection(address, options));
    if (this.#connections.length === 0) {
      throw new MeshError("MESH_UNREACHABLE", { message: "no address of a coordinator is known" });
    }
  }

  /** `host:port` of the server that answered last, or is asked first. */
  get address(): string {
    return formatEndpoint(this.#connection().endpoint);
  }

  /** Also what is wrong when it fails, which the server answers with 503. */
  health(): Promise<HealthResponse> {
    return this.#json("GET", "/health", undefined, 503);
  }

  status(): Promise<StatusResponse> {
    return this.#get("/api/status");
  }

  whoami(): Promise<WhoamiResponse> {
    return this.#get("/api/whoami");
  }

  nodes(): Promise<NodesResponse> {
    return this.#get("/api/nodes");
  }

  /** `node`: its name or id. */
  removeNode(node: string): Promise<NodeRemoveResponse> {
    return this.#json("DELETE", `/api/nodes/${encodeURIComponent(node)}`);
  }

  layout(): Promise<LayoutResponse> {
    return this.#get("/api/layout");
  }

  meshStatus(): Promise<MeshStatusResponse> {
    return this.#get("/mesh/status");
  }

  meshPeers(): Promise<MeshPeersResponse> {
    return this.#get("/mesh/peers");
  }

  meshRoutes(): Promise<MeshRoutesResponse> {
    return this.#get("/mesh/routes");
  }

  createInvite(request: InviteCreateRequest): Promise<InviteCreateResponse> {
    return this.#json("POST", "/api/invites", request);
  }

  invites(): Promise<InvitesResponse> {
    return this.#get("/api/invites");
  }

  /** `invite`: its public id. */
  revokeInvite(invite: string): Promise<InviteRevokeResponse> {
    return this.#json("DELETE", `/api/invites/${encodeURIComponent(invite)}`);
  }

  identities(): Promise<IdentitiesResponse> {
    return this.#get("/api/identities");
  }

  revoke(request: RevocationRequest): Promise<RevocationResponse> {
    return this.#json("POST", "/api/revocations", request);
  }

  revocationList(): Promise<RevocationListResponse> {
    return this.#get("/api/revocation-list");
  }

  /** Only under mutual TLS: for the key that asks. */
  renew(request: RenewRequest): Promise<RenewResponse> {
    return this.#json("POST", "/api/identity/renew", request);
  }

  /** A call of the API by its path: JSON there and back. For the functions of `keys.ts`. */
  call<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    return this.#json(method, path, body);
  }

  /** One request as it is; a body that is a stream is sent to the address that answered last. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const streams = request.body !== undefined && typeof request.body !== "string";
    if (streams && this.#connections.length > 1) await this.#get("/health/live");
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#connection().send(request);
      } catch (error) {
        request.signal?.throwIfAborted();
        if (streams || attempt >= this.#connections.length || !isAway(error)) throw error;
        this.#current = (this.#current + 1) % this.#connections.length;
      }
    }
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #get<Answer>(path: string): Promise<Answer> {
    return this.#json("GET", path);
  }

  async #json<Answer>(
    method: string,
    path: string,
    body?: object,
    alsoGood?: number,
  ): Promise<Answer> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await this.send({
      method,
      path,
      headers,
      idleTimeoutMs: CALL_IDLE_TIMEOUT_MS,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return readJson<Answer>(answer, alsoGood);
  }

  #connection(): HttpConnection {
    const connection = this.#connections[this.#current];
    if (connection === undefined) throw new MeshError("MESH_INTERNAL");
    return connection;
  }
}

function secureConnection(
  address: string,
  options: { credentials: Credentials; clock: Clock },
): HttpConnection {
  const { caCertificatePem, certificatePem, keyPem } = options.credentials;
  return new HttpConnection(parseEndpoint(address), {
    caCertificatePem,
    client: { certificatePem, keyPem },
    checkServerIdentity: coordinatorCheck(caCertificatePem, options.clock),
  });
}

function loopbackEndpoint(url: string): Endpoint {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "http:") {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the local node is reached by http://" });
  }
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) };
}

function isAway(error: unknown): boolean {
  return isMeshError(error, "MESH_UNREACHABLE") || isMeshError(error, "MESH_TIMEOUT");
}
