/**
 * Runs the machine of one ring that this node leads: plans, tells the members what to hold, and
 * hands requests to the worker when all have joined. When a member is lost it plans again; the
 * worker goes on with the requests from their token logs.
 */
import {
  errorFields,
  fromWireError,
  isMeshError,
  MeshError,
  type NodeId,
  type Timer,
} from "@hearthmesh/core";
import type { ModelRecord } from "../models/model-library.js";
import type { Candidate } from "../planner/candidates.js";
import { exchangesPerToken } from "../planner/cost-model.js";
import type { GenerateRequest, GenerationEvent } from "../ring/generation.js";
import type { RingFailure, RingWorker, RingWorkerStats } from "../ring/ring-worker.js";
import type { LedRing } from "./agent-messages.js";
import type { EpochBook } from "./epoch-book.js";
import type { Placement } from "./inference-service.js";
import { MODEL_REQUESTS_MAX, OBSERVED_TOKENS_MIN } from "./limits.js";
import type { MemberFaults } from "./member-faults.js";
import { layoutOf, type ModelPlanner } from "./model-planner.js";
import type { AgentPorts } from "./ports.js";
import { RingCalls } from "./ring-calls.js";
import type { RingHost } from "./ring-host.js";
import { RingLosses } from "./ring-losses.js";
import {
  type EpochPlan,
  IDLE,
  type RingEffect,
  type RingEvent,
  type RingState,
  step,
} from "./ring-machine.js";
import { RingPace } from "./ring-pace.js";
import { judgeRefusal, unplannable } from "./ring-verdicts.js";
import { RingWaiters } from "./ring-waiters.js";

export interface RingLeaderOptions {
  readonly ringId: string;
  readonly model: ModelRecord;
  /** Undefined: all members. */
  readonly allowed: readonly NodeId[] | undefined;
  readonly only: Placement | undefined;
  readonly ports: AgentPorts;
  readonly host: RingHost;
  readonly planner: ModelPlanner;
  readonly epochs: EpochBook;
  /** Of members in any ring of this node. */
  readonly faults: MemberFaults;
  /** It is in another state now. */
  onState(state: RingState): void;
}

export class RingLeader {
  readonly #options: RingLeaderOptions;
  readonly #calls: RingCalls;
  readonly losses: RingLosses;
  #state: RingState = IDLE;
  #running = 0;
  readonly #waiters = new RingWaiters();
  /** Ends what is under way for the present epoch. */
  #epochAbort = new AbortController();
  #idleTimer: Timer | undefined;
  #restingSinceMs: number | undefined;
  #candidate: Candidate | undefined;
  #pace = new RingPace();
  /** Members that the last plan was made without because of what they did. */
  #leftOut = "";
  #lastError: MeshError | undefined;

  constructor(options: RingLeaderOptions) {
    this.#options = options;
    this.#calls = new RingCalls(options);
    this.losses = new RingLosses(options.ports.clock, options.ports.self.nodeId);
  }

  get state(): RingState {
    return this.#state;
  }

  get running(): number {
    return this.#running;
  }

  /** Since when no request runs, on a monotonic clock; undefined while one does. */
  get restingSinceMs(): number | undefined {
    return this.#restingSinceMs;
  }

  /** How slow its last answers were, as a sentence; undefined: as fast as in all of this plan. */
  get slowness(): string | undefined {
    return this.#pace.slowness;
  }

  /** The placement that its requests ask for; undefined: they leave it to the planner. */
  get only(): Placement | undefined {
    return this.#options.only;
  }

