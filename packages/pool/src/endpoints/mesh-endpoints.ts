/** The whole-request members of a member, as its doors use them: those here, and elsewhere. */
import {
  type Clock,
  isMeshError,
  type Logger,
  MeshError,
  type NodeId,
  type Random,
  type Startable,
} from "@hearthmesh/core";
import type { LinkHandlers } from "@hearthmesh/qwormhole";
import type { AgentLinks } from "../runtime/ports.js";
import { EndpointHttp } from "./endpoint-http.js";
import { EndpointMethods } from "./endpoint-methods.js";
import { inOrder } from "./endpoint-order.js";
import { EndpointRegistry, type EndpointStorage } from "./endpoint-registry.js";
import type {
  EndpointAnswer,
  EndpointInput,
  EndpointRequest,
  EndpointService,
  EndpointView,
} from "./endpoint-service.js";
import { EndpointWatch } from "./endpoint-watch.js";
import { ENDPOINT_AVOIDED_MS } from "./limits.js";
import { LocalEndpoints } from "./local-endpoints.js";
import { discard, PrimedBody } from "./primed-body.js";
import { type EndpointNode, RemoteEndpoints } from "./remote-endpoints.js";

export interface MeshEndpointsOptions {
  readonly self: { readonly nodeId: NodeId; readonly name: string };
  readonly storage: EndpointStorage;
  /** The key in a file of this node. `MESH_BAD_REQUEST` when it cannot be read. */
  readKey(path: string): Promise<string>;
  ownPorts(): readonly number[];
  /** Other nodes of the member that are there and may have endpoints. */
  nodes(): readonly EndpointNode[];
  readonly links: Pick<AgentLinks, "call" | "openStream">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Statuses by which a server says that another one should be asked. */
const ELSEWHERE: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

export class MeshEndpoints implements EndpointService, Startable {
  readonly name = "endpoints";
  readonly #options: MeshEndpointsOptions;
  readonly #registry: EndpointRegistry;
  readonly #watch: EndpointWatch;
  readonly #local: LocalEndpoints;
  readonly #remote: RemoteEndpoints;
  readonly #methods: EndpointMethods;
  /** Requests of this node, by `nodeId/name`: others announce theirs a moment later. */
  readonly #underWay = new Map<string, number>();
  /** Until when an endpoint is tried last. */
  readonly #avoidedUntilMs = new Map<string, number>();

