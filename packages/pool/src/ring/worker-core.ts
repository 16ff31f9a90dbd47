/**
 * What runs in the worker's process: one engine, one tensor plane, and on the leader the requests.
 * It takes one plan after the other; a later one replaces what is under way.
 *
 *     empty --load--> loading --all joined--> joined --fault--> broken
 *     any --load of a later epoch--> loading          any --close--> closed
 *
 * The engine outlives epochs: it is opened anew only when shard, file or context differ.
 */
import { type Clock, type Logger, MeshError, type NodeId } from "@hearthmesh/core";
import type { EngineOptions, ShardEngine } from "../engine/shard-engine.js";
import type { GenerateRequest, GenerationEvent } from "./generation.js";
import { LeaderSession, meshErrorOf } from "./leader-session.js";
import { JOIN_MS_MAX, JOIN_MS_MIN, LOAD_BYTES_PER_SECOND_MIN, RING_MEMBERS_MAX } from "./limits.js";
import type { MemberFault } from "./member-fault.js";
import type { RequestReader } from "./model-answer.js";
import { RingEpoch } from "./ring-epoch.js";
import { RingMeter } from "./ring-meter.js";
import type { RingPlan, RingPlanMember } from "./ring-plan.js";
import type { RingFailure, RingWorkerStats } from "./ring-worker.js";
import type { TensorPlane } from "./tensor-plane.js";

export interface WorkerCoreOptions {
  readonly nodeId: NodeId;
  readonly plane: TensorPlane;
  readonly threads: number;
  readonly memoryBytesMax: number;
  readonly sequencesMax: number;
  readonly batchRowsMax: number;
  readonly openEngine: (options: EngineOptions) => Promise<ShardEngine>;
  /** What the model knows about text; for the leader. */
  readonly readRequests: (modelId: string, modelPath: string) => Promise<RequestReader>;
  readonly yieldThen: (callback: () => void) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  onEvent(id: number, event: GenerationEvent): void;
  onFailed(id: number, error: MeshError): void;
  onFailure(failure: RingFailure): void;
}

interface OpenEngine {
  readonly key: string;
  readonly engine: ShardEngine;
}

export class WorkerCore {
  readonly #options: WorkerCoreOptions;
  readonly #session: LeaderSession;
  #latestEpoch = -1;
  #modelId: string | undefined;
  #loading: AbortController | undefined;
  /** Engines are opened one after the other: two would not fit. */
  #engineQueue: Promise<unknown> = Promise.resolve();
  #engine: OpenEngine | undefined;
  #epoch: RingEpoch | undefined;
  #meter = new RingMeter();
  #isClosed = false;

