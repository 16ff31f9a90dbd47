/**
 * A network inside one process, for tests and for a node that talks to itself. Delivery is in order
 * and deterministic: by microtasks, or `latencyMs` later by the given clock. Bytes are copied at
 * `write`, as a network does.
 */
import { QWormholeError } from "./errors.js";
import type { LinkClock, LinkRandom } from "./link.js";
import { systemLinkRandom } from "./system-clock.js";
import type { Address, Channel, ChannelHandlers, Transport } from "./transport.js";

export interface MemoryTransportOptions {
  /** With it, every delivery takes `latencyMs`. */
  clock?: LinkClock;
  latencyMs?: number;
  /** Makes the channel bindings. */
  random?: LinkRandom;
  /** Bytes under way in one direction above which `write` answers false. Default 256 KiB. */
  highWaterBytes?: number;
}

const FIRST_FREE_PORT = 49_152;

/** Each call makes a network of its own. A host is any name. */
export function memoryTransport(options: MemoryTransportOptions = {}): Transport {
  const random = options.random ?? systemLinkRandom();
  const listeners = new Map<string, (channel: Channel) => void>();
  let nextPort = FIRST_FREE_PORT;
  const later = (callback: () => void) => {
    if (options.clock === undefined) queueMicrotask(callback);
    else options.clock.setTimeout(callback, options.latencyMs ?? 0);
  };
  return {
    async listen(address, onChannel) {
      const bound: Address = { ...address, port: address.port === 0 ? nextPort++ : address.port };
      const key = `${bound.host}:${bound.port}`;
      if (listeners.has(key)) {
        const message = `another program listens on ${key}`;
        throw new QWormholeError("QW_ADDRESS_IN_USE", { message });
      }
      listeners.set(key, onChannel);
      const close = async () => {
        if (listeners.get(key) === onChannel) listeners.delete(key);
      };
      return { address: bound, close };
    },
    async dial(address, { signal } = {}) {
      const key = `${address.host}:${address.port}`;
      await new Promise<void>((resolve) => later(resolve));
      if (signal?.aborted) throw new QWormholeError("QW_CANCELLED", { cause: signal.reason });
      const onChannel = listeners.get(key);
      if (onChannel === undefined) {
        throw new QWormholeError("QW_DIAL_REFUSED", { message: `nobody listens on ${key}` });
      }
      const binding = random.bytes(32);
      const highWaterBytes = options.highWaterBytes ?? 256 * 1024;
      const from = `memory:${nextPort++}`;
      const dialled = new MemoryChannel(from, key, binding, highWaterBytes, later);
      const accepted = new MemoryChannel(key, from, binding, highWaterBytes, later);
      dialled.other = accepted;
      accepted.other = dialled;
      onChannel(accepted);
      return dialled;
    },
  };
}

type Delivery = { readonly bytes: Uint8Array } | { readonly end: true };

class MemoryChannel implements Channel {
  readonly kind = "memory";
  readonly peerCertificates: readonly Uint8Array[] = [];
  other: MemoryChannel | undefined;
  readonly #later: (callback: () => void) => void;
  readonly #highWaterBytes: number;
  #handlers: ChannelHandlers | undefined;
  /** What is on its way to this side, in order. */
  #inbox: Delivery[] = [];
  /** How many of the inbox have arrived. */
  #arrived = 0;
  #paused = false;
  #ending = false;
  #needDrain = false;
  #closed = false;
  bufferedBytes = 0;

  constructor(
    readonly localAddress: string,
    readonly remoteAddress: string,
    readonly binding: Uint8Array,
    highWaterBytes: number,
    later: (callback: () => void) => void,
  ) {
    this.#highWaterBytes = highWaterBytes;
    this.#later = later;
  }

  setHandlers(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    queueMicrotask(() => this.#deliver());
  }

  write(pieces: readonly Uint8Array[]): boolean {
    const other = this.other;
    if (this.#closed || this.#ending || other === undefined) return false;
    const bytes = Buffer.concat(pieces);
    this.bufferedBytes += bytes.length;
    other.#send({ bytes });
    this.#needDrain = this.bufferedBytes >= this.#highWaterBytes;
    return !this.#needDrain;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    queueMicrotask(() => this.#deliver());
  }

  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    if (this.other !== undefined) this.other.#send({ end: true });
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#close(error);
    const other = this.other;
    if (other !== undefined) this.#later(() => other.#close(undefined));
  }

  #send(delivery: Delivery): void {
    this.#inbox.push(delivery);
    this.#later(() => {
      this.#arrived++;
      this.#deliver();
    });
  }

  #deliver(): void {
    while (this.#arrived > 0 && !this.#paused && !this.#closed && this.#handlers !== undefined) {
      const delivery = this.#inbox.shift() as Delivery;
      this.#arrived--;
      if ("end" in delivery) {
        this.#close(undefined);
        const other = this.other;
        if (other !== undefined) this.#later(() => other.#close(undefined));
        return;
      }
      if (this.other !== undefined) this.other.#onTaken(delivery.bytes.length);
      this.#handlers.onData(delivery.bytes);
    }
  }

  /** The other side took bytes. */
  #onTaken(bytes: number): void {
    this.bufferedBytes -= bytes;
    if (!this.#needDrain || this.bufferedBytes > this.#highWaterBytes / 2) return;
    this.#needDrain = false;
    queueMicrotask(() => {
      if (!this.#closed) this.#handlers?.onDrain();
    });
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbox = [];
    const notify = () => this.#handlers?.onClose(error);
    queueMicrotask(notify);
  }
}
