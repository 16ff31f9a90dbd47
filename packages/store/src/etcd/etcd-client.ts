/**
 * Calls to the cluster, whichever endpoint serves them. A call that changes nothing, or may be
 * repeated without harm, is tried until it is answered or its time is over. A write is tried again
 * only when the failure proves that nothing happened; when its answer is lost it fails with
 * `MESH_STORE_RESULT_UNKNOWN`, and never runs twice.
 */
import type * as Grpc from "@grpc/grpc-js";
import { type Clock, type Logger, MeshError, type Random, sleep } from "@hearthmesh/core";
import type { EtcdConnection } from "./connection.js";
import { EndpointPool } from "./endpoint-pool.js";
import type { TlsMaterial } from "./endpoints.js";
import {
  LOGIN_ATTEMPTS_MAX,
  READ_ATTEMPT_MS,
  REQUEST_TIMEOUT_MS,
  RETRY_FIRST_MS,
  RETRY_LONGEST_MS,
} from "./etcd-limits.js";
import { type EtcdProtocol, loadProtocol, type Method } from "./protocol.js";
import { judge, RpcFailure, resultUnknown, unavailable } from "./rpc-failure.js";

export interface EtcdClientOptions {
  /** `https://host:port`, or `http://` on this machine only. */
  readonly endpoints: readonly string[];
  /** Asked at each new connection, so that renewed certificates are taken. */
  readonly tls?: () => TlsMaterial;
  readonly user?: { readonly name: string; readonly password: string };
  /** Time for one call with all its tries; `REQUEST_TIMEOUT_MS` when left out. */
  readonly requestTimeoutMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** `once` for what must not happen twice. */
export type Repeat = "repeatable" | "once";

export class EtcdClient {
  readonly protocol: EtcdProtocol;
  readonly pool: EndpointPool;
  readonly requestTimeoutMs: number;
  readonly #options: EtcdClientOptions;
  #metadata: Grpc.Metadata;
  #login: Promise<void> | undefined;

  static async load(options: EtcdClientOptions): Promise<EtcdClient> {
    return new EtcdClient(await loadProtocol(), options);
  }

  constructor(protocol: EtcdProtocol, options: EtcdClientOptions) {
    this.protocol = protocol;
    this.#options = options;
    this.requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#metadata = this.#newMetadata(undefined);
    this.pool = new EndpointPool({
      protocol,
      endpoints: options.endpoints,
      tls: options.tls,
      clock: options.clock,
      log: options.log,
    });
  }

  /** With the token of the user, for streams. */
  get metadata(): Grpc.Metadata {
    return this.#metadata;
  }