  /** While another one is made after a failure, the one before. */
  get plan(): EpochPlan | undefined {
    if ("plan" in this.#state) return this.#state.plan;
    return this.#state.kind === "placing" ? this.#state.previous : undefined;
  }

  /** What others are told of it; undefined while nothing is loaded or on its way. */
  view(): LedRing | undefined {
    const plan = this.plan;
    if (plan === undefined) return undefined;
    const { ringId, model } = this.#options;
    return {
      ringId,
      modelId: model.id,
      epoch: plan.epoch,
      placement: plan.placement,
      isForced: this.#options.only !== undefined,
      isReady: this.#state.kind === "ready",
      running: this.#running,
      nodeIds: plan.members.map(({ nodeId }) => nodeId),
    };
  }

  async stats(): Promise<RingWorkerStats | undefined> {
    if (this.#state.kind !== "ready") return undefined;
    return this.#options.host.worker(this.#options.ringId)?.stats();
  }

  /** `MESH_LIMIT`, `MESH_RING_BROKEN`, `MESH_MODEL_MEMORY`, and what the worker throws. */
  async *generate(
    request: GenerateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    if (this.#running >= MODEL_REQUESTS_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `${MODEL_REQUESTS_MAX} requests for ${this.#options.model.name} wait already`,
      });
    }
    const isAtRest = this.#running === 0;
    this.#running++;
    this.#restingSinceMs = undefined;
    this.#idleTimer?.cancel();
    try {
      const worker = await this.#ready(isAtRest, signal);
      for await (const event of worker.generate(request, signal)) {
        yield event;
        if (event.kind === "done") this.#observe(event);
      }
    } catch (error) {
      throw this.#explained(error);
    } finally {
      this.#running--;
      if (this.#running === 0) this.#rest();
    }
  }

  /** Others are there, or gone: looked at when no request runs. */
  membersChanged(): void {
    this.#dispatch({ kind: "changed" });
  }

  memberFailed({ epoch, nodeId, error }: RingFailure): void {
    const { self } = this.#options.ports;
    if (nodeId !== undefined) this.#options.faults.take(nodeId, error);
    // This process can be started anew; another member that failed is left out.
    const verdict = nodeId === undefined || nodeId === self.nodeId ? "again" : "out";
    this.#dispatch({ kind: "failed", epoch, nodeId: nodeId ?? self.nodeId, error, verdict });
  }

  release(): void {
    this.#idleTimer?.cancel();
    this.#dispatch({ kind: "released" });
    this.#settle(new MeshError("MESH_RING_NOT_READY", { message: "the model was unloaded" }));
  }

  /** The same; resolves when the shard of this node is let go. */
  async unload(): Promise<void> {
    const epoch = this.plan?.epoch;
    this.release();
    const { host, ringId, ports } = this.#options;
    if (epoch !== undefined) await host.release(ports.self.nodeId, { ringId, epoch });
  }

  /** Resolves when it is planned and loaded; does nothing when it is already. */
  async wake(signal: AbortSignal): Promise<void> {
    await this.#ready(false, signal);
  }

  /**
   * Plans it now: without these members, else with whoever is there. Resolves when it is ready in
   * the new plan, or in the old one when that is the best still; rejects when nothing fits.
   */
  async planAnew(away: readonly NodeId[], signal: AbortSignal): Promise<void> {
    this.#dispatch({ kind: "asked-anew", away });
    if (this.#state.kind !== "idle") await this.wake(signal);
  }

  #ready(isAtRest: boolean, signal: AbortSignal): Promise<RingWorker> {
    signal.throwIfAborted();
    // Their time is over, or others have gone wrong: worth another plan.
    if (this.#options.faults.out().join(" ") !== this.#leftOut) this.membersChanged();
    this.#dispatch({ kind: "wanted", isAtRest });
    const { host, ringId } = this.#options;
    const worker = this.#state.kind === "ready" ? host.worker(ringId) : undefined;
    if (worker !== undefined) return Promise.resolve(worker);
    return this.#waiters.wait(signal);
  }

  #dispatch(event: RingEvent): void {
    const before = this.#state;
    const { state, effects } = step(before, event);
    this.#state = state;
    this.losses.follow(before, event, state);
    const isNew = state.kind === "placing" || state.kind === "idle";
    if (isNew && before.kind !== state.kind) this.#newEpoch();
    for (const effect of effects) this.#perform(effect);
    if (state.kind !== before.kind) this.#options.onState(state);
    if (before.kind === "placing" && state.kind === "ready") this.#settle(undefined);
  }

  #newEpoch(): void {
    this.#epochAbort.abort(new MeshError("MESH_EPOCH_OLD"));
    this.#epochAbort = new AbortController();
  }