  constructor(options: WorkerCoreOptions) {
    this.#options = options;
    this.#session = new LeaderSession({
      clock: options.clock,
      yieldThen: options.yieldThen,
      onEvent: (id, event) => options.onEvent(id, event),
      onFailed: (id, error) => options.onFailed(id, error),
    });
  }

  /** See `RingWorker.load`. */
  async load(plan: RingPlan, modelPath: string, signal: AbortSignal): Promise<void> {
    const position = this.#check(plan);
    const controller = new AbortController();
    this.#loading?.abort(new MeshError("MESH_EPOCH_OLD"));
    this.#loading = controller;
    this.#latestEpoch = plan.epoch;
    this.#leaveEpoch(plan);
    const both = AbortSignal.any([signal, controller.signal]);
    try {
      const engine = await this.#engineFor(plan, position, modelPath, both);
      const isLeader = plan.leader === this.#options.nodeId;
      const { readRequests } = this.#options;
      const read = isLeader ? await readRequests(plan.modelId, modelPath) : undefined;
      both.throwIfAborted();
      await this.#join(plan, position, engine, read, both);
    } catch (error) {
      if (this.#loading === controller) this.#leaveEpoch(plan);
      throw error;
    }
  }

  generate(id: number, request: GenerateRequest): void {
    this.#session.generate(id, request);
  }

  cancel(id: number): void {
    this.#session.cancel(id);
  }

  taken(id: number, events: number): void {
    this.#session.taken(id, events);
  }

  /** `MESH_RING_NOT_READY` before the first plan. */
  stats(): RingWorkerStats {
    const engine = this.#engine?.engine.stats();
    if (engine === undefined) throw new MeshError("MESH_RING_NOT_READY");
    const meter = this.#meter;
    const { exchanges, exchangeMs, computeMs, bytesSent, bytesReceived } = meter;
    return {
      epoch: this.#latestEpoch,
      engine,
      ...this.#session.counts,
      ...{ exchanges, exchangeMs, computeMs, bytesSent, bytesReceived },
      connectionsOpen: this.#epoch?.plane.connectionsOpen ?? 0,
      exchangeMsP50: meter.exchangeMsAt(0.5),
      exchangeMsP99: meter.exchangeMsAt(0.99),
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const stopping = new MeshError("MESH_STOPPING");
    this.#loading?.abort(stopping);
    this.#session.close(stopping);
    this.#epoch?.close();
    await this.#options.plane.close();
    await this.#engineQueue.catch(() => undefined);
    this.#engine?.engine.close();
    this.#engine = undefined;
  }

  #check(plan: RingPlan): number {
    if (this.#isClosed) throw new MeshError("MESH_STOPPING");
    const { epoch, members } = plan;
    if (epoch <= this.#latestEpoch) {
      const message = `epoch ${epoch} is not newer than ${this.#latestEpoch}`;
      throw new MeshError("MESH_EPOCH_OLD", { message, details: { epoch: this.#latestEpoch } });
    }
    const position = members.findIndex(({ nodeId }) => nodeId === this.#options.nodeId);
    const nodeIds = new Set(members.map(({ nodeId }) => nodeId));
    const isWrong =
      position < 0 ||
      members.length > RING_MEMBERS_MAX ||
      nodeIds.size !== members.length ||
      !nodeIds.has(plan.leader) ||
      members.some(({ shard }, at) => shard.position !== at || shard.members !== members.length);
    if (!isWrong) return position;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: "the plan does not name this member, its leader and each member's place once",
    });
  }

  /** Nobody computes for the old plan any more. Requests keep their logs and wait. */
  #leaveEpoch(next: RingPlan): void {
    this.#options.plane.shut();
    const present = this.#epoch;
    this.#epoch = undefined;
    present?.close();
    if (present !== undefined) this.#session.lost(present.plane.epoch, undefined);
    const isOther = this.#modelId !== undefined && this.#modelId !== next.modelId;
    if (isOther || next.leader !== this.#options.nodeId) {
      const message = "the ring goes on without this request: it has another leader or model";
      this.#session.close(new MeshError("MESH_RING_BROKEN", { message }));
    }
    this.#modelId = next.modelId;
  }

  #engineFor(
    plan: RingPlan,
    position: number,
    modelPath: string,
    signal: AbortSignal,
  ): Promise<ShardEngine> {
    const shard = (plan.members[position] as RingPlanMember).shard;
    const { kvHeads, feedForward, vocabulary } = shard;
    const { contextTokens } = plan;
    const key = JSON.stringify([modelPath, kvHeads, feedForward, vocabulary, contextTokens]);
    const opened = this.#engineQueue.then(async () => {
      signal.throwIfAborted();
      if (this.#engine?.key === key) return this.#engine.engine;
      this.#engine?.engine.close();
      this.#engine = undefined;
      const { openEngine, threads, memoryBytesMax, sequencesMax, batchRowsMax } = this.#options;
      const engine = await openEngine({
        ...{ modelPath, shard, contextTokens, sequencesMax, batchRowsMax },
        ...{ threads, memoryBytesMax },
      });
      this.#engine = { key, engine };
      return engine;
    });
    this.#engineQueue = opened.catch(() => undefined);
    return opened;
  }

  #join(
    plan: RingPlan,
    position: number,
    engine: ShardEngine,
    read: RequestReader | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { plane, clock, logger, yieldThen, sequencesMax, batchRowsMax } = this.#options;
    const meter = new RingMeter();
    this.#meter = meter;
    return new Promise((resolve, reject) => {
      let isJoined = false;
      const settle = (error?: unknown) => {
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle(signal.reason);
      const { weightBytes } = engine.stats();
      const joinMs = joinMsOf(plan, position, weightBytes);
      const timer = clock.setTimeout(() => settle(notJoined(plan, epoch)), joinMs);
      signal.addEventListener("abort", onAbort, { once: true });
      const epoch: RingEpoch = new RingEpoch({
        ...{ plan, position, engine, meter, clock, logger, yieldThen },
        room: { rowsMax: batchRowsMax, sequencesMax },
        onJoined: (room) => {
          isJoined = true;
          settle();
          if (read === undefined) return;
          const isAlone = plan.members.length === 1;
          const { contextTokens } = plan;
          this.#session.ready(epoch, read, { contextTokens, ...room, isAlone });
        },
        onComputed: (result) => this.#session.computed(epoch, result),
        onFault: (fault) => {
          if (isJoined) this.#onFault(plan, epoch, fault);
          else settle(withBlame(plan, fault));
        },
      });
      this.#epoch = epoch;
      plane.open(epoch.plane, plan.members.slice(0, position), signal);
    });
  }

  #onFault(plan: RingPlan, epoch: RingEpoch, fault: MemberFault): void {
    if (this.#epoch !== epoch) return;
    const { position, error } = fault;
    const member = position === undefined ? undefined : plan.members[position];
    this.#epoch = undefined;
    this.#options.plane.shut();
    if (member === undefined && error.code === "MESH_ENGINE_FAILED") this.#dropEngine();
    this.#session.lost(plan.epoch, member?.name ?? "this node");
    const { logger } = this.#options;
    logger.warn("ring: an epoch ended", { epoch: plan.epoch, reason: error.message });
    const told = error.code === "MESH_RING_FRAME_INVALID" ? withBlame(plan, fault) : error;
    this.#options.onFailure({ epoch: plan.epoch, nodeId: member?.nodeId, error: told });
  }

  /** An engine that failed is not used again. */
  #dropEngine(): void {
    const engine = this.#engine?.engine;
    this.#engine = undefined;
    try {
      engine?.close();
    } catch (error) {
      this.#options.logger.warn("ring: the engine did not close", {
        reason: meshErrorOf(error).message,
      });
    }
  }
}

