/** All that answers requests to models, put together for one node, coordinator or not. */
import type { Startable } from "@hearthmesh/core";
import type { OpenAiServiceOptions } from "@hearthmesh/gateway";
import type { Config } from "../config/config.js";
import { openEndpoints } from "../endpoints/open-endpoints.js";
import type { NodeRecord } from "../home.js";
import type { MeshPart } from "../mesh/mesh-part.js";
import type { MethodPart, MethodRouter } from "../method-router.js";
import type { Tools } from "../tools.js";

export interface ModelSourcesOptions extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  /** Undefined while it is off: then this node answers alone. */
  readonly mesh: MeshPart | undefined;
  /** Gets the methods for other nodes. */
  readonly router: MethodRouter;
}

export interface NodeModels {
  /** For the doors. */
  readonly sources: Pick<OpenAiServiceOptions, "inference" | "library" | "endpoints">;
  /** To be started after the mesh. */
  readonly parts: readonly Startable[];
}

export function openModelSources({ router, mesh, ...options }: ModelSourcesOptions): NodeModels {
  const endpoints = mesh && openEndpoints({ ...options, mesh });
  const methods: MethodPart[] = endpoints === undefined ? [] : [endpoints.methods];
  for (const part of methods) router.add(part);
  return {
    sources: { inference: undefined, library: undefined, endpoints: endpoints?.service },
    parts: endpoints === undefined ? [] : [endpoints.service],
  };
}
