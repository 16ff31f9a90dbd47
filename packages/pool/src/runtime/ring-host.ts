/**
 * The shards that this node holds, for rings that it leads itself or that another node leads. The
 * leader says what to hold; this side checks that it may say so, that there is room, and that the
 * epoch is newer than the one before.
 */
import { errorFields, isMeshError, MeshError, type NodeId, type Timer } from "@hearthmesh/core";
import type { ModelRecord, PullProgress } from "../models/model-library.js";
import type { RingFailure, RingWorker } from "../ring/ring-worker.js";
import { shardsOf } from "../shards/shards-of.js";
import type { JoinMessage, PrepareMessage, RingName } from "./agent-messages.js";
import type { EngineProcesses, EngineRing } from "./engine-processes.js";
import { joinedPlan } from "./joined-plan.js";
import { ORPHAN_MS_MAX, RINGS_MAX, RINGS_PER_LEADER_MAX } from "./limits.js";
import type { AgentPorts, HeldWorker } from "./ports.js";
import type { PrepareProgress } from "./preparation.js";

export interface HeldRing {
  readonly ringId: string;
  readonly modelId: string;
  readonly epoch: number;
  readonly leader: NodeId;
  readonly memoryBytes: number;
  readonly state: "preparing" | "prepared" | "joining" | "ready" | "failed";
  readonly pulled: PullProgress | undefined;
}

interface Holding extends HeldRing {
  epoch: number;
  memoryBytes: number;
  state: HeldRing["state"];
  pulled: PullProgress | undefined;
  message: PrepareMessage;
  model: ModelRecord | undefined;
  path: string | undefined;
  held: HeldWorker | undefined;
  /** Shared by epochs that follow each other while it starts. */
  starting: Promise<HeldWorker> | undefined;
  /** Ends what is under way for the present epoch. */
  abort: AbortController;
  /** Ends with the holding. */
  readonly life: AbortController;
  orphanTimer: Timer | undefined;
}

export interface RingHostOptions extends AgentPorts {
  /** Throws why this node does not take part in another one's ring of this model now. */
  refuse(message: PrepareMessage): void;
  /** Lets go of own rings at rest until so many bytes are free, or nothing is left to let go. */
  makeRoom(bytes: number, exceptRingId: string): Promise<void>;
  /** A worker of a ring says that a member failed, or itself. */
  onFailure(ringId: string, failure: RingFailure): void;
  /** Is told of every process; that an own ring is let go, its leader tells. */
  readonly engines: Pick<EngineProcesses, "started" | "joined" | "ended" | "letGo">;
}

export class RingHost {
  readonly #options: RingHostOptions;
  /** By leader and ring: what one leader says never touches the ring of another one. */
  readonly #holdings = new Map<string, Holding>();
  #isClosed = false;

  constructor(options: RingHostOptions) {
    this.#options = options;
  }