  /** Connects and logs in; `MESH_STORE_UNAVAILABLE`, `MESH_UNAUTHENTICATED` and others. */
  async open(): Promise<void> {
    const deadlineMs = this.#options.clock.monotonicMs() + this.requestTimeoutMs;
    for (let attempt = 0; ; attempt++) {
      try {
        await this.pool.connect();
        break;
      } catch (error) {
        if (!(await this.#pause(attempt, deadlineMs))) throw error;
      }
    }
    if (this.#options.user !== undefined) await this.login();
  }

  /**
   * The answer, or a `MeshError`: what the server refused, `MESH_STORE_UNAVAILABLE`, or for `once`
   * also `MESH_STORE_RESULT_UNKNOWN`.
   */
  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    repeat: Repeat,
  ): Promise<Response> {
    const connection = this.pool.current;
    if (connection === undefined) return this.#try(method, request, repeat, undefined);
    const timeoutMs = repeat === "once" ? this.requestTimeoutMs : this.#readAttemptMs();
    return connection
      .unary(method, request, this.#metadata, timeoutMs)
      .catch((error: unknown) =>
        this.#try(method, request, repeat, { connection, failure: failureOf(error) }),
      );
  }

  /** A new token. Shared by all calls that found theirs expired. */
  login(): Promise<void> {
    this.#login ??= this.#authenticate().finally(() => {
      this.#login = undefined;
    });
    return this.#login;
  }

  /** Calls later, unless the function that it returns is called before. */
  after(delayMs: number, work: () => void): () => void {
    const timer = this.#options.clock.setTimeout(work, delayMs);
    return () => timer.cancel();
  }

  close(): void {
    this.pool.close();
  }

  /** The slow way: after a failure, or without a connection. */
  async #try<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    repeat: Repeat,
    first: { connection: EtcdConnection; failure: RpcFailure } | undefined,
  ): Promise<Response> {
    const deadlineMs = this.#options.clock.monotonicMs() + this.requestTimeoutMs;
    let logins = 0;
    let failed = first;
    let error = new MeshError("MESH_STORE_UNAVAILABLE");
    for (let attempt = 0; ; attempt++) {
      if (failed !== undefined) {
        error = this.#afterFailure(failed.connection, failed.failure, repeat);
        const { login } = judge(failed.failure);
        if (login && ++logins > LOGIN_ATTEMPTS_MAX) throw error;
        if (login) await this.login();
        else if (!(await this.#pause(attempt, deadlineMs))) throw error;
      }
      let connection: EtcdConnection;
      try {
        connection = await this.pool.connect();
      } catch (cause) {
        failed = undefined;
        error = cause instanceof MeshError ? cause : unavailable(failureOf(cause));
        if (error.code !== "MESH_STORE_UNAVAILABLE") throw error;
        if (!(await this.#pause(attempt, deadlineMs))) throw error;
        continue;
      }
      const leftMs = Math.max(1, deadlineMs - this.#options.clock.monotonicMs());
      const timeoutMs = repeat === "once" ? leftMs : Math.min(leftMs, this.#readAttemptMs());
      try {
        return await connection.unary(method, request, this.#metadata, timeoutMs);
      } catch (cause) {
        failed = { connection, failure: failureOf(cause) };
      }
    }
  }

  /** Throws when there must be no further try, or returns what to throw when the time is over. */
  #afterFailure(connection: EtcdConnection, failure: RpcFailure, repeat: Repeat): MeshError {
    const verdict = judge(failure);
    if (verdict.leave) this.pool.leave(connection, failure.message);
    if (verdict.kind === "refused") throw verdict.error;
    if (verdict.kind === "unknown" && repeat === "once") throw resultUnknown(failure);
    return verdict.error;
  }

  /** False when the time is over. */
  async #pause(attempt: number, deadlineMs: number): Promise<boolean> {
    const { clock, random } = this.#options;
    const longestMs = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10));
    const delayMs = longestMs * (0.5 + random.float() / 2);
    if (clock.monotonicMs() + delayMs >= deadlineMs) return false;
    await sleep(clock, delayMs);
    return true;
  }

  #readAttemptMs(): number {
    return Math.min(this.requestTimeoutMs, READ_ATTEMPT_MS);
  }

  async #authenticate(): Promise<void> {
    const { user } = this.#options;
    if (user === undefined) throw new MeshError("MESH_UNAUTHENTICATED");
    this.#metadata = this.#newMetadata(undefined);
    const request = { name: user.name, password: user.password };
    try {
      const { token } = await this.call(this.protocol.methods.authenticate, request, "repeatable");
      this.#metadata = this.#newMetadata(token);
    } catch (error) {
      if (!(error instanceof MeshError) || !isAuthOff(error)) throw error;
      this.#options.log.warn("the store asks for no password, though one is configured");
    }
  }

  #newMetadata(token: string | undefined): Grpc.Metadata {
    const metadata = new this.protocol.grpc.Metadata();
    // A member that has lost its leader says so at once instead of letting the call wait.
    metadata.set("hasleader", "true");
    if (token !== undefined) metadata.set("token", token);
    return metadata;
  }
}

function isAuthOff(error: MeshError): boolean {
  return String(error.details?.etcd).includes("authentication is not enabled");
}

function failureOf(error: unknown): RpcFailure {
  return error instanceof RpcFailure ? error : new RpcFailure(2, String(error));
}
