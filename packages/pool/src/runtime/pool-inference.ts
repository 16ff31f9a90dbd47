/**
 * The AI pool of one node: where a request goes, and the rings that this node leads.
 *
 * 1. A ring of this node that may be used answers.
 * 2. Else one of another member does; the request goes there over a link.
 * 3. Else the planner decides, and whoever it names as leader loads the model and answers.
 *
 * When the place of an answer is lost in the middle, the request is made at another one and goes on
 * in the same stream (see `retold-answer.ts`).
 */
import { fromWireError, isMeshError, MeshError, type NodeId } from "@hearthmesh/core";
import type { LinkHandlers } from "@hearthmesh/qwormhole";
import type { ModelRecord } from "../models/model-library.js";
import type { GenerationEvent } from "../ring/generation.js";
import { type LedRing, METHODS } from "./agent-messages.js";
import { agentMethods } from "./agent-methods.js";
import { toBytes } from "./checked-json.js";
import { EngineProcesses } from "./engine-processes.js";
import type {
  InferenceRequest,
  InferenceService,
  InferenceStats,
  PlanExplanation,
  PlanOptions,
} from "./inference-service.js";
import { JobCounters } from "./job-counters.js";
import { REQUEST_ATTEMPTS_MAX } from "./limits.js";
import { probeLink } from "./link-probe.js";
import { MemberMeasures } from "./member-measures.js";
import { ModelPlanner } from "./model-planner.js";
import type { AgentPorts } from "./ports.js";
import { encodeRequest, nodeIdsOf, readEvents } from "./remote-generation.js";
import { type Place, RequestPlaces } from "./request-places.js";
import { RetoldAnswer } from "./retold-answer.js";
import { mayUse, ringIdOf } from "./ring-finder.js";
import { type HeldRing, RingHost } from "./ring-host.js";
import type { LinkBench, LoadedRing, NodeRings } from "./ring-inspection.js";
import { RingRegistry } from "./ring-registry.js";
import { RingUpkeep } from "./ring-upkeep.js";

type RingOfNode = LedRing & LoadedRing;

export class PoolInference implements InferenceService {
  readonly measures: MemberMeasures;
  readonly engines: EngineProcesses;
  readonly upkeep: RingUpkeep;
  readonly #ports: AgentPorts;
  readonly #host: RingHost;
  readonly #planner: ModelPlanner;
  readonly #jobs = new JobCounters();
  readonly #registry: RingRegistry;
  readonly #places: RequestPlaces;
  readonly #handlers: LinkHandlers;
  readonly #unfollow: () => void;

