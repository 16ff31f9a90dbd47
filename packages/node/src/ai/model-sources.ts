/** All that answers requests to models, put together for one node, coordinator or not. */
import type { Startable } from "@hearthmesh/core";
import type { ModelService, OpenAiServiceOptions } from "@hearthmesh/gateway";
import type { MetricValue } from "@hearthmesh/gateway/plain";
import type { PoolDirectory, RingInspection } from "@hearthmesh/pool";
import type { Config } from "../config/config.js";
import type { CredentialHolder } from "../credential-holder.js";
import { openEndpoints } from "../endpoints/open-endpoints.js";
import type { NodeRecord } from "../home.js";
import type { MeshPart } from "../mesh/mesh-part.js";
import type { MethodPart, MethodRouter } from "../method-router.js";
import type { ModelAccess } from "../models/model-access.js";
import { ModelsPart } from "../models/models-part.js";
import type { Tools } from "../tools.js";
import { AiPart } from "./ai-part.js";
import type { AiUpkeep } from "./ai-upkeep.js";

export interface ModelSourcesOptions extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly credentials: CredentialHolder;
  /** Undefined while the mesh is off. */
  readonly pools: { readonly directory: PoolDirectory } | undefined;
  /** Undefined while it is off: then this node answers alone. */
  readonly mesh: MeshPart | undefined;
  /** Gets the methods for other nodes. */
  readonly router: MethodRouter;
  /** How this node reads, and perhaps writes, the models of the collective. */
  readonly collective: ModelAccess;
}

export interface NodeModels {
  /** For the doors. */
  readonly sources: Pick<OpenAiServiceOptions, "inference" | "library" | "endpoints"> & {
    readonly models: ModelService;
    readonly rings: RingInspection;
    /** For the healer. */
    readonly upkeep: AiUpkeep;
    metrics(): Promise<MetricValue[]>;
  };
  /** To be started after the mesh. */
  readonly parts: readonly Startable[];
}

export function openModelSources({ router, mesh, ...options }: ModelSourcesOptions): NodeModels {
  const { record, collective } = options;
  const isLoaded = (id: string) => ai.holds(id);
  const models = new ModelsPart({ ...options, ...collective, nodeId: record.nodeId, isLoaded });
  const ai: AiPart = new AiPart({
    ...options,
    mesh: () => mesh?.parts.links,
    pools: options.pools?.directory,
    library: models,
    rangesOf: (model, shard, signal) => models.rangesOf(model, shard, signal),
  });
  const endpoints = mesh && openEndpoints({ ...options, mesh });
  const methods: MethodPart[] = [
    ai.methods(),
    ...(collective.methods === undefined ? [] : [collective.methods]),
    ...(endpoints === undefined ? [] : [endpoints.methods]),
  ];
  for (const part of methods) router.add(part);
  const service = endpoints?.service;
  return {
    sources: {
      ...{
        inference: ai,
        rings: ai,
        upkeep: ai.upkeep,
        library: models,
        endpoints: service,
        models,
      },
      metrics: async () => [...(await ai.metrics()), ...models.metrics(record.name)],
    },
    parts: [models, ai, ...(service === undefined ? [] : [service])],
  };
}
