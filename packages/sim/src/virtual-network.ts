/**
 * A network in memory, under a virtual clock: delay, jitter, bandwidth, loss, cuts in one or both
 * directions, hosts that vanish and leave half-open connections, resets and stalls. Code under
 * simulation gets a `Transport` and sees channels of kind `simulated`; the harness keeps this
 * object.
 */
import type { Transport } from "@hearthmesh/qwormhole";
import type { NetworkFabric } from "./network-fabric.js";
import type { SeededRandom } from "./seeded-random.js";
import type { Trace } from "./trace.js";
import type { VirtualClock } from "./virtual-clock.js";
import { VirtualConnection, type VirtualConnectionOptions } from "./virtual-connection.js";
import { VirtualHost } from "./virtual-host.js";
import { lanProfile, type PathProfile, VirtualPath } from "./virtual-path.js";
import { type Connect, VirtualTransport } from "./virtual-transport.js";

export interface VirtualNetworkOptions {
  clock: VirtualClock;
  random: SeededRandom;
  /** For every pair of hosts that `setPath` does not name. */
  profile?: PathProfile;
  trace?: Trace;
}

export class VirtualNetwork implements NetworkFabric {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly trace: Trace | undefined;
  readonly #profile: PathProfile;
  readonly #hosts = new Map<string, VirtualHost>();
  readonly #paths = new Map<string, VirtualPath>();
  readonly #connections = new Set<VirtualConnection>();

  constructor(options: VirtualNetworkOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.trace = options.trace;
    this.#profile = options.profile ?? lanProfile;
  }

  /**
   * What the present process of a host dials and listens with. `certificates` (DER, leaf first) are
   * what the other side will be shown; the harness vouches for them.
   */
  transport(hostName: string, certificates: readonly Uint8Array[] = []): Transport {
    const connect: Connect = (options) => this.#connect(options);
    return new VirtualTransport(this, connect, this.host(hostName), certificates);
  }

  host(name: string): VirtualHost {
    const known = this.#hosts.get(name);
    if (known !== undefined) return known;
    const host = new VirtualHost(name);
    this.#hosts.set(name, host);
    return host;
  }

  path(from: string, to: string): VirtualPath {
    const key = `${from}>${to}`;
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    const random = this.random.fork(key);
    const path = new VirtualPath({ clock: this.clock, random, profile: this.#profile });
    this.#paths.set(key, path);
    return path;
  }

  setPath(from: string, to: string, profile: PathProfile): void {
    this.path(from, to).profile = profile;
  }

  /** Nothing goes from one host to the other any more; the way back stays as it is. */
  cut(from: string, to: string): void {
    this.path(from, to).cut();
  }

  mend(from: string, to: string): void {
    this.path(from, to).mend();
    this.#wakeAll();
  }

  /** Cuts both ways between every host of one group and every host of the other. */
  partition(group: readonly string[], others: readonly string[]): void {
    for (const path of this.#pathsBetween(group, others)) path.cut();
  }

  /** Undoes one `partition` of the same groups. */
  unite(group: readonly string[], others: readonly string[]): void {
    for (const path of this.#pathsBetween(group, others)) path.mend();
    this.#wakeAll();
  }

  /** Mends every cut. */
  heal(): void {
    for (const path of this.#paths.values()) path.mendAll();
    this.#wakeAll();
  }

  /** The process is gone; its kernel resets the connections it had. */
  killProcess(hostName: string): void {
    const ended = new Set(this.host(hostName).endProcess());
    for (const connection of this.#connectionsOf(ended)) connection.resetFrom(hostName);
  }

  /** The machine is gone and says nothing: its peers are left with half-open connections. */
  losePower(hostName: string): void {
    const host = this.host(hostName);
    host.hasPower = false;
    host.endProcess();
  }

  /** The machine is back, without a process; whoever still writes to an old connection is reset. */
  bootHost(hostName: string): void {
    this.host(hostName).hasPower = true;
    this.#wakeAll();
  }

  /** The host takes nothing in for this long. */
  stall(hostName: string, forMs: number): void {
    const host = this.host(hostName);
    host.stalledUntilMs = Math.max(host.stalledUntilMs, this.clock.monotonicMs() + forMs);
  }

  /** Breaks every connection between two hosts, as a router that forgot its table does. */
  resetConnections(a: string, b: string): number {
    const hosts = [a, b].sort().join(">");
    const broken = [...this.#connections].filter((one) => one.hosts.toSorted().join(">") === hosts);
    for (const connection of broken) connection.breakBoth();
    return broken.length;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  #connect(options: VirtualConnectionOptions): VirtualConnection {
    const onGone = () => this.#connections.delete(connection);
    const connection = new VirtualConnection(this, { ...options, onGone });
    this.#connections.add(connection);
    return connection;
  }

  #pathsBetween(group: readonly string[], others: readonly string[]): VirtualPath[] {
    return group.flatMap((one) =>
      others.flatMap((other) => [this.path(one, other), this.path(other, one)]),
    );
  }

  #connectionsOf(ends: ReadonlySet<unknown>): VirtualConnection[] {
    return [...this.#connections].filter((one) => ends.has(one.dialer) || ends.has(one.listener));
  }

  #wakeAll(): void {
    for (const connection of [...this.#connections]) connection.wake();
  }
}
