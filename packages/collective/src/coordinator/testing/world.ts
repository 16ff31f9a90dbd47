/** A coordinator and storage nodes over real links in one process, for tests. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import {
  type ChunkId,
  type MemberId,
  type NodeId,
  type Random,
  silentLogger,
} from "@hearthmesh/core";
import { ManualClock, turns } from "@hearthmesh/core/testing";
import type { Principal, PrincipalKind } from "@hearthmesh/identity";
import {
  dialLink,
  type IncomingRequest,
  type LinkIdentity,
  linkIdentityOf,
  listenLinks,
  memoryTransport,
  nodeIdOfPublicKey,
  type Peer,
} from "@hearthmesh/qwormhole";
import { type MemoryStore, memoryStore } from "@hearthmesh/store";
import type { ChunkReceipt, FileBeginResponse, FileCommitResponse } from "../../protocol.js";
import { chunkIdOf } from "../../storage/blake3.js";
import type { ChunkRef, Entry } from "../../types.js";
import { Coordinator } from "../coordinator.js";
import type { CoordinatorIntervals, CoordinatorOptions } from "../coordinator-options.js";
import { keys } from "../keys.js";
import { GrantPolicy, testPrincipal } from "./grant-policy.js";
import { MemoryNode } from "./memory-node.js";

const HOME = { host: "coordinator", port: 9000 };

/** Background work starts only when a test says so. */
const QUIET: CoordinatorIntervals = {
  reportMs: 5_000,
  repairMs: 1e9,
  settleMs: 1e9,
  queueMs: 1e9,
  garbageMs: 1e9,
  garbageGraceMs: 60_000,
  uploadsMs: 1e9,
  fsckMs: 1e9,
  scrubMs: 1e9,
  trashMs: 1e9,
  nodeLostMs: 900_000,
  walkPauseMs: 0,
};

/** Hours pass in these tests; without this, every link would ping through them. */
const CALM = { pingIntervalMs: 1e8, deadAfterMs: 1e9 };

export interface WorldOptions {
  readonly nodes?: number;
  readonly replicas?: number;
  readonly acks?: number;
  readonly sites?: readonly string[];
  readonly intervals?: Partial<CoordinatorIntervals>;
  readonly rolesOf?: CoordinatorOptions["rolesOf"];
  readonly trashRetentionMs?: number;
  readonly extraWorkers?: CoordinatorOptions["extraWorkers"];
}

interface Machine {
  readonly identity: LinkIdentity;
  readonly principal: Principal;
}

export class World {
  readonly clock = new ManualClock();
  readonly policy = new GrantPolicy();
  readonly store: MemoryStore = memoryStore({ clock: this.clock });
  readonly nodes: MemoryNode[] = [];
  readonly random: Random = { bytes: (length) => randomBytes(length), float: () => 0.5 };
  coordinator: Coordinator;
  /** For the coordinators that are made from now on. */
  overrides: Partial<CoordinatorOptions> = {};
  readonly operator: Principal;
  readonly #options: WorldOptions;
  readonly #network = memoryTransport();
  readonly #machines = new Map<string, Machine>();
  readonly #secret = randomBytes(32);
  readonly #own: Machine;
  /** Every start is one more, as in the daemon. */
  #nextEpoch = 1;

  private constructor(options: WorldOptions) {
    this.#options = options;
    this.#own = this.#machine("coordinator", "alice-coordinator");
    this.operator = this.#own.principal;
    this.policy.grant(this.operator, "/:read+write+delete+share");
    this.coordinator = this.#newCoordinator();
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    await world.coordinator.start();
    await world.#listen();
    for (let index = 0; index < (options.nodes ?? 3); index++) {
      await world.addNode(options.sites?.[index]);
    }
    return world;
  }

  /** Another coordinator over the same store, as after a crash. */
  async restart(): Promise<void> {
    const links = this.nodes.map((node) => node.link);
    await this.coordinator.stop();
    for (const link of links) link?.destroy(new Error("the coordinator has gone"));
    await turns();
    this.coordinator = this.#newCoordinator();
    await this.coordinator.start();
    for (const node of this.nodes) await this.connect(node);
  }

  async stop(): Promise<void> {
    await this.coordinator.stop();
    for (const node of this.nodes) node.link?.destroy(new Error("the test has ended"));
    await turns();
  }

  async addNode(site = "home"): Promise<MemoryNode> {
    const name = `node-${this.nodes.length + 1}`;
    const { principal } = this.#machine("node", name);
    const node = new MemoryNode({
      nodeId: principal.nodeId,
      name,
      publicKeyDer: this.#own.identity.publicKey,
      nowMs: () => this.clock.nowMs(),
      peer: (nodeId) => this.nodes.find((one) => one.nodeId === nodeId && one.link?.isOpen),
    });
    node.site = site;
    this.nodes.push(node);
    await this.connect(node);
    return node;
  }