  held(): readonly HeldRing[] {
    return [...this.#holdings.values()];
  }

  worker(ringId: string): RingWorker | undefined {
    return this.#holdings.get(keyOf(this.#options.self.nodeId, ringId))?.held?.worker;
  }

  /**
   * Lets go of rings whose leader left the pool; own ones go on without members that left. A ring
   * that is not joined yet, and whose leader is away, waits for a new plan as one that broke.
   */
  membersChanged(): void {
    const { self, members } = this.#options;
    const online = members.list().filter(({ isOnline }) => isOnline);
    const isStranger = (nodeId: NodeId) => nodeId !== self.nodeId && !members.isPeer(nodeId);
    for (const holding of [...this.#holdings.values()]) {
      const { leader, message, ringId, epoch } = holding;
      const left = message.members.find(({ nodeId }) => isStranger(nodeId))?.nodeId;
      if (left === undefined) {
        const isAway = !online.some(({ nodeId }) => nodeId === leader);
        if (isAway && holding.state === "prepared") {
          this.#fail(holding, new MeshError("MESH_UNREACHABLE"));
        }
        continue;
      }
      const error = new MeshError("MESH_RING_BROKEN", { message: `${left} left the pool` });
      if (isStranger(leader)) void this.#drop(holding, error);
      else if (leader === self.nodeId) {
        this.#options.onFailure(ringId, { epoch, nodeId: left, error });
      }
    }
  }

  /**
   * Pulls the shard and starts its process. `MESH_EPOCH_OLD` with the epoch that is held,
   * `MESH_MODEL_MEMORY` with the bytes that are missing, `MESH_FORBIDDEN`.
   */
  async prepare(
    from: NodeId,
    message: PrepareMessage,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    this.#check(from, message);
    const holding = this.#take(message);
    const both = AbortSignal.any([signal, holding.abort.signal]);
    try {
      holding.model ??= await this.#options.library.get(message.modelId, both);
      await this.#findRoom(holding);
      holding.path = await this.#pull(holding, both);
      const { endpoints } = holding.held ?? (await this.#startWorker(holding));
      this.#checkPresent(holding, message);
      holding.state = "prepared";
      return endpoints;
    } catch (error) {
      if (holding.epoch === message.epoch) this.#fail(holding, error);
      throw error;
    }
  }

  /** How far the preparation is; for the leader of the ring. */
  progress(from: NodeId, name: RingName): PrepareProgress {
    const { pulled, path } = this.#of(from, name);
    return { pulledBytes: pulled?.doneBytes ?? 0, isPulled: path !== undefined };
  }

  /** Loads the shard and joins the others; what ran before goes on in the new epoch. */
  async join(from: NodeId, message: JoinMessage, signal: AbortSignal): Promise<void> {
    const holding = this.#of(from, message);
    const { held, path, model } = holding;
    if (held === undefined || path === undefined || model === undefined) {
      throw new MeshError("MESH_RING_NOT_READY", { message: "the shard is not prepared" });
    }
    holding.state = "joining";
    holding.orphanTimer?.cancel();
    const both = AbortSignal.any([signal, holding.abort.signal]);
    try {
      await held.worker.load(joinedPlan(holding.message, message, model), path, both);
      if (holding.epoch === message.epoch) {
        holding.state = "ready";
        this.#options.engines.joined(this.#engineRing(holding));
      }
    } catch (error) {
      if (holding.epoch === message.epoch) this.#fail(holding, error);
      throw error;
    }
    this.#pullSpare(holding, model);
  }

  /** Ends the ring here; one of a later epoch stays. */
  async release(from: NodeId, { ringId, epoch }: RingName): Promise<void> {
    const holding = this.#holdings.get(keyOf(from, ringId));
    if (holding === undefined) {
      if (this.held().some((other) => other.ringId === ringId)) throw notLeader(from);
      return;
    }
    if (holding.epoch > epoch) return;
    await this.#drop(holding, new MeshError("MESH_RING_NOT_READY", { message: "released" }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const stopping = new MeshError("MESH_STOPPING");
    await Promise.all([...this.#holdings.values()].map((one) => this.#drop(one, stopping)));
  }

  /** Bytes that the shards of these rings hold. */
  bytesOf(isMeant: (ring: HeldRing) => boolean): number {
    return this.held()
      .filter((ring) => isMeant(ring))
      .reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  }

  #check(from: NodeId, message: PrepareMessage): void {
    const { self, members, host } = this.#options;
    if (this.#isClosed) throw new MeshError("MESH_STOPPING");
    if (message.leader !== from) throw notLeader(from);
    const nodeIds = message.members.map(({ nodeId }) => nodeId);
    const isMember = nodeIds.includes(self.nodeId) && nodeIds.includes(message.leader);
    if (!isMember) throw forbidden("the plan does not name this node and its leader");
    const stranger = nodeIds.find((nodeId) => nodeId !== self.nodeId && !members.isPeer(nodeId));
    if (stranger !== undefined) throw forbidden(`${stranger} is in no pool with this node`);
    if (host.unavailable !== undefined) {
      throw new MeshError("MESH_RING_NOT_READY", { message: host.unavailable });
    }
    if (from !== self.nodeId) this.#options.refuse(message);
  }

  #take(message: PrepareMessage): Holding {
    const { ringId, epoch } = message;
    const key = keyOf(message.leader, ringId);
    const present = this.#holdings.get(key);
    if (present !== undefined && present.modelId !== message.modelId) {
      throw forbidden("a ring keeps its model");
    }
    if (present !== undefined && present.epoch >= epoch) {
      throw new MeshError("MESH_EPOCH_OLD", {
        message: `epoch ${epoch} is not newer than ${present.epoch}`,
        details: { epoch: present.epoch },
      });
    }
    if (present === undefined) this.#checkCount(message.leader);
    present?.abort.abort(new MeshError("MESH_EPOCH_OLD"));
    present?.orphanTimer?.cancel();
    const { modelId, leader } = message;
    const holding: Holding = present ?? {
      ...{ ringId, modelId, leader, epoch, message, memoryBytes: 0 },
      ...{ model: undefined, path: undefined, held: undefined, pulled: undefined },
      ...{ starting: undefined, orphanTimer: undefined, state: "preparing" },
      ...{ abort: new AbortController(), life: new AbortController() },
    };
    const anew = { pulled: undefined, path: undefined, abort: new AbortController() };
    Object.assign(holding, { epoch, message, state: "preparing", ...anew });
    this.#holdings.set(key, holding);
    return holding;
  }

  /** Another leader does not take all places. */
  #checkCount(leader: NodeId): void {
    const most = leader === this.#options.self.nodeId ? RINGS_MAX : RINGS_PER_LEADER_MAX;
    const own = this.held().filter((one) => one.leader === leader).length;
    if (this.#holdings.size < RINGS_MAX && own < most) return;
    throw new MeshError("MESH_LIMIT", {
      message: `this node holds ${this.#holdings.size} rings already`,
    });
  }

  async #findRoom(holding: Holding): Promise<void> {
    const { memoryBytesMax: needed } = holding.message;
    const missing = () => needed - holding.memoryBytes - this.#options.host.memoryBytes();
    if (missing() > 0) await this.#options.makeRoom(missing(), holding.ringId);
    const missingBytes = missing();
    if (missingBytes > 0) {
      throw new MeshError("MESH_MODEL_MEMORY", {
        message: `this shard needs ${needed} bytes of memory, ${missingBytes} are missing`,
        details: { neededBytes: needed, missingBytes },
      });
    }
    holding.memoryBytes = needed;
  }

  async #pull(holding: Holding, signal: AbortSignal): Promise<string> {
    const { rangesOf, library, self } = this.#options;
    const { model, message } = holding;
    if (model === undefined) throw new MeshError("MESH_INTERNAL");
    const columns = message.members.map((member) => member.columns);
    const position = message.members.findIndex(({ nodeId }) => nodeId === self.nodeId);
    const shard = shardsOf(model.shape, columns)[position];
    if (shard === undefined) throw new MeshError("MESH_INTERNAL");
    const ranges = await rangesOf(model, shard, signal);
    const onProgress = (pulled: PullProgress) => {
      holding.pulled = pulled;
    };
    return library.ensure(model, ranges, onProgress, signal);
  }

  /** The rest of the file, so that this node can go on alone when the others are gone. */
  #pullSpare(holding: Holding, model: ModelRecord): void {
    const { library, log } = this.#options;
    const whole = [{ from: 0, to: model.sizeBytes }];
    library
      .ensure(model, whole, () => undefined, holding.abort.signal)
      .catch((error: unknown) => {
        if (holding.abort.signal.aborted) return;
        log.info("the rest of a model was not pulled", { path: model.name, ...errorFields(error) });
      });
  }

  #startWorker(holding: Holding): Promise<HeldWorker> {
    const { startWorker, host } = this.#options;
    const start = async () => {
      const bytesMax = holding.memoryBytes + host.memoryBytes();
      const held = await startWorker(bytesMax, holding.life.signal);
      if (!this.#isHeld(holding)) {
        await held.close();
        throw new MeshError("MESH_EPOCH_OLD");
      }
      held.worker.onFailure((failure) => this.#onFailure(holding, held, failure));
      holding.held = held;
      this.#options.engines.started(this.#engineRing(holding), held.worker);
      return held;
    };
    holding.starting ??= start().finally(() => {
      holding.starting = undefined;
    });
    return holding.starting;
  }

  /** A newer plan came, or a release, while this one was being prepared. */
  #checkPresent(holding: Holding, message: PrepareMessage): void {
    if (this.#isHeld(holding) && holding.epoch === message.epoch) return;
    throw new MeshError("MESH_EPOCH_OLD", { details: { epoch: holding.epoch } });
  }

  #onFailure(holding: Holding, held: HeldWorker, failure: RingFailure): void {
    if (holding.held !== held) return;
    const { log, self } = this.#options;
    log.warn("a member of a ring failed", {
      ...errorFields(failure.error),
      ...{ nodeId: failure.nodeId ?? self.nodeId, epoch: failure.epoch, path: holding.modelId },
    });
    if (failure.nodeId === undefined) this.#engineEnded(holding, failure.error);
    if (holding.leader === self.nodeId) this.#options.onFailure(holding.ringId, failure);
    else if (failure.epoch === holding.epoch) this.#fail(holding, failure.error);
  }