  constructor(options: MeshEndpointsOptions) {
    this.#options = options;
    const http = new EndpointHttp(options);
    this.#registry = new EndpointRegistry(options);
    this.#watch = new EndpointWatch({ ...options, registry: this.#registry, http });
    this.#local = new LocalEndpoints({
      ...options,
      registry: this.#registry,
      watch: this.#watch,
      http,
    });
    this.#remote = new RemoteEndpoints(options);
    this.#methods = new EndpointMethods(this.#local);
  }

  /** For the link methods `endpoint.*`, which machines of this member may call. */
  get handlers(): LinkHandlers {
    return this.#methods.handlers;
  }

  async start(): Promise<void> {
    await this.#registry.load();
    await this.#watch.start();
  }

  stop(): Promise<void> {
    return this.#watch.stop();
  }

  async list(signal: AbortSignal): Promise<readonly EndpointView[]> {
    const away = await this.#remote.list(signal);
    return [...this.#local.views(), ...away].map((view) => {
      const own = this.#underWay.get(keyOf(view)) ?? 0;
      return own > view.requests ? { ...view, requests: own } : view;
    });
  }

  async add(input: EndpointInput): Promise<EndpointView> {
    const record = await this.#registry.add(input);
    await this.#watch.look(record.name);
    return this.#local.view(record);
  }

  async remove(name: string): Promise<{ readonly name: string }> {
    const removed = await this.#registry.remove(name);
    return { name: removed.name };
  }

  async send(request: EndpointRequest, signal: AbortSignal): Promise<EndpointAnswer> {
    const { model, onlyMembers } = request;
    const views = await this.list(signal);
    const isAvoided = (view: EndpointView) => this.#isAvoided(view);
    const candidates = inOrder(views, { model, onlyMembers, isAvoided }, this.#options.random);
    if (candidates.length === 0) throw nobody(request, views);
    const failures: MeshError[] = [];
    for (const [at, view] of candidates.entries()) {
      const isLast = at === candidates.length - 1;
      const answer = await this.#try(view, request, isLast, signal);
      if (!(answer instanceof MeshError)) return answer;
      failures.push(answer);
    }
    throw summary(failures);
  }

  /** The answer, or why the next one should be asked. Throws what is nobody's fault over there. */
  async #try(
    view: EndpointView,
    { operation, model, body }: EndpointRequest,
    isLast: boolean,
    signal: AbortSignal,
  ): Promise<EndpointAnswer | MeshError> {
    const leave = this.#enter(view);
    signal.addEventListener("abort", leave, { once: true });
    const onEnd = () => {
      signal.removeEventListener("abort", leave);
      leave();
    };
    const local = { endpoint: view.name, operation, model, body };
    try {
      const answer = await (view.isLocal
        ? this.#local.send(local, signal)
        : this.#remote.send(view, local, signal));
      const primed = await PrimedBody.open(answer.body, onEnd);
      if (isLast || !ELSEWHERE.has(answer.status)) return { ...answer, body: primed };
      await discard(primed);
      return this.#failed(view, answer);
    } catch (error) {
      onEnd();
      signal.throwIfAborted();
      if (!isMeshError(error)) throw error;
      if (error.code !== "MESH_LIMIT") this.#avoid(view);
      return error;
    }
  }

  #failed(view: EndpointView, { status, retryAfterMs }: EndpointAnswer): MeshError {
    const message = `${view.name} on ${view.nodeName} answers ${status}`;
    if (status === 429 || status === 503) {
      const details = { retryAfterMs: retryAfterMs ?? 1_000 };
      return new MeshError("MESH_LIMIT", { message, details });
    }
    this.#avoid(view);
    return new MeshError("MESH_UPSTREAM_FAILED", { message });
  }

  #enter(view: EndpointView): () => void {
    const key = keyOf(view);
    this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const left = (this.#underWay.get(key) ?? 1) - 1;
      if (left > 0) this.#underWay.set(key, left);
      else this.#underWay.delete(key);
    };
  }

  #isAvoided(view: EndpointView): boolean {
    const key = keyOf(view);
    const untilMs = this.#avoidedUntilMs.get(key);
    if (untilMs === undefined) return false;
    if (this.#options.clock.monotonicMs() < untilMs) return true;
    this.#avoidedUntilMs.delete(key);
    return false;
  }

  #avoid(view: EndpointView): void {
    const untilMs = this.#options.clock.monotonicMs() + ENDPOINT_AVOIDED_MS;
    this.#avoidedUntilMs.set(keyOf(view), untilMs);
    for (const [key, until] of this.#avoidedUntilMs) {
      if (until <= this.#options.clock.monotonicMs()) this.#avoidedUntilMs.delete(key);
    }
  }
}

function keyOf({ nodeId, name }: EndpointView): string {
  return `${nodeId}/${name}`;
}

function nobody(
  { model, onlyMembers }: EndpointRequest,
  views: readonly EndpointView[],
): MeshError {
  const who = views.filter(({ models }) => models.includes(model)).map(({ nodeName }) => nodeName);
  if (who.length === 0 || onlyMembers === undefined) {
    return new MeshError("MESH_MODEL_UNKNOWN", { message: `no endpoint serves ${model}` });
  }
  return new MeshError("MESH_MODEL_UNKNOWN", {
    message: `none of the members that may see the prompt serves ${model}`,
    hint: `It is served on ${[...new Set(who)].join(", ")}.`,
    details: { param: "only_members" },
  });
}

/** Busy when one of them is: it will be free again. */
function summary(failures: readonly MeshError[]): MeshError {
  const busy = failures.find(({ code }) => code === "MESH_LIMIT");
  if (busy !== undefined) return busy;
  const [only, ...others] = failures;
  if (only !== undefined && others.length === 0) return only;
  return new MeshError("MESH_UPSTREAM_FAILED", {
    message: failures.map(({ message }) => message).join("; "),
    details: { retryAfterMs: 1_000 },
  });
}
