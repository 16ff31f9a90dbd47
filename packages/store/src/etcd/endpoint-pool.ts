/**
 * The endpoints of one cluster, and the one that is used now. An endpoint is used after it has said
 * that it has a leader, is no learner, has a version that we speak, and belongs to the cluster that
 * was met first. It is left when it fails, stalls or loses its leader; the next one that answers is
 * then used.
 */
import type * as Grpc from "@grpc/grpc-js";
import { type Clock, type Logger, MeshError, sleep } from "@hearthmesh/core";
import { EtcdConnection } from "./connection.js";
import { makeChannel, type TlsMaterial, validateEndpoints } from "./endpoints.js";
import { AVOID_MS, CONNECT_STAGGER_MS, CONNECT_TIMEOUT_MS } from "./etcd-limits.js";
import type { StatusResponse } from "./messages.js";
import type { EtcdProtocol } from "./protocol.js";
import { RpcFailure } from "./rpc-failure.js";

export interface EndpointPoolOptions {
  readonly protocol: EtcdProtocol;
  readonly endpoints: readonly string[];
  readonly tls: (() => TlsMaterial) | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Endpoint {
  readonly url: string;
  connection: EtcdConnection | undefined;
  /** What `connection` was made with. */
  tls: TlsMaterial | undefined;
  avoidUntilMs: number;
}

export class EndpointPool {
  readonly #options: EndpointPoolOptions;
  readonly #metadata: Grpc.Metadata;
  #endpoints: Endpoint[] = [];
  #current: EtcdConnection | undefined;
  #connecting: Promise<EtcdConnection> | undefined;
  #clusterId: string | undefined;
  #closed = false;

  constructor(options: EndpointPoolOptions) {
    this.#options = options;
    this.#metadata = new options.protocol.grpc.Metadata();
    this.#metadata.set("hasleader", "true");
    this.setEndpoints(options.endpoints);
  }

  /** The connection to use, when there is one that works as far as is known. */
  get current(): EtcdConnection | undefined {
    return this.#current;
  }