  constructor(ports: AgentPorts) {
    this.#ports = ports;
    const registry = new RingRegistry({
      ports,
      host: () => this.#host,
      planner: () => this.#planner,
      onState: (key, state) => this.upkeep.onState(key, state),
    });
    this.#registry = registry;
    this.engines = new EngineProcesses({
      ...{ clock: ports.clock, log: ports.log },
      cpuMs: (processId) => ports.host.cpuMs(processId),
      prove: (ringId, signal) => this.upkeep.prove(ringId, signal),
      wake: (ringId, signal) => this.upkeep.wake(ringId, signal),
    });
    this.upkeep = new RingUpkeep({
      ...{ registry, engines: this.engines, clock: ports.clock, members: ports.members },
      self: ports.self.nodeId,
      host: () => this.#host,
    });
    this.#host = new RingHost({
      ...ports,
      refuse: (message) => registry.refuse(message),
      makeRoom: (bytes, except) => registry.makeRoom(bytes, except),
      onFailure: (ringId, failure) => registry.onFailure(ringId, failure),
      engines: this.engines,
    });
    this.measures = new MemberMeasures(ports, (ringId) => registry.releasableBytes(ringId));
    this.#planner = new ModelPlanner(ports, this.measures);
    this.#places = new RequestPlaces({ ports, registry, planner: this.#planner });
    this.#handlers = agentMethods({
      members: ports.members,
      measures: this.measures,
      host: this.#host,
      rings: () => this.led(),
      lead: (request, signal) => this.#lead(request, signal),
    });
    let shown = onlineText(ports);
    this.#unfollow = ports.members.onChange(() => {
      const now = onlineText(ports);
      if (now !== shown) registry.membersChanged();
      shown = now;
      this.#host.membersChanged();
    });
  }

  /** What is served on links, to nodes of the own pools. */
  handlers(): LinkHandlers {
    return this.#handlers;
  }

  async *generate(
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const job = this.#jobs.begin();
    try {
      for await (const event of this.#retold(request, signal)) {
        job.take(event);
        yield event;
        if (event.kind === "done") job.end("completed");
      }
    } catch (error) {
      const isCancelled = signal.aborted || isMeshError(error, "MESH_CANCELLED");
      job.end(isCancelled ? "cancelled" : "failed");
      throw fromWireError(error);
    } finally {
      job.end("cancelled");
    }
  }

  async explain(
    name: string | undefined,
    signal: AbortSignal,
    options: PlanOptions = {},
  ): Promise<PlanExplanation> {
    const model = await this.#model(name, signal);
    const allowed = nodeIdsOf(options.onlyMembers, this.#ports.members.list());
    const only = options.placement;
    const ringId = ringIdOf(this.#ports.self.nodeId, model.id, allowed, only);
    const { contextTokens } = options;
    const request = { model, allowed, only, contextTokens, ringId };
    return this.#planner.explain({ ...request, leader: undefined, without: [] }, signal);
  }

  async stats(_signal: AbortSignal): Promise<InferenceStats> {
    const models = await Promise.all(
      this.#registry.all().map(async ({ leader, model }) => {
        const { plan } = leader;
        const worker = await leader.stats().catch(() => undefined);
        if (plan === undefined || worker === undefined) return [];
        const members = plan.members.map(({ name }) => name);
        return [{ model: model.name, placement: plan.placement, members, worker }];
      }),
    );
    return { ...this.#jobs.counts, models: models.flat() };
  }

  /** Rings that this node leads and that are loaded or on their way. */
  led(): RingOfNode[] {
    return this.#registry.views();
  }

  /** Shards that this node holds, its own rings' among them. */
  held(): readonly HeldRing[] {
    return this.#host.held();
  }

  rings(): NodeRings {
    const { host, members } = this.#ports;
    const all = members.list();
    const nameOf = (id: NodeId) => all.find(({ nodeId }) => nodeId === id)?.name ?? id;
    return {
      unavailable: host.unavailable,
      led: this.led(),
      held: this.held().map(({ pulled, leader, ringId, modelId, epoch, memoryBytes, state }) => ({
        ...{ ringId, modelId, epoch, leader, leaderName: nameOf(leader), memoryBytes, state },
        ...{ pulledBytes: pulled?.doneBytes, wantedBytes: pulled?.totalBytes },
      })),
    };
  }

  /** Later plans know what it found. */
  async benchLink(node: string, signal: AbortSignal): Promise<LinkBench> {
    const { links, clock, members, self } = this.#ports;
    const [nodeId = self.nodeId] = nodeIdsOf([node], members.list()) ?? [];
    if (nodeId === self.nodeId) {
      throw new MeshError("MESH_BAD_REQUEST", { message: `${node} is this node itself` });
    }
    const probe = await probeLink(links, nodeId, clock, signal);
    const { roundTripsMs, bytesPerSecond, sentBytes } = probe;
    this.measures.takeBandwidth(nodeId, bytesPerSecond);
    return {
      ...{ node, bytesPerSecond, sentBytes, rounds: roundTripsMs.length },
      relayed: links.wayTo(nodeId)?.relayed ?? false,
      roundTripMsLeast: roundTripsMs[0] ?? 0,
      roundTripMsP50: roundTripsMs[roundTripsMs.length >> 1] ?? 0,
    };
  }

  async close(): Promise<void> {
    this.#unfollow();
    this.#registry.close();
    this.engines.close();
    await this.#host.close();
  }

  async *#retold(request: InferenceRequest, signal: AbortSignal) {
    const model = await this.#model(request.model, signal);
    const answer = new RetoldAnswer();
    const avoid = new Set<NodeId>();
    let place = await this.#placeOf(model, request, avoid, signal);
    for (let attempt = 1; ; attempt++) {
      answer.begin();
      try {
        for await (const event of this.#attempt(place, model, request, signal)) {
          yield* answer.take(event);
        }
        return;
      } catch (cause) {
        const error = fromWireError(cause);
        if (signal.aborted || attempt >= REQUEST_ATTEMPTS_MAX || !isWorthAnother(error))
          throw error;
        if ("nodeId" in place) avoid.add(place.nodeId);
        const told = this.#leaderTold(error, request);
        place =
          told !== undefined && !avoid.has(told)
            ? { nodeId: told }
            : await this.#placeOf(model, request, avoid, signal);
      }
    }
  }

  /** Who leads, as another node says: only somebody of the pool who may see the prompt. */
  #leaderTold(error: MeshError, request: InferenceRequest): NodeId | undefined {
    const told = leaderOf(error);
    const { members, self } = this.#ports;
    if (told === undefined || told === self.nodeId || !members.isPeer(told)) return undefined;
    return mayUse([told], this.#allowedOf(request)) ? told : undefined;
  }

  #attempt(
    place: Place,
    model: ModelRecord,
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncIterable<GenerationEvent> {
    if ("leader" in place) return place.leader.generate(request, signal);
    return this.#remote(place.nodeId, { ...request, model: model.id }, signal);
  }

  async *#remote(nodeId: NodeId, request: InferenceRequest, signal: AbortSignal) {
    const header = toBytes({ v: 1 });
    const stream = await this.#ports.links.openStream(nodeId, METHODS.generate, header, signal);
    let isDone = false;
    try {
      await stream.write(encodeRequest(request));
      stream.end();
      for await (const event of readEvents(stream.readable)) {
        isDone = event.kind === "done";
        yield event;
      }
    } finally {
      if (!isDone) stream.reset("MESH_CANCELLED", "nobody waits for the answer any more");
    }
  }

  /** As another node asked: this one leads, whatever it would choose itself. */
  async *#lead(request: InferenceRequest, signal: AbortSignal) {
    const model = await this.#model(request.model, signal);
    const allowed = this.#allowedOf(request);
    const job = this.#jobs.begin();
    try {
      const loaded = this.#registry.loaded(model, allowed, request.placement);
      const leader = loaded ?? this.#registry.leaderFor(model, allowed, request.placement);
      for await (const event of leader.generate(request, signal)) {
        job.take(event);
        yield event;
        if (event.kind === "done") job.end("completed");
      }
    } catch (error) {
      job.end(signal.aborted ? "cancelled" : "failed");
      throw error;
    } finally {
      job.end("cancelled");
    }
  }

  #placeOf(
    model: ModelRecord,
    request: InferenceRequest,
    avoid: ReadonlySet<NodeId>,
    signal: AbortSignal,
  ): Promise<Place> {
    return this.#places.placeOf(model, request, this.#allowedOf(request), avoid, signal);
  }

  #allowedOf(request: InferenceRequest): readonly NodeId[] | undefined {
    return nodeIdsOf(request.onlyMembers, this.#ports.members.list());
  }

  /** By name or id; without one, the only model, else the demo model, else the first. */
  async #model(name: string | undefined, signal: AbortSignal): Promise<ModelRecord> {
    const { library } = this.#ports;
    if (name !== undefined) {
      const loaded = this.#registry.knownModel(name);
      return loaded ?? library.get(name, signal);
    }
    const all = await library.list(signal);
    const chosen = all.length === 1 ? all[0] : all.find((one) => one.name.startsWith("demo"));
    if (chosen !== undefined) return chosen;
    if (all.length === 0)
      throw new MeshError("MESH_MODEL_UNKNOWN", { message: "there is no model" });
    const names = all.slice(0, 8).map((one) => one.name);
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `name the model: ${names.join(", ")}`,
      hint: "`mesh model ls` shows all models.",
    });
  }
}

/** Whether the same request may do better at another place. */
function isWorthAnother(error: MeshError): boolean {
  const codes = ["MESH_RING_BROKEN", "MESH_RING_NOT_READY", "MESH_ENGINE_FAILED", "MESH_STOPPING"];
  const ofLinks = ["MESH_UNREACHABLE", "MESH_TIMEOUT", "MESH_EPOCH_OLD", "MESH_RING_FRAME_INVALID"];
  return [...codes, ...ofLinks, "MESH_PROTOCOL"].includes(error.code);
}

/** Who leads the model already, when that is why a node refused. */
function leaderOf({ details }: MeshError): NodeId | undefined {
  const leader = details?.leader;
  return typeof leader === "string" ? (leader as NodeId) : undefined;
}

/** Who is there: nothing else about members changes where a model should run. */
function onlineText({ members }: AgentPorts): string {
  const online = members.list().filter(({ isOnline }) => isOnline);
  return online.map(({ nodeId }) => nodeId).join(" ");
}
