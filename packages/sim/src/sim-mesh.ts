/**
 * A member in one process: a coordinator, storage nodes and people's machines, made of the classes
 * that ship, on simulated machines. The harness drives it with `settle`, which lets virtual time
 * run until some work is done.
 */
import { type CoordinatorIntervals, chunkIdOf, type FsckReport } from "@hearthmesh/collective";
import { type ChunkId, MeshError } from "@hearthmesh/core";
import type { ReplicaView } from "./checkers/replica-checker.js";
import { FaultInjector } from "./fault-injector.js";
import type { GrantKeeper } from "./grant-turns.js";
import type { MeshClient } from "./mesh-client.js";
import { type SeededRandom, seededRandom } from "./seeded-random.js";
import { type InspectingClient, startClient } from "./sim-client.js";
import { type RunningCoordinator, startCoordinator } from "./sim-coordinator.js";
import { enrolEverybody, type SimIdentity, type SimTrust } from "./sim-identities.js";
import { type ProcessContext, SimMachine } from "./sim-machine.js";
import { type RunningStorageNode, startStorageNode } from "./sim-storage-node.js";
import { createTrace, type Trace } from "./trace.js";
import { describeError } from "./tree-workload.js";
import { Violations } from "./violations.js";
import { type VirtualClock, virtualClock } from "./virtual-clock.js";
import { VirtualNetwork } from "./virtual-network.js";
import { lanProfile, type PathProfile } from "./virtual-path.js";

export interface SimMeshOptions {
  seed: string;
  /** Names of the storage nodes. */
  storage: readonly string[];
  /** Names of people with their grants, such as `/shared:read+write`. */
  people: Readonly<Record<string, readonly string[]>>;
  /** Default 3. */
  replicas?: number;
  /** Default 2. */
  acks?: number;
  /** Times of the coordinator's background work; default those of the product. */
  intervals?: Partial<CoordinatorIntervals>;
  /** Of every pair of machines; default a LAN. */
  profile?: PathProfile;
  onLine?: (line: string) => void;
}

const START_MS = Date.UTC(2030, 0, 1);
const COORDINATOR = "coordinator";
/** Sees everything; asked by the checkers. */
const INSPECTOR = "inspector";
const ONLINE_LIMIT_MS = 600_000;
const ONLINE_POLL_MS = 500;

export class SimMesh implements ReplicaView {
  readonly clock: VirtualClock;
  readonly network: VirtualNetwork;
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly violations: Violations;
  readonly storageNames: readonly string[];
  readonly coordinatorName = COORDINATOR;
  readonly replicas: number;
  readonly acks: number;
  readonly #intervals: Partial<CoordinatorIntervals>;
  readonly #trust: SimTrust;
  readonly #machines = new Map<string, SimMachine>();
  readonly #clients = new Map<string, InspectingClient>();
  readonly #storage = new Map<string, RunningStorageNode>();
  readonly #injector: FaultInjector;
  #coordinator: RunningCoordinator | undefined;
  #epoch = 0;

  /** Issues every certificate in real time, before virtual time begins to move. */
  static async create(options: SimMeshOptions): Promise<SimMesh> {
    const clock = virtualClock({ startMs: START_MS });
    const random = seededRandom(options.seed);
    const people = { ...options.people, [INSPECTOR]: ["/:read+write+delete"] };
    const who = { coordinator: COORDINATOR, storage: options.storage, people };
    return new SimMesh(options, clock, random, await enrolEverybody(who, { clock, random }));
  }

  private constructor(
    options: SimMeshOptions,
    clock: VirtualClock,
    random: SeededRandom,
    trust: SimTrust,
  ) {
    const { onLine } = options;
    this.clock = clock;
    this.random = random;
    this.#trust = trust;
    this.storageNames = options.storage;
    this.replicas = options.replicas ?? 3;
    this.acks = options.acks ?? 2;
    this.#intervals = options.intervals ?? {};
    this.trace = createTrace(onLine === undefined ? { clock } : { clock, onLine });
    this.violations = new Violations(this.trace);
    const { trace } = this;
    const network = { clock, random: random.fork("network"), trace };
    const profile = options.profile ?? lanProfile;
    this.network = new VirtualNetwork({ ...network, profile });
    for (const [name, identity] of trust.identities) {
      this.#machines.set(name, this.#makeMachine(identity));
    }
    this.#injector = this.injector();
  }

