/** What a simulated process dials and listens with. */
import { sleep } from "@hearthmesh/core";
import {
  type Address,
  type Channel,
  type Listener,
  QWormholeError,
  type Transport,
} from "@hearthmesh/qwormhole";
import type { NetworkFabric } from "./network-fabric.js";
import type { VirtualConnection, VirtualConnectionOptions } from "./virtual-connection.js";
import type { OpenPort, VirtualHost } from "./virtual-host.js";

const DIAL_TIMEOUT_MS_DEFAULT = 10_000;
/** First repetition of a lost opening packet (RFC 6298), then doubled. */
const OPENING_RETRY_MS = 1000;

/** Never settles: what a call of a dead process gets. */
const never = () => new Promise<never>(() => undefined);

/** Makes a connection that the network knows of. */
export type Connect = (options: VirtualConnectionOptions) => VirtualConnection;

export class VirtualTransport implements Transport {
  readonly #network: NetworkFabric;
  readonly #connect: Connect;
  readonly #host: VirtualHost;
  readonly #process: number;
  readonly #certificates: readonly Uint8Array[];

  constructor(
    network: NetworkFabric,
    connect: Connect,
    host: VirtualHost,
    certificates: readonly Uint8Array[],
  ) {
    this.#network = network;
    this.#connect = connect;
    this.#host = host;
    this.#process = host.process;
    this.#certificates = certificates;
  }

  async listen(address: Address, onChannel: (channel: Channel) => void): Promise<Listener> {
    if (this.#isDead()) return never();
    const port = address.port === 0 ? this.#host.freePort() : address.port;
    if (this.#host.ports.has(port)) {
      throw new QWormholeError("QW_ADDRESS_IN_USE", { message: `port ${port} is in use` });
    }
    const bound = { host: this.#host.name, port };
    const openPort: OpenPort = { address: bound, certificates: this.#certificates, onChannel };
    this.#host.ports.set(port, openPort);
    return {
      address: bound,
      close: async () => {
        if (this.#host.ports.get(port) === openPort) this.#host.ports.delete(port);
      },
    };
  }

  dial(
    address: Address,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<Channel> {
    if (this.#isDead()) return never();
    const { signal, timeoutMs = DIAL_TIMEOUT_MS_DEFAULT } = options;
    return new Promise((resolve, reject) => {
      const attempt = new AbortController();
      const finish = (settle: () => void) => {
        attempt.abort();
        timer.cancel();
        signal?.removeEventListener("abort", onAbort);
        if (!this.#isDead()) settle();
      };
      const onAbort = () =>
        finish(() =>
          reject(new QWormholeError("QW_CANCELLED", { message: "dialling was cancelled" })),
        );
      const timer = this.#network.clock.setTimeout(() => {
        const message = `${address.host}:${address.port} did not answer within ${timeoutMs} ms`;
        finish(() => reject(new QWormholeError("QW_DIAL_TIMEOUT", { message })));
      }, timeoutMs);
      if (signal?.aborted) {
        onAbort();
        return;
      }
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#open(address, attempt.signal).then(
        (channel) => finish(() => resolve(channel)),
        (error: unknown) => finish(() => reject(error as Error)),
      );
    });
  }

  /** The messages of a TCP and TLS 1.3 handshake: there, back, there (listener ready), back. */
  async #open(address: Address, signal: AbortSignal): Promise<Channel> {
    const [from, to] = [this.#host, this.#network.host(address.host)];
    await this.#travel(from, to, signal);
    const port = to.ports.get(address.port);
    await this.#travel(to, from, signal);
    if (port === undefined) {
      const message = `nobody listens at ${address.host}:${address.port}`;
      throw new QWormholeError("QW_DIAL_REFUSED", { message });
    }
    await this.#travel(from, to, signal);
    if (to.ports.get(address.port) !== port || this.#isDead()) {
      const message = "the listener closed during the handshake";
      throw new QWormholeError("QW_DIAL_FAILED", { message });
    }
    const connection = this.#connect({
      dialer: {
        host: from,
        address: `${from.name}:${from.freePort()}`,
        certificates: this.#certificates,
      },
      listener: {
        host: to,
        address: `${to.name}:${address.port}`,
        certificates: port.certificates,
      },
    });
    port.onChannel(connection.listener);
    try {
      await this.#travel(to, from, signal);
    } catch (error) {
      connection.dialer.destroy();
      throw error;
    }
    return connection.dialer;
  }

  /**
   * Until a packet has come through; a cut, or a host without power, swallows it again and again.
   */
  async #travel(from: VirtualHost, to: VirtualHost, signal: AbortSignal): Promise<void> {
    const { clock } = this.#network;
    const path = this.#network.path(from.name, to.name);
    for (let retryMs = OPENING_RETRY_MS; ; retryMs *= 2) {
      const arrivalMs = path.arrivalMs(0);
      await sleep(clock, arrivalMs - clock.monotonicMs(), signal);
      if (to.stalledUntilMs > clock.monotonicMs()) {
        await sleep(clock, to.stalledUntilMs - clock.monotonicMs(), signal);
      }
      if (!path.isCut && from.hasPower && to.hasPower) return;
      await sleep(clock, retryMs, signal);
    }
  }

  #isDead(): boolean {
    return this.#process !== this.#host.process || !this.#host.hasPower;
  }
}
