/**
 * The runtime of the AI pool with the parts of this node. Loaded when the first request or the
 * first question of another node comes: a node that runs no models pays nothing for it.
 */
import type { NodeId } from "@hearthmesh/core";
import type { MeshLinks } from "@hearthmesh/membership";
import {
  type AgentPorts,
  measureEngine,
  type PoolDirectory,
  PoolInference,
} from "@hearthmesh/pool";
import type { Config } from "../config/config.js";
import type { CredentialHolder } from "../credential-holder.js";
import type { NodeRecord } from "../home.js";
import type { Tools } from "../tools.js";
import { AiHost } from "./ai-host.js";
import { aiLinks } from "./ai-links.js";
import { aiMembers } from "./ai-members.js";
import { aiRecords } from "./ai-records.js";
import { AiWorkers } from "./ai-worker.js";
import { BATCH_ROWS } from "./limits.js";

export interface AiRuntimeOptions extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly credentials: CredentialHolder;
  /** Undefined while the mesh is off. */
  mesh(): MeshLinks | undefined;
  /** Undefined on a node that knows no pools. */
  readonly pools: PoolDirectory | undefined;
  readonly library: AgentPorts["library"];
  readonly rangesOf: AgentPorts["rangesOf"];
}

export interface AiRuntime {
  readonly inference: PoolInference;
  readonly host: AiHost;
}

export function openAiRuntime(options: AiRuntimeOptions): AiRuntime {
  const { config, record, credentials, pools, library, rangesOf } = options;
  const { clock, random, log } = options;
  const { nodeId, name } = record;
  const self: { nodeId: NodeId; name: string } = { nodeId, name };
  const host = new AiHost({
    ...{ config: config.ai, measure: measureEngine, clock, log },
    hasRole: record.roles.includes("ai"),
    records: aiRecords<"measured">(config.home),
    heldBytes: () => inference.held().reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
  });
  const workers = new AiWorkers({ config, nodeId, credentials, host, clock, random, log });
  const inference: PoolInference = new PoolInference({
    ...{ self, library, rangesOf, host, clock, random, log },
    members: aiMembers(self, pools),
    links: aiLinks(() => options.mesh()),
    startWorker: workers.start,
    records: aiRecords(config.home),
    sizes: {
      contextTokens: config.ai.contextTokens,
      sequencesMax: config.ai.sequencesMax,
      batchRowsMax: BATCH_ROWS,
      threads: host.threads,
    },
    idleUnloadMs: config.ai.idleUnloadMs,
  });
  return { inference, host };
}
