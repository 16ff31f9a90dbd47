/**
 * The HTTP API, typed. The same class talks to the loopback door of a node on this machine and to a
 * coordinator under mutual TLS; who may do what is the server's business.
 */
import { type Clock, MeshError, type Random } from "@hearthmesh/core";
import type {
  CoordinatorsResponse,
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
  NodesResponse,
  RenewRequest,
  RenewResponse,
  RevocationListResponse,
  RevocationRequest,
  RevocationResponse,
  StatusResponse,
  WhoamiResponse,
} from "@hearthmesh/gateway/contracts";
import {
  type Endpoint,
  formatEndpoint,
  parseEndpoint,
  type TrustBundle,
} from "@hearthmesh/identity";
import { isProblem, problemOf, readJson } from "./answers.js";
import type { CoordinatorFinder } from "./coordinator-finder.js";
import { askCoordinators } from "./coordinator-finder-failover.js";
import {
  type HttpAnswer,
  HttpConnection,
  type HttpRequest,
  isStream,
  readText,
} from "./http-connection.js";
import { bundleOf, coordinatorCheck } from "./server-check.js";

export interface Credentials {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caCertificatePem: string;
}

export type ApiClientOptions = {
  /** With a clock: calls wait out the few seconds in which another coordinator takes over. */
  random?: Random;
} & (
  | {
      /** `http://127.0.0.1:3000` of a node on this machine. */
      loopbackUrl: string;
      clock?: Clock;
    }
  | {
      /** `host:port` of the coordinator's API, tried in order. */
      addresses: readonly string[];
      credentials: Credentials;
      /** Of the member whose coordinators these are; default: that of the credentials. */
      bundle?: TrustBundle;
      clock: Clock;
    }
  | {
      /** Knows all coordinators of the member; it is told which of them answers. */
      finder: CoordinatorFinder;
      credentials: Credentials;
      clock: Clock;
    }
);

/** While there is another coordinator to ask; else there is no reason for haste. */
const CONNECT_TIMEOUT_MS = 3_000;
/** The whole question for the list of coordinators; nobody waits for it for long. */
const LEARN_TIMEOUT_MS = 2_000;
/** Silence that ends a call; answers are small and come from memory or a local disk. */
const CALL_IDLE_TIMEOUT_MS = 15_000;

export class ApiClient {
  readonly #options: ApiClientOptions;
  readonly #connections = new Map<string, HttpConnection>();
  #current: string;
  #learning: Promise<void> = Promise.resolve();
  #isLearning = false;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    const [first] = addressesOf(options);
    if (first === undefined) {
      throw new MeshError("MESH_UNREACHABLE", { message: "no address of a coordinator is known" });
    }
    this.#current = first;
    this.#connection(first);
  }

  /** `host:port` of the server that answered last, or is asked first. */
  get address(): string {
    return this.#current;
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

  /** A call of the API by its path: JSON there and back. For the functions beside this class. */
  call<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    return this.#json(method, path, body);
  }

  coordinators(): Promise<CoordinatorsResponse> {
    return this.#get("/api/coordinators");
  }

  /**
   * One request as it is. When its coordinator is away it goes to another one, as far as that is
   * safe (see `coordinator-finder-failover.ts`). A body that is a stream is sent only once, to the
   * address that answered last.
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const streams = isStream(request.body);
    if (streams && this.#addresses().length > 1) await this.#get("/health/live");
    const { clock, random } = this.#options;
    const haste =
      this.#addresses().length > 1 ? { connectTimeoutMs: CONNECT_TIMEOUT_MS } : undefined;
    const isRepeatable = request.isRepeatable ?? ["GET", "HEAD"].includes(request.method);
    return askCoordinators(
      {
        places: () => (streams ? [this.#current] : this.#addresses()),
        isRepeatable: isRepeatable && !streams,
        signal: request.signal,
        ...(streams ? {} : { clock, random }),
        onAnswer: (address) => {
          this.#current = address;
          this.#finder?.answered(address);
          void this.learnCoordinators();
        },
        onFailure: (address, error) => this.#finder?.failed(address, error),
      },
      async (address) => thrownAway(await this.#connection(address).send({ ...haste, ...request })),
    );
  }

  /**
   * Learns which coordinators there are, when that is due. Calls do it by themselves beside their
   * work. Never rejects: the list that is known is still good.
   */
  learnCoordinators(): Promise<void> {
    const { clock } = this.#options;
    const isDue = clock !== undefined && this.#finder?.isDue(clock.nowMs()) === true;
    if (isDue && !this.#isLearning) {
      this.#isLearning = true;
      this.#learning = this.#learn(this.#finder, clock).finally(() => {
        this.#isLearning = false;
      });
    }
    return this.#learning;
  }

  /** Resolves when what is being learnt is kept; wait for it before `close`. */
  settled(): Promise<void> {
    return this.#learning;
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
  }

  async #learn(finder: CoordinatorFinder, clock: Clock): Promise<void> {
    const stop = new AbortController();
    const timer = clock.setTimeout(() => stop.abort(), LEARN_TIMEOUT_MS);
    try {
      const request = { method: "GET", path: "/api/coordinators", signal: stop.signal };
      const answer = await this.send(request);
      await finder.learn(await readJson(answer), clock.nowMs());
    } catch {
      // An older server, or none: the next attempt is when the list is old again.
      await finder.skipLearning(clock.nowMs()).catch(() => undefined);
    } finally {
      timer.cancel();
    }
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

  get #finder(): CoordinatorFinder | undefined {
    return "finder" in this.#options ? this.#options.finder : undefined;
  }

  /** The finder knows its own order; a fixed list begins with the one that answered last. */
  #addresses(): string[] {
    const all = addressesOf(this.#options);
    if (this.#finder !== undefined) return all;
    const at = Math.max(0, all.indexOf(this.#current));
    return [...all.slice(at), ...all.slice(0, at)];
  }

  #connection(address: string): HttpConnection {
    const open = this.#connections.get(address);
    if (open !== undefined) return open;
    const options = this.#options;
    const connection =
      "loopbackUrl" in options
        ? new HttpConnection(parseEndpoint(address))
        : secureConnection(address, options);
    this.#connections.set(address, connection);
    return connection;
  }
}

function addressesOf(options: ApiClientOptions): string[] {
  if ("finder" in options) return options.finder.addresses("apiAddresses");
  if ("addresses" in options) return [...options.addresses];
  return [formatEndpoint(loopbackEndpoint(options.loopbackUrl))];
}

/** A server that is there and cannot answer says so with 503: that becomes its error. */
async function thrownAway(answer: HttpAnswer): Promise<HttpAnswer> {
  if (answer.status !== 503 || !isProblem(answer)) return answer;
  throw problemOf(answer.status, await readText(answer.body));
}

function secureConnection(
  address: string,
  options: { credentials: Credentials; bundle?: TrustBundle; clock: Clock },
): HttpConnection {
  const { caCertificatePem, certificatePem, keyPem } = options.credentials;
  const bundle = options.bundle ?? bundleOf(caCertificatePem);
  return new HttpConnection(parseEndpoint(address), {
    caCertificatePem: bundle.caCertificatesPem.join("\n"),
    client: { certificatePem, keyPem },
    checkServerIdentity: coordinatorCheck(bundle, options.clock),
  });
}

function loopbackEndpoint(url: string): Endpoint {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "http:") {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the local node is reached by http://" });
  }
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) };
}
