/**
 * The UDP port of beacons: a member of the multicast group on every interface that can be one.
 * Nothing here is fatal: what does not work is kept as a reason for `status` and tried again, with
 * the list of interfaces, every `BEACON_INTERFACES_INTERVAL_MS`.
 *
 * Only IPv4 interfaces are used, loopback only when there is no other. What comes in passes two
 * rate limits, of its source and of all; above them it is dropped and counted.
 */
import type { Clock, Logger, Timer } from "@hearthmesh/core";
import { type InterfaceAddress, TokenBucket } from "@hearthmesh/qwormhole";
import {
  BEACON_BYTES_MAX,
  BEACON_INTERFACES_INTERVAL_MS,
  BEACON_INTERFACES_MAX,
  BEACON_SOURCE_BURST,
  BEACON_SOURCE_RATE_PER_SEC,
  BEACON_SOURCES_MAX,
  BEACON_TOTAL_BURST,
  BEACON_TOTAL_RATE_PER_SEC,
} from "./limits.js";
import type { MulticastSocket, MulticastSocketFactory } from "./multicast-socket.js";

export interface BeaconDoorOptions {
  group: string;
  port: number;
  socket: MulticastSocketFactory;
  /** Those that are up, as the operating system lists them now. */
  interfaces(): readonly InterfaceAddress[];
  clock: Clock;
  log: Logger;
  onDatagram(bytes: Uint8Array, from: { host: string; port: number }): void;
  /** The interfaces in use are others than before. */
  onInterfacesChanged?(): void;
}

export interface BeaconInterface {
  readonly name: string;
  readonly address: string;
  /** Why it is not in the group, or why the last beacon did not go out there. */
  readonly reason?: string;
}

export interface BeaconDoorReport {
  /** `on` when at least one interface hears and sends. */
  readonly state: "on" | "waiting" | "stopped";
  readonly reason?: string;
  readonly interfaces: readonly BeaconInterface[];
  /** Datagrams above a rate limit, or too long. */
  readonly dropped: number;
}

interface Joined {
  readonly name: string;
  joinReason: string | undefined;
  sendReason: string | undefined;
}

export class BeaconDoor {
  readonly #options: BeaconDoorOptions;
  readonly #total: TokenBucket;
  /** The source that was silent the longest comes first. */
  readonly #sources = new Map<string, TokenBucket>();
  /** By the own address. */
  readonly #joined = new Map<string, Joined>();
  #socket: MulticastSocket | undefined;
  #reason: string | undefined;
  #timer: Timer | undefined;
  #isRunning = false;
  #dropped = 0;

  constructor(options: BeaconDoorOptions) {
    this.#options = options;
    const rate = { perSec: BEACON_TOTAL_RATE_PER_SEC, burst: BEACON_TOTAL_BURST };
    this.#total = new TokenBucket(rate, options.clock.monotonicMs());
  }

  /** Resolves after the first attempt, whatever came of it. */
  async start(): Promise<void> {
    this.#isRunning = true;
    await this.#open();
    this.#lookAgainLater();
  }

  stop(): void {
    this.#isRunning = false;
    this.#timer?.cancel();
    this.#closeSocket();
  }

  /** Looks at the interfaces now. */
  async refresh(): Promise<void> {
    if (!this.#isRunning) return;
    if (this.#socket === undefined) await this.#open();
    else this.#joinAll();
  }

  report(): BeaconDoorReport {
    const interfaces = [...this.#joined].map(([address, { name, joinReason, sendReason }]) => {
      const reason = joinReason ?? sendReason;
      return { name, address, ...(reason === undefined ? {} : { reason }) };
    });
    const works = interfaces.some(({ reason }) => reason === undefined);
    const state = this.#isRunning ? (works ? "on" : "waiting") : "stopped";
    const reason = state === "waiting" ? (this.#reason ?? whyNone(interfaces)) : undefined;
    return { state, interfaces, dropped: this.#dropped, ...(reason ? { reason } : {}) };
  }

  /** Through every interface of the group; resolves when all were tried. Never rejects. */
  async send(bytes: Uint8Array): Promise<void> {
    const { group, port } = this.#options;
    const socket = this.#socket;
    if (socket === undefined) return;
    const sends = [...this.#joined].map(async ([address, joined]) => {
      if (joined.joinReason !== undefined) return;
      try {
        await socket.sendThrough(address, bytes, { host: group, port });
        joined.sendReason = undefined;
      } catch (error) {
        joined.sendReason = `a beacon cannot be sent: ${textOf(error)}`;
      }
    });
    await Promise.all(sends);
  }

  #lookAgainLater(): void {
    this.#timer?.cancel();
    if (!this.#isRunning) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      void this.refresh().finally(() => this.#lookAgainLater());
    }, BEACON_INTERFACES_INTERVAL_MS);
  }