  /** Starts every machine and waits until every storage node is part of the mesh. */
  async startAll(): Promise<void> {
    const machines = [...this.#machines.values()];
    const starting = Promise.all(machines.map((machine) => this.#injector.restart(machine)));
    await this.settle(starting, ONLINE_LIMIT_MS);
    await this.waitUntilAllOnline();
  }

  async waitUntilAllOnline(): Promise<void> {
    const endMs = this.clock.monotonicMs() + ONLINE_LIMIT_MS;
    for (;;) {
      const away = this.storageNames.filter((name) => this.nodeState(name) !== "online");
      if (away.length === 0) return;
      if (this.clock.monotonicMs() >= endMs) {
        this.violations.add(`${away.join(", ")} did not come online`);
        return;
      }
      await this.clock.runFor(ONLINE_POLL_MS);
    }
  }

  settle<Value>(work: Promise<Value>, limitMs: number): Promise<Value> {
    return this.clock.runUntilSettled(work, limitMs);
  }

  injector(): FaultInjector {
    const { clock, network, trace } = this;
    const random = this.random.fork("injector");
    return new FaultInjector({ clock, network, trace, random, machines: this.#machines });
  }

  machine(name: string): SimMachine {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new Error(`there is no machine ${name}`);
    return machine;
  }

  /** The person's machine must have been started. */
  client(name: string): MeshClient {
    return this.#client(name);
  }

  /** The operator at the coordinator that runs now; `MESH_UNREACHABLE` while none does. */
  get grants(): GrantKeeper {
    const present = (): GrantKeeper => {
      if (this.#coordinator !== undefined) return this.#coordinator.grants;
      throw new MeshError("MESH_UNREACHABLE");
    };
    return {
      give: async (person, grant) => present().give(person, grant),
      take: async (id) => present().take(id),
    };
  }

  /** As the coordinator sees it; `unknown` while it does not run or has never seen it. */
  nodeState(name: string): string {
    const node = this.#coordinator?.listNodes().find((one) => one.name === name);
    return node?.state ?? "unknown";
  }

  /** As the operator asks for it. The coordinator must run. */
  runWorker(name: string): Promise<{ readonly done: number; readonly errors: number }> {
    return this.#leading().runWorker(name);
  }

  fsck(repair = false): Promise<FsckReport> {
    return this.#leading().fsck(repair);
  }

  /** A method of the coordinator that is for its operator. */
  operate(method: string, header: object): Promise<object> {
    return this.#leading().operate(method, header);
  }

  #leading(): RunningCoordinator {
    if (this.#coordinator === undefined) throw new Error("the coordinator does not run");
    return this.#coordinator;
  }

  /** For each chunk of the file, the storage nodes that have it. */
  async chunkHolders(path: string): Promise<string[][]> {
    const ids = await this.#client(INSPECTOR).chunksOf(path);
    return ids.map((id) => this.storageNames.filter((name) => this.hasChunk(name, id)));
  }

  async wantedChunks(): Promise<readonly ChunkId[]> {
    const wanted = new Set<ChunkId>();
    const inspector = this.#client(INSPECTOR);
    const visit = async (directory: string): Promise<void> => {
      for (const name of await inspector.list(directory)) {
        const path = `${directory === "/" ? "" : directory}/${name}`;
        if (name.endsWith("/")) await visit(path.slice(0, -1));
        else for (const id of await inspector.chunksOf(path)) wanted.add(id);
      }
    };
    await visit("/");
    return [...wanted].sort();
  }

  replicasWanted(): number {
    return Math.min(this.replicas, this.storageNames.length);
  }

  storageNodes(): readonly string[] {
    return this.storageNames;
  }

  hasChunk(node: string, id: ChunkId): boolean {
    return this.#storage.get(node)?.chunks.has(id) ?? false;
  }

  async damageOf(node: string, id: ChunkId): Promise<string | undefined> {
    try {
      const bytes = (await this.#storage.get(node)?.chunks.get(id))?.bytes;
      if (bytes !== undefined && chunkIdOf([bytes]) !== id) {
        this.violations.add(`${node} gave wrong bytes for chunk ${id.slice(0, 12)}`);
      }
      return undefined;
    } catch (error) {
      return describeError(error);
    }
  }

  #client(name: string): InspectingClient {
    const client = this.#clients.get(name);
    if (client === undefined) throw new Error(`${name}'s machine was not started`);
    return client;
  }

  #makeMachine(identity: SimIdentity): SimMachine {
    const { clock, network, random, trace } = this;
    return new SimMachine({
      name: identity.name,
      clock,
      network,
      trace,
      random: random.fork(`machine ${identity.name}`),
      certificates: [identity.certificateDer],
      program: (process) => this.#program(identity, process),
    });
  }

  async #program(identity: SimIdentity, process: ProcessContext): Promise<void> {
    const { name } = identity;
    const { ca, history } = this.#trust;
    const bundle = this.#trust.bundle;
    const coordinator = this.#identity(COORDINATOR);
    if (name === COORDINATOR) {
      const { replicas, acks, clock } = this;
      process.onDeath(() => {
        this.#coordinator = undefined;
      });
      const epoch = ++this.#epoch;
      const disk = { history, machineClock: clock };
      const intervals = this.#intervals;
      const options = { process, identity, ca, ...disk, epoch, replicas, acks, intervals };
      const running = await startCoordinator(options);
      if (process.isAlive()) this.#coordinator = running;
    } else if (this.storageNames.includes(name)) {
      process.onDeath(() => this.#storage.delete(name));
      const running = await startStorageNode({ process, identity, coordinator, bundle });
      if (process.isAlive()) this.#storage.set(name, running);
    } else {
      process.onDeath(() => this.#clients.delete(name));
      this.#clients.set(name, startClient({ process, identity, coordinator, bundle }));
    }
  }

  #identity(name: string): SimIdentity {
    const identity = this.#trust.identities.get(name);
    if (identity === undefined) throw new Error(`${name} was not enrolled`);
    return identity;
  }
}
