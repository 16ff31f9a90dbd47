/**
 * Runs the etcd of this machine as a member of the store of this home's member: starts it, keeps
 * its certificates young, brings it into the cluster and out of it, and looks after its space.
 *
 * `start` returns when etcd was started or a cluster was looked for; `untilUsable` when the store
 * can be used. Whoever uses the store asks `endpoints` and `onEndpoints`, because a node that
 * stands by, or whose etcd still learns, uses the etcd of the others.
 */
import { errorFields, MeshError, type Startable, sleep } from "@hearthmesh/core";
import {
  ETCD_SERVER_LIMIT_FLAGS,
  type EtcdAdmin,
  type EtcdEndpointStatus,
  openEtcdAdmin,
} from "@hearthmesh/store";
import type { SupervisedProcess } from "../processes/supervised-process.js";
import { ClusterObserver, memberName, NOTHING_SEEN, type Observation } from "./cluster-observer.js";
import { ClusterSteps } from "./cluster-steps.js";
import {
  type EtcdStart,
  etcdArguments,
  type InitialMember,
  ownEndpoint,
  urlsOf,
} from "./etcd-arguments.js";
import { EtcdClusterMachine, type Look } from "./etcd-cluster-machine.js";
import {
  hasEtcdData,
  type MembershipRecord,
  readMembership,
  writeMembership,
} from "./etcd-data.js";
import { endOrphans } from "./etcd-orphans.js";
import { EtcdProcess } from "./etcd-process.js";
import type { EtcdSupervisorOptions } from "./etcd-supervisor-options.js";
import { type EtcdProgram, findEtcd } from "./find-etcd.js";
import { CLUSTER_ANSWER_MS_MAX, CLUSTER_LOOK_MS, CLUSTER_LOOK_SOON_MS } from "./limits.js";
import { snapshotPieces } from "./snapshot-pieces.js";
import { StoreCertificates } from "./store-certificates.js";
import { StoreUpkeep } from "./store-upkeep.js";
import { supervisedEtcd } from "./supervised-etcd.js";
import {
  clientEndpoints,
  type SupervisorStatus,
  supervisorStatus,
  whyUnusable,
} from "./supervisor-status.js";

interface Parts {
  program: EtcdProgram;
  admin: EtcdAdmin;
  lookAdmin: EtcdAdmin;
  observer: ClusterObserver;
  process: EtcdProcess;
  steps: ClusterSteps;
  upkeep: StoreUpkeep;
}

export class EtcdSupervisor implements Startable {
  readonly name = "etcd";
  readonly #options: EtcdSupervisorOptions;
  readonly #certificates: StoreCertificates;
  readonly #machine: EtcdClusterMachine;
  readonly #listeners = new Set<(endpoints: readonly string[]) => void>();
  #parts: Parts | undefined;
  #record: MembershipRecord | undefined;
  #start: EtcdStart = { kind: "existing" };
  #seen: Observation = NOTHING_SEEN;
  /** When that was, on the monotonic clock. */
  #seenMs = Number.NEGATIVE_INFINITY;
  #endpoints: readonly string[] = [];
  readonly #processListeners = new Set<() => void>();
  /** Ends the rest until the next look. */
  #resting = new AbortController();
  #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  /** Who waits for the end of the next look. */
  readonly #looked: (() => void)[] = [];

  constructor(options: EtcdSupervisorOptions) {
    this.#options = options;
    const { nodeId, mayCreate, times } = options;
    const { votersMax } = options.store;
    this.#machine = new EtcdClusterMachine({ nodeId, votersMax, mayCreate, ...times });
    this.#certificates = new StoreCertificates(options);
  }

  /** `MESH_ETCD_MISSING`, `MESH_ETCD_FAILED` when an old etcd holds the data and does not end. */
  async start(): Promise<void> {
    const { files, clock, log, searchPath } = this.#options;
    this.#stopping = new AbortController();
    const program = await findEtcd({ searchPath });
    await endOrphans({ dataDirectory: files.data, clock, log });
    await this.#certificates.start();
    this.#record = await readMembership(files);
    this.#parts = await this.#makeParts(program);
    await this.#lookOnce(this.#parts);
    this.#loop = this.#run(this.#parts);
    this.#parts.upkeep.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#parts?.upkeep.stop();
    await this.#parts?.process.stop();
    await this.#parts?.admin.close();
    await this.#parts?.lookAdmin.close();
    await this.#certificates.stop();
    this.#parts = undefined;
  }

  /**
   * Returns when the store answers. After `timeoutMs`, or when etcd cannot run at all, throws
   * `MESH_STORE_UNAVAILABLE` or `MESH_ETCD_FAILED` that say why; the supervisor goes on trying.
   */
  async untilUsable(timeoutMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    while (this.#seen.cluster === undefined || this.#endpoints.length === 0) {
      const failure = whyUnusable(this.status(), clock.monotonicMs() >= deadlineMs);
      if (failure !== undefined) throw failure;
      await sleep(clock, CLUSTER_LOOK_SOON_MS / 4);
    }
  }

