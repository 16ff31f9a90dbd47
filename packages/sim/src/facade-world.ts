/**
 * Servers and clients of `qwormhole` as applications use them, over the simulated network: numbered
 * messages both ways, publications and requests, faults from the seed, then peace and the checks.
 */
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import type { LinkIdentity } from "@hearthmesh/qwormhole";
import { MessageChecker } from "./checkers/message-checker.js";
import { FacadeClient } from "./facade-client.js";
import { FacadeServer } from "./facade-server.js";
import { FACADE_LIMITS, FAIL_BACK_MS, type FacadeHarness, RECONNECT } from "./facade-settings.js";
import { type SeededRandom, seededRandom } from "./seeded-random.js";
import { createTrace, type Trace } from "./trace.js";
import { Violations } from "./violations.js";
import { type VirtualClock, virtualClock } from "./virtual-clock.js";
import { VirtualNetwork } from "./virtual-network.js";
import { lanProfile, type PathProfile, wanProfile } from "./virtual-path.js";

const SERVERS = ["alpha", "beta", "gamma"] as const;
const CLIENTS = ["dora", "emil"] as const;
const FAULTS_MIN = 6;
const FAULTS_MAX = 24;
/** Share of the faults that hit the first server, where the clients are. */
const FAULTS_AT_HOME = 0.5;
const FAULTS_MS = 40_000;
const FAULT_MS_MAX = 7000;
const SLOW_BYTES_PER_SEC = 15_000;
/** One way; a handshake takes seven of them and stays within its time. */
const FAR_DELAY_MS = 250;
const FLAP_MS = 600;
const WATCH_MS = 500;
const WAN_RUNS = 0.4;
const POLL_MS = 250;
/** A dial and its handshake at each endpoint. */
const ROUND_MS = SERVERS.length * 2 * FACADE_LIMITS.handshakeTimeoutMs;
/** A retransmission, and the silence after which a half-open connection is given up. */
const NOTICE_MS = 5000 + FACADE_LIMITS.deadAfterMs + FACADE_LIMITS.pingIntervalMs;
/** From the last fault: a round under way that fails, the longest wait, and one that does not. */
const BACK_MS_MAX = NOTICE_MS + ROUND_MS + RECONNECT.maxDelayMs + ROUND_MS;
/** From then: a probe under way that fails, the next, and what it takes. */
const HOME_MS_MAX = BACK_MS_MAX + ROUND_MS + FAIL_BACK_MS + ROUND_MS;

export interface FacadeRun {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly plan: readonly string[];
  readonly lines: readonly string[];
  readonly traceHash: string;
  readonly arrived: number;
  readonly reconnects: number;
  /** Virtual time from the last fault until all clients were connected, and at the first server. */
  readonly backMs: number;
  readonly homeMs: number;
}

export async function runFacadeWorld(seed: number): Promise<FacadeRun> {
  return new FacadeWorld(seed).run();
}

class FacadeWorld implements FacadeHarness {
  readonly random: SeededRandom;
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly network: VirtualNetwork;
  readonly violations: Violations;
  readonly messages: MessageChecker;
  readonly #seed: number;
  readonly #servers: FacadeServer[];
  readonly #clients: FacadeClient[];
  readonly #identities = new Map<string, LinkIdentity>();
  readonly #done = new Set<string>();
  readonly #deathsMs = new Map<string, number>();
  readonly #plan: string[] = [];
  readonly #profile: PathProfile;

  constructor(seed: number) {
    this.#seed = seed;
    this.random = seededRandom(`facade ${seed}`);
    this.clock = virtualClock({ startMs: Date.UTC(2030, 0, 1) });
    this.trace = createTrace({ clock: this.clock });
    this.violations = new Violations(this.trace);
    this.messages = new MessageChecker((problem) => this.violations.add(problem));
    this.#profile = this.random.fork("profile").chance(WAN_RUNS) ? wanProfile : lanProfile;
    this.network = new VirtualNetwork({
      clock: this.clock,
      random: this.random.fork("network"),
      trace: this.trace,
      profile: this.#profile,
    });
    this.#servers = SERVERS.map((name) => new FacadeServer(this, name));
    this.#clients = CLIENTS.map((name) => new FacadeClient(this, name, SERVERS));
  }