  #perform(effect: RingEffect): void {
    const { log } = this.#options.ports;
    const { model } = this.#options;
    switch (effect.kind) {
      case "place":
        void this.#place(effect.without, effect.isFailover, this.#epochAbort.signal);
        return;
      case "prepare":
        for (const { nodeId } of effect.plan.members) void this.#prepare(effect.plan, nodeId);
        return;
      case "join":
        for (const { nodeId } of effect.plan.members) {
          void this.#join(effect.plan, nodeId, effect.endpoints);
        }
        return;
      case "release":
        for (const nodeId of effect.nodeIds) void this.#calls.release(nodeId, effect.epoch);
        return;
      case "ready":
        log.info(`${model.name} is ready (${effect.plan.placement})`, {
          epoch: effect.plan.epoch,
          count: effect.plan.members.length,
        });
        this.#settle(undefined);
        return;
      case "broken":
        log.warn(`${model.name} cannot run`, errorFields(effect.error));
        this.#lastError = effect.error;
        this.#newEpoch();
        this.#settle(effect.error);
        return;
    }
  }

  async #place(
    without: readonly NodeId[],
    isFailover: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { model, allowed, only, planner, epochs, ports, ringId, faults } = this.#options;
    try {
      const leader = ports.self.nodeId;
      const forced = isFailover ? undefined : only;
      const request = { ...{ model, allowed, leader, ringId }, only: forced };
      const planWithout = (out: readonly NodeId[]) => {
        const all = { ...request, without: [...without, ...out], contextTokens: undefined };
        return planner.plan(all, isFailover, signal);
      };
      const out = faults.out();
      this.#leftOut = out.join(" ");
      const first = await planWithout(out);
      // Rather with one that is slow than not at all; never with one that sends wrong things.
      const isEnough = first.chosen !== undefined || out.length === 0;
      const plan = isEnough ? first : await planWithout(faults.out(true));
      if (plan.chosen === undefined) {
        const error = unplannable(plan.text, plan.missingBytes, isFailover);
        this.#dispatch({ kind: "unplannable", error });
        return;
      }
      const epoch = await epochs.next(model.id);
      if (signal.aborted) return;
      this.#candidate = plan.chosen;
      this.#pace = new RingPace();
      const layout = layoutOf(plan.chosen, planner.contextTokensOf(model, undefined));
      this.#dispatch({ kind: "planned", layout, epoch });
    } catch (error) {
      if (signal.aborted) return;
      this.#dispatch({ kind: "unplannable", error: fromWireError(error) });
    }
  }

  async #prepare(plan: EpochPlan, nodeId: NodeId): Promise<void> {
    const { signal } = this.#epochAbort;
    const { epoch } = plan;
    try {
      const endpoints = await this.#calls.prepare(plan, nodeId, signal);
      this.#dispatch({ kind: "prepared", epoch, nodeId, endpoints });
    } catch (error) {
      await this.#refused(epoch, nodeId, error, signal);
    }
  }

  async #join(
    plan: EpochPlan,
    nodeId: NodeId,
    endpoints: ReadonlyMap<NodeId, readonly string[]>,
  ): Promise<void> {
    const { signal } = this.#epochAbort;
    const { epoch } = plan;
    try {
      await this.#calls.join(plan, nodeId, endpoints, signal);
      this.#dispatch({ kind: "joined", epoch, nodeId });
    } catch (error) {
      await this.#refused(epoch, nodeId, error, signal);
    }
  }

  async #refused(
    epoch: number,
    nodeId: NodeId,
    cause: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return;
    const { ports, epochs, model, faults } = this.#options;
    const error = fromWireError(cause);
    ports.log.info("a member did not take its part of a model", {
      ...{ nodeId, epoch },
      ...errorFields(error),
    });
    const further = error.details?.epoch;
    if (error.code === "MESH_EPOCH_OLD" && Number.isSafeInteger(further)) {
      await epochs.learn(model.id, further as number);
      this.#dispatch({ kind: "failed", epoch, nodeId, error, verdict: "again" });
      return;
    }
    const { plan } = this;
    const members = plan?.members.map((member) => member.nodeId) ?? [];
    const judged = judgeRefusal(nodeId, ports.self.nodeId, members, error);
    // What another one says of a third one is followed, and not held against it.
    const isSeen = judged.nodeId === nodeId || nodeId === ports.self.nodeId;
    if (judged.verdict === "out" && isSeen) faults.take(judged.nodeId, error);
    this.#dispatch({ kind: "failed", epoch, error, ...judged });
  }

  #settle(error: MeshError | undefined): void {
    const { host, ringId } = this.#options;
    const notReady = () => new MeshError("MESH_RING_NOT_READY");
    this.#waiters.settle(error ?? host.worker(ringId) ?? notReady());
  }

  #rest(): void {
    const { clock, log } = this.#options.ports;
    this.#restingSinceMs ??= clock.monotonicMs();
    this.#idleTimer?.cancel();
    this.#idleTimer = clock.setTimeout(() => {
      if (this.#running > 0 || this.plan === undefined) return;
      // It is being loaded again because an engine ended: not before it is back.
      if (this.#state.kind !== "ready") return this.#rest();
      log.info(`${this.#options.model.name} is unloaded: nobody asked for it`);
      this.release();
    }, this.#options.ports.idleUnloadMs);
  }

  /** Of a ring that broke, why; a worker only knows that it was closed. */
  #explained(error: unknown): unknown {
    const isOwn = isMeshError(error, "MESH_CANCELLED") || isMeshError(error, "MESH_LIMIT");
    if (this.#state.kind !== "broken" || isOwn) return error;
    return this.#lastError ?? error;
  }

  #observe(event: Extract<GenerationEvent, { kind: "done" }>): void {
    const { model, planner, ports } = this.#options;
    const { completionTokens, timings } = event;
    const candidate = this.#candidate;
    const isAlone = this.#running === 1 && timings.epochs === 1;
    if (candidate === undefined || !isAlone || completionTokens < OBSERVED_TOKENS_MIN) return;
    const steps = completionTokens - 1;
    if (candidate.members.length > 1) this.#pace.take((steps / timings.decodeMs) * 1000);
    const exchanges = steps * exchangesPerToken(model.shape);
    const seen = {
      tokensPerSecond: (steps / timings.decodeMs) * 1000,
      // All that is not computing, as the planner counts it: a single wait here ends at once when
      // the others have sent their part before.
      exchangeMs: candidate.members.length > 1 ? timings.exchangeMs / exchanges : undefined,
    };
    planner.observe(model, candidate, seen).catch((error: unknown) => {
      ports.log.debug("what was observed was not kept", errorFields(error));
    });
  }
}
