/** The models of a node: library, local copies and imports, from the parts around them. */
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import type { CoordinatorPort, NodeLinks } from "@hearthmesh/collective";
import { FileClient } from "@hearthmesh/collective";
import type { NodeId } from "@hearthmesh/core";
import {
  CollectiveLibrary,
  type EqualShare,
  equalShares,
  LocalModels,
  ModelImports,
  type ModelRecord,
  openDemoModel,
} from "@hearthmesh/pool";
import { BATCH_ROWS } from "../ai/limits.js";
import type { Config } from "../config/config.js";
import type { Tools } from "../tools.js";
import { CollectiveModels } from "./collective-models.js";
import { demoModelPath } from "./demo-path.js";

export interface OpenModelsOptions extends Tools {
  readonly config: Pick<Config, "home" | "ai">;
  readonly nodeId: NodeId;
  /** `file.*` as the operator, or those that read below `/models`. */
  readonly coordinator: CoordinatorPort;
  readonly mayWrite: boolean;
  readonly links: NodeLinks;
  /** Whether an engine of this node has the model open. */
  readonly isLoaded: (id: string) => boolean;
}

export interface NodeModels {
  readonly library: CollectiveLibrary;
  readonly imports: ModelImports;
  sharesOf(model: ModelRecord): readonly EqualShare[];
  close(): Promise<void>;
}

export async function openModels(options: OpenModelsOptions): Promise<NodeModels> {
  const { config, nodeId, coordinator, links, mayWrite, isLoaded, ...tools } = options;
  const { clock, random, log } = tools;
  const client = new FileClient({ coordinator, links, self: nodeId, clock, random, log });
  const files = new CollectiveModels({ files: client, mayWrite });
  const directory = join(config.home, "models");
  const local: LocalModels = new LocalModels({
    directory,
    bytesMax: config.ai.modelCacheBytes,
    isInUse: (id) => isLoaded(id) || library.isWanted(id),
    room: { freeBytes: freeBytesOf },
    clock,
  });
  const path = demoModelPath();
  const demo = path === undefined ? undefined : await openDemoModel(path);
  if (demo === undefined)
    log.warn("the demo model is not there", path === undefined ? {} : { path });
  const library: CollectiveLibrary = new CollectiveLibrary({ files, local, demo, clock, log });
  const imports = new ModelImports({
    ...{ directory, library, local, writer: files.writer, clock, random, log },
    request: (url, init) => fetch(url, init),
  });
  const { contextTokens, sequencesMax } = config.ai;
  const sizes = { contextTokens, sequencesMax, batchRowsMax: BATCH_ROWS, threads: 1 };
  return {
    library,
    imports,
    sharesOf: ({ shape }) => equalShares(shape, sizes),
    async close() {
      await imports.close();
      await local.close();
    },
  };
}

/** Of the nearest directory that is there. */
async function freeBytesOf(directory: string): Promise<number> {
  for (let at = directory; ; at = join(at, "..")) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch (error) {
      if ((error as { code?: unknown }).code !== "ENOENT" || at === join(at, "..")) throw error;
    }
  }
}