  identity(name: string): LinkIdentity {
    const known = this.#identities.get(name);
    if (known !== undefined) return known;
    const keys = generateKeyPair(this.random.fork(`key of ${name}`));
    const identity = {
      publicKey: publicKeyDerOf(keys.publicKeyPem),
      sign: signerOf(keys.privateKeyPem),
    };
    this.#identities.set(name, identity);
    return identity;
  }

  noteDone(request: string): void {
    if (this.#done.has(request)) this.violations.add(`${request} was done twice`);
    this.#done.add(request);
  }

  noteDeath(process: string): void {
    this.#deathsMs.set(process, this.clock.monotonicMs());
  }

  deathMs(process: string): number | undefined {
    return this.#deathsMs.get(process);
  }

  async run(): Promise<FacadeRun> {
    this.#watch();
    await Promise.all(this.#servers.map((server) => server.start()));
    for (const client of this.#clients) await client.start();
    await this.clock.runFor(2000);
    await this.#runFaults();
    const { backMs, homeMs } = await this.#waitForPeace();
    await this.#checkPeace();
    await this.#checkEnd();
    return {
      seed: this.#seed,
      violations: this.violations.list,
      plan: this.#plan,
      lines: this.trace.lines,
      traceHash: this.trace.hash(),
      arrived: this.messages.arrived,
      reconnects: this.#clients.reduce((sum, { reconnects }) => sum + reconnects, 0),
      backMs,
      homeMs,
    };
  }

  async #runFaults(): Promise<void> {
    const random = this.random.fork("faults");
    const faults = Array.from({ length: random.integer(FAULTS_MIN, FAULTS_MAX) }, () => ({
      atMs: random.integer(0, FAULTS_MS),
      act: this.#fault(random),
    })).sort((a, b) => a.atMs - b.atMs);
    const beginMs = this.clock.monotonicMs();
    for (const { atMs, act } of faults) {
      await this.clock.runUntil(beginMs + atMs);
      this.#checkClients();
      act();
    }
    await this.clock.runUntil(beginMs + FAULTS_MS);
    this.trace.record("PEACE", "begins");
    this.network.heal();
    for (const from of [...SERVERS, ...CLIENTS]) {
      for (const to of [...SERVERS, ...CLIENTS]) this.network.setPath(from, to, this.#profile);
    }
    await Promise.all(this.#servers.map((server) => server.start()));
  }

  #fault(random: SeededRandom): () => void {
    const isAtHome = random.chance(FAULTS_AT_HOME);
    const server = random.pick(isAtHome ? this.#servers.slice(0, 1) : this.#servers);
    const client = random.pick(this.#clients);
    const forMs = random.integer(100, FAULT_MS_MAX);
    const { network } = this;
    const later = (act: () => void) => this.clock.setTimeout(act, forMs);
    const [from, to] = random.chance(0.5) ? [client, server] : [server, client];
    const away = random.chance(0.4) ? [...SERVERS] : [server.name];
    const kinds: Record<string, () => void> = {
      kill: () => {
        server.kill();
        later(() => void server.start());
      },
      losePower: () => {
        server.losePower();
        later(() => void server.start());
      },
      stall: () => from.stall(forMs),
      close: () => {
        server.close();
        later(() => void server.start());
      },
      reset: () => network.resetConnections(client.name, server.name),
      flap: () => this.#flap(client.name, forMs),
      far: () => {
        const far = { ...this.#profile, delayMs: FAR_DELAY_MS };
        for (const ends of [
          [client.name, server.name] as const,
          [server.name, client.name] as const,
        ]) {
          network.setPath(...ends, far);
          later(() => network.setPath(...ends, this.#profile));
        }
      },
      partition: () => {
        network.partition([client.name], away);
        later(() => network.unite([client.name], away));
      },
      cutOneWay: () => {
        network.cut(from.name, to.name);
        later(() => network.mend(from.name, to.name));
      },
      slowPath: () => {
        const slow = { ...this.#profile, bytesPerSecond: SLOW_BYTES_PER_SEC };
        network.setPath(from.name, to.name, slow);
        later(() => network.setPath(from.name, to.name, this.#profile));
      },
    };
    const kind = random.pick(Object.keys(kinds));
    const told = `${kind} ${from.name} ${to.name} (${away}) for ${forMs} ms`;
    this.#plan.push(told);
    return () => {
      this.trace.record("FAULT", told);
      kinds[kind]?.();
    };
  }

  /** Every connection of a client is broken off, again and again. */
  #flap(name: string, forMs: number): void {
    for (const server of SERVERS) this.network.resetConnections(name, server);
    if (forMs > FLAP_MS) this.clock.setTimeout(() => this.#flap(name, forMs - FLAP_MS), FLAP_MS);
  }

  /** Until every client is at the first server again. */
  async #waitForPeace(): Promise<{ backMs: number; homeMs: number }> {
    const beginMs = this.clock.monotonicMs();
    const passedMs = () => this.clock.monotonicMs() - beginMs;
    const until = async (condition: () => boolean, limitMs: number, what: string) => {
      while (!condition() && passedMs() < limitMs) await this.clock.runFor(POLL_MS);
      if (!condition()) this.violations.add(`${what} after ${limitMs} ms of peace`);
      return passedMs();
    };
    const isServedBy = (servers: readonly FacadeServer[]) =>
      this.#clients.every(({ name, client }) =>
        servers.some((server) => server.serves(name, client.handshake?.tags.process)),
      );
    const areBack = () => isServedBy(this.#servers);
    const areHome = () => isServedBy(this.#servers.slice(0, 1));
    const backMs = await until(areBack, BACK_MS_MAX, "a client is not back");
    const homeMs = await until(areHome, HOME_MS_MAX, "a client is not at the first server");
    return { backMs, homeMs };
  }

  /** Everything works as on the first day. */
  async #checkPeace(): Promise<void> {
    const { violations, messages, clock } = this;
    for (const client of this.#clients) client.hush();
    await clock.runFor(2 * NOTICE_MS);
    this.#checkClients();
    const sent = this.#clients.flatMap((client) =>
      Array.from({ length: 5 }, () => client.send("rpc", 1000)),
    );
    const [home] = this.#servers;
    const told = messages.next("final>", "rpc", 10, clock.monotonicMs());
    const news = messages.next("final>", "news", 10, clock.monotonicMs());
    for (const message of [told, news]) messages.sent(message);
    home?.server?.broadcast(told);
    home?.server?.publish("news.final", news);
    await clock.runFor(NOTICE_MS);
    for (const message of sent) {
      if (message === undefined || !messages.hasArrived(message)) {
        violations.add(`a last message did not arrive: ${message?.flow} ${message?.number}`);
      }
    }
    for (const { name, pending } of this.#clients) {
      if (!messages.hasArrived(told, name)) violations.add(`${name} heard no broadcast`);
      if (!messages.hasArrived(news, name)) violations.add(`${name} is not subscribed any more`);
      if (pending > 0) violations.add(`${pending} requests of ${name} never ended`);
    }
    for (const { name, server } of this.#servers) {
      const count = server?.getConnectionCount();
      const expected = name === SERVERS[0] ? CLIENTS.length : 0;
      if (count !== expected) violations.add(`${name} has ${count} clients, not ${expected}`);
    }
  }

  /** A client that ends leaves nothing behind. */
  async #checkEnd(): Promise<void> {
    const ends = this.#clients.map(({ client }) => client.disconnect());
    await this.clock.runUntilSettled(Promise.all(ends), NOTICE_MS);
    await this.clock.runFor(NOTICE_MS);
    const { connectionCount } = this.network;
    if (connectionCount > 0) this.violations.add(`${connectionCount} connections are left over`);
  }

  #watch(): void {
    for (const client of this.#clients) client.checkLife(this.clock.monotonicMs());
    this.clock.setTimeout(() => this.#watch(), WATCH_MS);
  }

  #checkClients(): void {
    for (const client of this.#clients) client.check();
  }
}