  async connect(node: MemoryNode): Promise<void> {
    const { identity } = this.#machines.get(node.nodeId) as Machine;
    const options = { identity, handlers: node.handlers(), clock: this.clock, ...CALM };
    node.link = await dialLink(this.#network, HOME, options);
    await node.register();
  }

  async disconnect(node: MemoryNode): Promise<void> {
    node.link?.destroy(new Error("the node was killed"));
    await turns();
  }

  /** The key that checks tickets. */
  get publicKeyDer(): Uint8Array {
    return this.#own.identity.publicKey;
  }

  person(name: string, ...grants: readonly string[]): Principal {
    const principal = this.#machine("person", `${name}@home.alice`).principal;
    this.policy.grant(principal, ...grants);
    return principal;
  }

  /** A call by the operator. */
  call<Answer = Record<string, unknown>>(method: string, header: object, body?: Uint8Array) {
    return this.callAs<Answer>(this.operator, method, header, body);
  }

  async callAs<Answer = Record<string, unknown>>(
    principal: Principal,
    method: string,
    header: object,
    body?: Uint8Array,
  ): Promise<Answer> {
    const answer = await this.coordinator.call(principal, method, header, body);
    return answer.header as Answer;
  }

  async put(path: string, bytes: Uint8Array, ifMatch?: string): Promise<Entry> {
    const header = ifMatch === undefined ? { path } : { path, ifMatch };
    return (await this.call<{ entry: Entry }>("file.put", header, bytes)).entry;
  }

  begin(path: string): Promise<FileBeginResponse> {
    return this.call<FileBeginResponse>("file.begin", { path });
  }

  /** Stores chunks on these nodes, as a client does. */
  place(
    begun: Pick<FileBeginResponse, "fileId">,
    firstIndex: number,
    parts: readonly Uint8Array[],
    nodes: readonly MemoryNode[] = this.nodes,
  ): { chunks: ChunkRef[]; receipts: ChunkReceipt[] } {
    const chunks = parts.map((bytes) => ({ id: chunkIdOf([bytes]), sizeBytes: bytes.length }));
    const receipts = parts.flatMap((bytes, at) =>
      nodes.map((node) => node.put(begun.fileId, firstIndex + at, bytes)),
    );
    return { chunks, receipts };
  }

  /** A whole upload without segments. */
  async upload(
    path: string,
    parts: readonly Uint8Array[],
    nodes: readonly MemoryNode[] = this.nodes,
  ): Promise<Entry> {
    const begun = await this.begin(path);
    const claim = this.place(begun, 0, parts, nodes);
    const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const commit = { fileId: begun.fileId, sizeBytes, segments: 0, ...claim };
    return (await this.call<FileCommitResponse>("file.commit", commit)).entry;
  }

  runWorker(name: string): Promise<void> {
    const worker = this.coordinator.workers().find((one) => one.name === name);
    if (worker === undefined) throw new Error(`there is no worker ${name}`);
    return worker.runOnce();
  }

  /** Keys of the store with this prefix. */
  async rows(prefix: string): Promise<string[]> {
    const page = await this.store.range({ prefix });
    return page.entries.map((row) => row.key);
  }

  async referenced(id: ChunkId): Promise<number> {
    return (await this.store.range(keys.referencesOf(id))).entries.length;
  }

  #machine(kind: PrincipalKind, name: string): Machine {
    const { privateKey } = generateKeyPairSync("ed25519");
    const identity = linkIdentityOf(privateKey);
    const nodeId = nodeIdOfPublicKey(identity.publicKey) as NodeId;
    const machine = { identity, principal: testPrincipal(kind, name, nodeId) };
    this.#machines.set(nodeId, machine);
    return machine;
  }

  async #listen(): Promise<void> {
    const options = {
      identity: this.#own.identity,
      clock: this.clock,
      ...CALM,
      handlers: {
        // A restarted coordinator serves the same door.
        onRequest: async (request: IncomingRequest) => {
          const { onRequest } = this.coordinator.handlers();
          if (onRequest === undefined) throw new Error("the coordinator serves nothing");
          return onRequest(request);
        },
      },
      verifyPeer: (peer: Omit<Peer, "identity">) => this.#machines.get(peer.nodeId)?.principal,
    };
    await listenLinks(this.#network, HOME, options, (link) => this.coordinator.attach(link));
  }

  #newCoordinator(): Coordinator {
    const { identity, principal } = this.#own;
    const { replicas, acks, intervals, rolesOf, trashRetentionMs = 0 } = this.#options;
    const { extraWorkers = () => [] } = this.#options;
    return new Coordinator({
      store: this.store,
      access: this.policy,
      sign: (bytes) => identity.sign(bytes),
      publicKeyDer: identity.publicKey,
      nodeId: principal.nodeId,
      memberId: "alice" as MemberId,
      clock: this.clock,
      random: this.random,
      log: silentLogger,
      epoch: this.#nextEpoch++,
      coordinatorSecret: this.#secret,
      trashRetentionMs,
      extraWorkers,
      ...(replicas === undefined ? {} : { replicas }),
      ...(acks === undefined ? {} : { acks }),
      ...(rolesOf === undefined ? {} : { rolesOf }),
      intervals: { ...QUIET, ...intervals },
      ...this.overrides,
    });
  }
}

/** Bytes that differ for every seed. */
export function bytesOf(sizeBytes: number, seed: number): Uint8Array {
  const bytes = Buffer.alloc(sizeBytes, seed & 255);
  if (sizeBytes >= 4) bytes.writeUInt32BE(seed, 0);
  return bytes;
}
