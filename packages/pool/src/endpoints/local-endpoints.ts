/** The endpoints of this node: how they are, and requests to them, a bounded number at a time. */
import { type Clock, MeshError, type NodeId } from "@hearthmesh/core";
import type { EndpointHttp } from "./endpoint-http.js";
import type { EndpointRegistry } from "./endpoint-registry.js";
import type {
  EndpointAnswer,
  EndpointOperation,
  EndpointRecord,
  EndpointView,
} from "./endpoint-service.js";
import type { EndpointWatch } from "./endpoint-watch.js";
import { PrimedBody } from "./primed-body.js";

export interface LocalEndpointsOptions {
  readonly self: { readonly nodeId: NodeId; readonly name: string };
  readonly registry: EndpointRegistry;
  readonly watch: EndpointWatch;
  readonly http: Pick<EndpointHttp, "send">;
  readonly clock: Clock;
}

export interface LocalRequest {
  readonly endpoint: string;
  readonly operation: EndpointOperation;
  readonly model: string;
  readonly body: Uint8Array;
}

export class LocalEndpoints {
  readonly #options: LocalEndpointsOptions;
  readonly #underWay = new Map<string, number>();

  constructor(options: LocalEndpointsOptions) {
    this.#options = options;
  }

  views(): EndpointView[] {
    return this.#options.registry.list().map((record) => this.view(record));
  }

  view(record: EndpointRecord): EndpointView {
    const { self, watch } = this.#options;
    const { name, kind, url, requestsAtOnce, keyFile } = record;
    const { health, reason } = watch.stateOf(name);
    return {
      name,
      nodeId: self.nodeId,
      nodeName: self.name,
      kind,
      health,
      reason,
      models: watch.modelsOf(record),
      requests: this.#underWay.get(name) ?? 0,
      requestsAtOnce,
      costMs: 0,
      isLocal: true,
      url,
      hasKey: keyFile !== undefined,
    };
  }

  /**
   * Resolves when the first bytes of the answer are there. `MESH_NOT_FOUND`, `MESH_MODEL_UNKNOWN`,
   * `MESH_LIMIT` when it is full, `MESH_UPSTREAM_FAILED`.
   */
  async send(request: LocalRequest, signal: AbortSignal): Promise<EndpointAnswer> {
    const { registry, watch, http, self } = this.#options;
    const { endpoint: name, model, operation, body } = request;
    const record = registry.get(name);
    if (record === undefined) {
      throw new MeshError("MESH_NOT_FOUND", { message: `${name} is no endpoint of this node` });
    }
    if (!watch.modelsOf(record).includes(model)) {
      throw new MeshError("MESH_MODEL_UNKNOWN", { message: `${name} does not serve this model` });
    }
    const leave = this.#enter(record);
    signal.addEventListener("abort", leave, { once: true });
    const onEnd = () => {
      signal.removeEventListener("abort", leave);
      leave();
    };
    try {
      const head = await http.send(record, operation, body, signal);
      const primed = await PrimedBody.open(head.body, onEnd);
      return { ...head, body: primed, endpoint: name, nodeName: self.name };
    } catch (error) {
      onEnd();
      // A key that cannot be read is no fault of the server.
      const isItsFault = (error as MeshError).code === "MESH_UPSTREAM_FAILED";
      if (isItsFault && !signal.aborted) watch.connectFailed(name, (error as Error).message);
      throw error;
    }
  }

  #enter({ name, requestsAtOnce }: EndpointRecord): () => void {
    const before = this.#underWay.get(name) ?? 0;
    if (before >= requestsAtOnce) {
      throw new MeshError("MESH_LIMIT", {
        message: `${name} answers ${requestsAtOnce} requests already`,
        details: { retryAfterMs: 1_000 },
      });
    }
    this.#underWay.set(name, before + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const left = (this.#underWay.get(name) ?? 1) - 1;
      if (left > 0) this.#underWay.set(name, left);
      else this.#underWay.delete(name);
    };
  }
}
