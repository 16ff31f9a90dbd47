/** Servers and clients that share options: one key, one protocol, the same tags. */

import { QWormholeClient } from "./client.js";
import type { QWormholeClientOptions, QWormholeServerOptions, SharedOptions } from "./options.js";
import { freshIdentity } from "./parts.js";
import { QWormholeServer } from "./server.js";

/**
 * Everything that it makes has its options, unless said otherwise there; `handshakeTags` are
 * joined. Without `tls` and `identity`, one new key stands for all of it.
 */
export class QWormholeRuntime {
  readonly #shared: SharedOptions;
  readonly #servers = new Set<{ close(): Promise<void>; reload(): void }>();
  readonly #clients = new Set<{ close(): Promise<void> }>();

  constructor(shared: SharedOptions = {}) {
    const hasKey = shared.identity !== undefined || shared.tls !== undefined;
    this.#shared = hasKey ? shared : { ...shared, identity: freshIdentity() };
  }

  createServer<T = unknown>(options: QWormholeServerOptions<T> = {}): QWormholeServer<T> {
    const server = new QWormholeServer<T>(this.#join(options));
    this.#servers.add(server);
    server.once("close", () => this.#servers.delete(server));
    return server;
  }

  createClient<T = unknown>(options: QWormholeClientOptions<T>): QWormholeClient<T> {
    const client = new QWormholeClient<T>(this.#join(options));
    this.#clients.add(client);
    client.on("close", () => this.#clients.delete(client));
    return client;
  }

  /** Lets all servers use the present TLS credentials; clients ask at each dial anyway. */
  reload(): void {
    for (const server of this.#servers) server.reload();
  }

  /** Closes everything that it made. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients, ...this.#servers].map((part) => part.close()));
  }

  #join<Options extends SharedOptions>(options: Options): Options {
    const handshakeTags = { ...this.#shared.handshakeTags, ...options.handshakeTags };
    // Who brings a key or certificate of its own does not mean the shared one.
    const hasKey = options.identity !== undefined || options.tls !== undefined;
    const { identity, ...rest } = this.#shared;
    return { ...rest, ...(hasKey ? {} : { identity }), ...options, handshakeTags };
  }
}