  /** Takes other endpoints of the same cluster. Calls under way are answered still. */
  setEndpoints(urls: readonly string[]): void {
    validateEndpoints(urls, this.#options.tls !== undefined);
    const kept = new Map(this.#endpoints.map((endpoint) => [endpoint.url, endpoint]));
    this.#endpoints = [...new Set(urls)].map(
      (url) => kept.get(url) ?? { url, connection: undefined, tls: undefined, avoidUntilMs: 0 },
    );
    for (const endpoint of this.#endpoints) kept.delete(endpoint.url);
    for (const { connection } of kept.values()) {
      if (connection === undefined) continue;
      if (this.#current === connection) this.#current = undefined;
      void this.#closeWhenIdle(connection);
    }
  }

  /**
   * A connection to an endpoint that can serve; the attempt is shared by all that wait. Rejects
   * with `MESH_STORE_UNAVAILABLE`, which tells why each endpoint failed, or `MESH_STORE_NEWER`.
   */
  connect(): Promise<EtcdConnection> {
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    this.#connecting ??= this.#connectAny().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  /** Begins anew at all endpoints, as after a start. Calls under way are answered still. */
  redial(): void {
    const old = this.#endpoints;
    this.#current = undefined;
    this.#endpoints = old.map(({ url }) => ({
      ...{ url, connection: undefined, tls: undefined },
      avoidUntilMs: 0,
    }));
    for (const { connection } of old) {
      if (connection !== undefined) void this.#closeWhenIdle(connection);
    }
  }

  /** New calls go elsewhere, when there is an elsewhere. */
  leave(connection: EtcdConnection, reason: string): void {
    if (this.#current !== connection) return;
    this.#current = undefined;
    const endpoint = this.#endpoints.find((each) => each.connection === connection);
    if (endpoint !== undefined) endpoint.avoidUntilMs = this.#nowMs() + AVOID_MS;
    if (this.#closed) return;
    this.#options.log.info("left an endpoint of the store", {
      peerAddress: connection.endpoint,
      reason,
    });
  }

  close(): void {
    this.#closed = true;
    this.#current = undefined;
    for (const endpoint of this.#endpoints) endpoint.connection?.close();
  }

  async #connectAny(): Promise<EtcdConnection> {
    const failures: unknown[] = [];
    const nowMs = this.#nowMs();
    const order = [...this.#endpoints].sort(
      (a, b) => Math.max(a.avoidUntilMs, nowMs) - Math.max(b.avoidUntilMs, nowMs),
    );
    const won = new AbortController();
    const attempts = order.map(async (endpoint, place) => {
      if (place > 0) {
        await sleep(this.#options.clock, place * CONNECT_STAGGER_MS, won.signal);
      }
      try {
        return await this.#handshake(endpoint);
      } catch (error) {
        failures.push(error);
        throw error;
      }
    });
    try {
      const connection = await Promise.any(attempts);
      if (this.#closed) throw new MeshError("MESH_STORE_CLOSED");
      return this.#use(connection);
    } catch (error) {
      throw error instanceof AggregateError ? this.#whyNone(failures) : error;
    } finally {
      won.abort();
    }
  }

  #use(connection: EtcdConnection): EtcdConnection {
    this.#current = connection;
    connection.whenLost(() => this.leave(connection, "the connection broke"));
    this.#options.log.debug("uses an endpoint of the store", { peerAddress: connection.endpoint });
    return connection;
  }

  async #handshake(endpoint: Endpoint): Promise<EtcdConnection> {
    const connection = this.#connectionOf(endpoint);
    const { status } = this.#options.protocol.methods;
    const answer = await connection.unary(status, {}, this.#metadata, CONNECT_TIMEOUT_MS);
    this.#judge(endpoint.url, answer);
    return connection;
  }

  /** Made anew when the certificates have been renewed since. */
  #connectionOf(endpoint: Endpoint): EtcdConnection {
    const tls = endpoint.url.startsWith("https:") ? this.#options.tls?.() : undefined;
    const same =
      tls?.certificatePem === endpoint.tls?.certificatePem &&
      tls?.caCertificatePem === endpoint.tls?.caCertificatePem;
    if (endpoint.connection !== undefined && same) return endpoint.connection;
    const old = endpoint.connection;
    endpoint.connection = new EtcdConnection({
      channel: makeChannel(this.#options.protocol.grpc, endpoint.url, tls),
      endpoint: endpoint.url,
      clock: this.#options.clock,
      onStall: (connection) => this.leave(connection, "it stopped answering"),
    });
    endpoint.tls = tls;
    if (old !== undefined) void this.#closeWhenIdle(old);
    return endpoint.connection;
  }

  #judge(url: string, answer: StatusResponse): void {
    const [major = 0, minor = 0] = answer.version.split(".").map(Number);
    if (major > 3) {
      throw new MeshError("MESH_STORE_NEWER", {
        message: `${url} runs etcd ${answer.version}; this program speaks version 3`,
      });
    }
    if (major < 3 || minor < 4) {
      throw new MeshError("MESH_STORE_UNAVAILABLE", {
        message: `${url} runs etcd ${answer.version}; 3.4 or newer is needed`,
      });
    }
    if (answer.isLearner) throw new RpcFailure(14, `${url} is a learner`, false);
    const clusterId = answer.header?.clusterId;
    if (this.#clusterId !== undefined && clusterId !== this.#clusterId) {
      throw new MeshError("MESH_CONFIG_INVALID", {
        message: `${url} belongs to another cluster of etcd than the endpoints before it`,
      });
    }
    this.#clusterId = clusterId;
  }

  #whyNone(failures: readonly unknown[]): MeshError {
    const [only] = failures;
    const sameCode = (code: MeshError["code"]) =>
      failures.every((each) => each instanceof MeshError && each.code === code);
    if (only instanceof MeshError && sameCode(only.code)) return only;
    const reasons = failures.map((each) => (each instanceof Error ? each.message : String(each)));
    const urls = this.#endpoints.map((endpoint) => endpoint.url).join(", ");
    return new MeshError("MESH_STORE_UNAVAILABLE", {
      message: `no endpoint of the store answers (${urls}): ${[...new Set(reasons)].join("; ")}`,
      cause: only,
    });
  }

  async #closeWhenIdle(connection: EtcdConnection): Promise<void> {
    for (let round = 0; round < 100 && !connection.idle && !this.#closed; round++) {
      await sleep(this.#options.clock, 100);
    }
    connection.close();
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}