  /** Where clients find the store now: this machine's own etcd first, when it votes. */
  endpoints(): readonly string[] {
    return this.#endpoints;
  }

  /** Calls with the new endpoints whenever they change; returns a function that ends it. */
  onEndpoints(listener: (endpoints: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Its own etcd, for whoever watches over processes. */
  readonly process: SupervisedProcess = supervisedEtcd({
    process: () => this.#parts?.process,
    answeredMs: () => (this.#isAnswering() ? this.#seenMs : undefined),
    status: () => this.status(),
    onChange: (listener) => {
      this.#processListeners.add(listener);
      return () => this.#processListeners.delete(listener);
    },
    clock: { monotonicMs: () => this.#options.clock.monotonicMs() },
  });

  /** What clients of the store show and trust; asked at each connection. */
  readonly tls = () => this.#certificates.tls();

  /** `host:port` under which others reach this node's etcd, for its announcement. */
  addresses(): readonly string[] {
    return urlsOf(this.#options.hosts(), this.#options.store.client.port).map((url) =>
      url.slice("https://".length),
    );
  }

  status(): SupervisorStatus {
    const { complaints = [], crashes = 0, running = false } = this.#parts?.process ?? {};
    return supervisorStatus({
      phase: this.#machine.phase,
      version: this.#parts?.program.version,
      process: { complaints, crashes, running },
      seen: this.#seen,
      endpoints: this.#endpoints,
      store: this.#options.store,
    });
  }

  /** The whole store as one file, which ends with its hash. From this node's own etcd if it can. */
  snapshotPieces(): AsyncIterable<Uint8Array> {
    const [endpoint] = this.#endpoints;
    if (this.#parts === undefined || endpoint === undefined) {
      throw new MeshError("MESH_STORE_UNAVAILABLE");
    }
    return snapshotPieces(this.#parts.admin, endpoint);
  }

  async #makeParts(program: EtcdProgram): Promise<Parts> {
    const { files, store, trustDomain, searchPath, clock, random, log } = this.#options;
    const tools = { clock, random, log };
    const endpoints = [ownEndpoint(store.client)];
    const tls = this.tls;
    const admin = await openEtcdAdmin({ endpoints, tls, ...tools });
    const upkeepAdmin = await openEtcdAdmin({ endpoints, tls, ...tools });
    const requestTimeoutMs = CLUSTER_ANSWER_MS_MAX;
    const lookAdmin = await openEtcdAdmin({ endpoints, tls, requestTimeoutMs, ...tools });
    const process = new EtcdProcess({
      path: program.path,
      args: () => this.#arguments(program),
      logPath: files.log,
      searchPath,
      onChange: () => this.#onProcess(),
      ...tools,
    });
    const steps = new ClusterSteps({
      admin,
      process,
      files,
      trustDomain,
      self: () => this.#self(),
      setStart: (start) => {
        this.#start = start;
      },
      forget: () => {
        this.#record = { v: 1, endpoints: this.#record?.endpoints ?? [] };
      },
      ...tools,
    });
    const upkeep = new StoreUpkeep({
      admin: upkeepAdmin,
      files,
      store,
      seen: () => this.#seen,
      ownEndpoint: ownEndpoint(store.client),
      ownMemberId: () => this.#record?.own?.memberId,
      ...tools,
    });
    const observer = new ClusterObserver(lookAdmin, log);
    return { program, admin, lookAdmin, observer, process, steps, upkeep };
  }

  #self(): InitialMember {
    const { nodeName, nodeId, hosts, store } = this.#options;
    const peerUrls = urlsOf(hosts(), store.peer.port);
    return { name: memberName(nodeName, nodeId), peerUrls };
  }

  #arguments(program: EtcdProgram): string[] {
    const { files, store, hosts } = this.#options;
    const settings = {
      program,
      files,
      store,
      memberName: this.#self().name,
      hosts: hosts(),
      limitFlags: ETCD_SERVER_LIMIT_FLAGS,
    };
    return etcdArguments(settings, this.#start);
  }

  async #run(parts: Parts): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#resting = new AbortController();
      const either = AbortSignal.any([signal, this.#resting.signal]);
      await sleep(clock, this.#pauseMs(), either).catch(() => undefined);
      if (signal.aborted) return;
      await this.#lookOnce(parts).catch((error: unknown) => {
        log.warn("the store could not be looked after", errorFields(error));
      });
      for (const looked of this.#looked.splice(0)) looked();
    }
  }

  /** Looks at once, and takes the step that is due; resolves when that was done. */
  async lookNow(): Promise<void> {
    if (this.#parts === undefined) throw new MeshError("MESH_STORE_UNAVAILABLE");
    const looked = new Promise<void>((resolve) => this.#looked.push(resolve));
    this.#resting.abort();
    await Promise.race([looked, this.#loop]);
  }

  /** It ended or was started: what was seen of it before does not hold any longer. */
  #onProcess(): void {
    this.#resting.abort();
    for (const listener of [...this.#processListeners]) listener();
  }

  #isAnswering(): boolean {
    const own = ownEndpoint(this.#options.store.client);
    return this.#seen.statuses.some(({ endpoint }) => endpoint === own);
  }

  #pauseMs(): number {
    const { times } = this.#options;
    const { phase } = this.#machine;
    const { cluster } = this.#seen;
    const isWell = cluster?.members.every(({ isReachable }) => isReachable) === true;
    // A process that was started since answers soon.
    const isNew = (this.#parts?.process.startedMs ?? 0) > this.#seenMs;
    if (isNew) return CLUSTER_LOOK_SOON_MS;
    const isSteady = isWell && (phase === "voting" || phase === "standing by");
    return isSteady ? (times?.lookMs ?? CLUSTER_LOOK_MS) : CLUSTER_LOOK_SOON_MS;
  }

  /** One look and the step that follows from it. */
  async #lookOnce({ observer, steps, process }: Parts): Promise<void> {
    const { clock, log, files } = this.#options;
    const hasData = await hasEtcdData(files.data);
    const before = this.#machine.phase;
    const clusterId = hasData ? this.#record?.own?.clusterId : undefined;
    const endpoint = ownEndpoint(this.#options.store.client);
    this.#seen = await observer.look(this.#addresses(), { endpoint, clusterId });
    this.#seenMs = clock.monotonicMs();
    await this.#keepRecord();
    const look = this.#look(hasData, process.running);
    const step = this.#machine.step({ type: "look", look }, clock.monotonicMs());
    this.#sayPhase(before);
    this.#publish();
    if (step === undefined) return;
    try {
      await steps.perform(step, this.#seen);
    } catch (error) {
      // Such as a learner that has not caught up yet, or somebody else who was faster.
      log.debug("the store did not take a change", { method: step.type, ...errorFields(error) });
    } finally {
      this.#machine.step({ type: "done" }, clock.monotonicMs());
    }
  }

  #addresses(): string[] {
    const { store, others } = this.#options;
    const announced = others().storeAddresses.map((address) => `https://${address}`);
    const listed = this.#seen.members.flatMap(({ clientUrls }) => clientUrls);
    return [ownEndpoint(store.client), ...listed, ...(this.#record?.endpoints ?? []), ...announced];
  }

  #look(hasData: boolean, running: boolean): Look {
    const { others, isRemoved, nodeId } = this.#options;
    const { aliveNodeIds, storeAddresses } = others();
    const { cluster, isForeign } = this.#seen;
    const nodeIds = cluster?.members.map((member) => member.nodeId ?? "") ?? [];
    const removed = [nodeId, ...nodeIds, ...aliveNodeIds].filter(
      (id) => id !== "" && isRemoved(id),
    );
    return {
      cluster,
      isForeign,
      own: {
        peerUrls: this.#self().peerUrls,
        hasData,
        running,
        memberId: this.#record?.own?.memberId,
      },
      aliveNodeIds,
      knowsOthers: storeAddresses.length + (this.#record?.endpoints.length ?? 0) > 0,
      removedNodeIds: new Set(removed),
    };
  }

  /** Where the members are, and which one this node's etcd is, as soon as it says so itself. */
  async #keepRecord(): Promise<void> {
    const { files, store } = this.#options;
    const { statuses, members, cluster } = this.#seen;
    if (cluster === undefined) return;
    const address = ownEndpoint(store.client);
    const status = statuses.find(({ endpoint }) => endpoint === address);
    const own = status === undefined ? this.#record?.own : idsOf(status);
    const others = members.filter(({ id }) => id !== own?.memberId);
    const endpoints = others.flatMap(({ clientUrls }) => clientUrls);
    this.#record = { v: 1, ...(own === undefined ? {} : { own }), endpoints };
    await writeMembership(files, this.#record);
  }

  #sayPhase(before: string): void {
    const { phase } = this.#machine;
    if (phase === before) return;
    const { message, isTrouble } = this.status();
    if (isTrouble) this.#options.log.error(message);
    else this.#options.log.info(message);
  }

  #publish(): void {
    const own = ownEndpoint(this.#options.store.client);
    const next = clientEndpoints(this.#seen, own);
    if (next.length === 0 || next.join(" ") === this.#endpoints.join(" ")) return;
    this.#endpoints = next;
    for (const listener of this.#listeners) listener(next);
  }
}

function idsOf({ clusterId, memberId }: EtcdEndpointStatus): {
  clusterId: string;
  memberId: string;
} {
  return { clusterId, memberId };
}