function notJoined(plan: RingPlan, epoch: RingEpoch): MeshError {
  const missing = epoch.plane.missing.flatMap((position) => plan.members[position] ?? []);
  const names = missing.map(({ name }) => name);
  return new MeshError("MESH_RING_NOT_READY", {
    message: `these members did not join: ${names.join(", ")}`,
    details: { missing: names, blamed: missing.map(({ nodeId }) => nodeId) },
  });
}

/** Whoever loads a plan is told whose doing it was that it could not be joined. */
function withBlame(plan: RingPlan, { position, error }: MemberFault): MeshError {
  const member = position === undefined ? undefined : plan.members[position];
  if (member === undefined) return error;
  const details = { ...error.details, blamed: [member.nodeId] };
  const message = `${member.name}: ${error.message}`;
  return new MeshError(error.code, { message, details, cause: error });
}

/** This one has loaded: the one with the largest shard has so long, with a slow disk, to do so. */
function joinMsOf(plan: RingPlan, position: number, weightBytes: number): number {
  const columns = plan.members.map(({ shard }) => shard.columns.to - shard.columns.from);
  const largestPart = Math.max(...columns) / (columns[position] ?? 1);
  const loadMs = (weightBytes * largestPart * 1000) / LOAD_BYTES_PER_SECOND_MIN;
  return Math.min(JOIN_MS_MAX, JOIN_MS_MIN + loadMs);
}