  /** Without a new plan of its leader the shard is let go. */
  #fail(holding: Holding, error: unknown): void {
    const { clock, self, log } = this.#options;
    if (!this.#isHeld(holding)) return;
    holding.state = "failed";
    if (isMeshError(error, "MESH_ENGINE_FAILED")) this.#engineEnded(holding, error);
    if (holding.leader === self.nodeId) return;
    holding.orphanTimer?.cancel();
    holding.orphanTimer = clock.setTimeout(() => {
      log.info("a shard is let go: its leader made no new plan", { path: holding.modelId });
      void this.#drop(holding, new MeshError("MESH_RING_BROKEN"));
    }, ORPHAN_MS_MAX);
  }

  async #dropWorker(holding: Holding): Promise<void> {
    const { held } = holding;
    holding.held = undefined;
    await held?.close().catch(() => undefined);
  }

  async #drop(holding: Holding, reason: MeshError): Promise<void> {
    if (this.#isHeld(holding)) this.#holdings.delete(keyOf(holding.leader, holding.ringId));
    holding.orphanTimer?.cancel();
    holding.abort.abort(reason);
    holding.life.abort(reason);
    const { self, engines } = this.#options;
    if (holding.leader !== self.nodeId) engines.letGo(keyOf(holding.leader, holding.ringId));
    await this.#dropWorker(holding);
  }

  #engineEnded(holding: Holding, error: MeshError): void {
    const wasThere = holding.held !== undefined;
    void this.#dropWorker(holding);
    const key = keyOf(holding.leader, holding.ringId);
    if (wasThere) this.#options.engines.ended(key, error.message);
  }

  #engineRing({ leader, ringId, model, modelId }: Holding): EngineRing {
    const { self, members } = this.#options;
    const nameOf = () => members.list().find(({ nodeId }) => nodeId === leader)?.name ?? leader;
    const leaderName = leader === self.nodeId ? undefined : nameOf();
    return { key: keyOf(leader, ringId), ringId, modelName: model?.name ?? modelId, leaderName };
  }

  #isHeld(holding: Holding): boolean {
    return this.#holdings.get(keyOf(holding.leader, holding.ringId)) === holding;
  }

  #of(from: NodeId, { ringId, epoch }: RingName): Holding {
    const holding = this.#holdings.get(keyOf(from, ringId));
    if (holding === undefined) {
      throw new MeshError("MESH_RING_NOT_READY", { message: "this node holds no such ring" });
    }
    if (holding.epoch === epoch) return holding;
    throw new MeshError("MESH_EPOCH_OLD", { details: { epoch: holding.epoch } });
  }
}

export function keyOf(leader: NodeId, ringId: string): string {
  return `${leader} ${ringId}`;
}

function notLeader(nodeId: NodeId): MeshError {
  return forbidden(`${nodeId} does not lead this ring`);
}

function forbidden(message: string): MeshError {
  return new MeshError("MESH_FORBIDDEN", { message });
}