  async #open(): Promise<void> {
    const { port, log } = this.#options;
    let socket: MulticastSocket | undefined;
    try {
      socket = this.#options.socket({
        onDatagram: (bytes, from) => this.#onDatagram(bytes, from),
        onError: (error) => this.#onSocketError(error),
      });
      await socket.bind(port);
    } catch (error) {
      socket?.close();
      this.#reason = whyNotBound(port, error);
      log.debug("the port of beacons cannot be opened", { reason: this.#reason });
      return;
    }
    if (!this.#isRunning) {
      socket.close();
      return;
    }
    this.#socket = socket;
    this.#reason = undefined;
    this.#joinAll();
  }

  #onSocketError(error: Error): void {
    this.#options.log.debug("the socket of beacons failed", { reason: error.message });
    this.#closeSocket();
    this.#reason = `the socket of beacons failed: ${textOf(error)}`;
  }

  #closeSocket(): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#joined.clear();
  }

  #joinAll(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const wanted = suitable(this.#options.interfaces());
    let isChanged = false;
    for (const address of [...this.#joined.keys()]) {
      if (wanted.has(address)) continue;
      this.#leave(socket, address);
      isChanged = true;
    }
    for (const [address, name] of wanted) {
      const joinReason = this.#join(socket, address);
      const before = this.#joined.get(address);
      if (joinReason === undefined && before?.joinReason !== joinReason) isChanged = true;
      if (before === undefined) isChanged = true;
      if (before !== undefined) before.joinReason = joinReason;
      else this.#joined.set(address, { name, joinReason, sendReason: undefined });
    }
    if (isChanged) this.#options.onInterfacesChanged?.();
  }

  /**
   * Why it is not in the group; undefined when it is. Joins again even where it is a member: an
   * interface that went and came back has lost its membership, and nothing tells.
   */
  #join(socket: MulticastSocket, address: string): string | undefined {
    try {
      socket.addMembership(this.#options.group, address);
      return undefined;
    } catch (error) {
      if (codeOf(error) === "EADDRINUSE") return undefined; // It is a member already.
      return `it cannot join the multicast group: ${textOf(error)}`;
    }
  }

  #leave(socket: MulticastSocket, address: string): void {
    this.#joined.delete(address);
    try {
      socket.dropMembership(this.#options.group, address);
    } catch {
      // The interface is gone, and its membership with it.
    }
  }

  #onDatagram(bytes: Uint8Array, from: { host: string; port: number }): void {
    const nowMs = this.#options.clock.monotonicMs();
    const source = this.#bucketOf(from.host, nowMs);
    const waits = source.waitMs(nowMs) > 0 || this.#total.waitMs(nowMs) > 0;
    if (waits || bytes.length > BEACON_BYTES_MAX) {
      this.#dropped += 1;
      return;
    }
    source.take(1, nowMs);
    this.#total.take(1, nowMs);
    this.#options.onDatagram(bytes, from);
  }

  #bucketOf(host: string, nowMs: number): TokenBucket {
    const rate = { perSec: BEACON_SOURCE_RATE_PER_SEC, burst: BEACON_SOURCE_BURST };
    const bucket = this.#sources.get(host) ?? new TokenBucket(rate, nowMs);
    this.#sources.delete(host);
    this.#sources.set(host, bucket);
    if (this.#sources.size > BEACON_SOURCES_MAX) {
      const [oldest] = this.#sources.keys();
      if (oldest !== undefined) this.#sources.delete(oldest);
    }
    return bucket;
  }
}

/** Own addresses, each with the name of its interface; one address for each interface. */
function suitable(list: readonly InterfaceAddress[]): Map<string, string> {
  const ipv4 = list.filter(({ family }) => family === 4);
  const outward = ipv4.filter(({ internal }) => !internal);
  const byName = new Map<string, string>();
  for (const { name, address } of outward.length > 0 ? outward : ipv4) {
    if (!byName.has(name) && byName.size < BEACON_INTERFACES_MAX) byName.set(name, address);
  }
  return new Map([...byName].map(([name, address]) => [address, name]));
}

function whyNone(interfaces: readonly BeaconInterface[]): string {
  if (interfaces.length === 0) return "no network interface has an IPv4 address";
  return interfaces.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
}

function whyNotBound(port: number, error: unknown): string {
  if (codeOf(error) !== "EADDRINUSE") return `UDP port ${port} cannot be opened: ${textOf(error)}`;
  return `UDP port ${port} is taken by a program that does not share it; stop that program`;
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
