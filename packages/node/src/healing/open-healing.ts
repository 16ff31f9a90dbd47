/** Puts the healer of a node together: what it sees, what it may do, what it remembers. */
import type { Config } from "../config/config.js";
import type { NodeFiles, NodeRecord } from "../home.js";
import type { Tools } from "../tools.js";
import { HealingPart } from "./healing-part.js";
import { KnowledgeFile } from "./knowledge-file.js";
import { type MemberHealingDeps, memberHealing } from "./member/member-healing.js";
import { type MeshHealingDeps, meshHealing } from "./mesh/mesh-healing.js";

export interface OpenHealingOptions extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly files: NodeFiles;
}

/** Undefined while healing is off. Its lists come when everything else is there. */
export function openHealing(options: OpenHealingOptions): HealingPart | undefined {
  const { config, record, files, clock, random, log } = options;
  if (config.healingMode === "off") return undefined;
  const { nodeId, name } = record;
  return new HealingPart({
    self: { nodeId, name },
    mode: config.healingMode,
    knowledge: new KnowledgeFile(files.healing),
    ...{ clock, random, log: log.child({ part: "healing" }) },
  });
}

export type HealingDeps = MeshHealingDeps & MemberHealingDeps;

/** What is to be started last: nothing while healing is off. */
export function healingParts(part: HealingPart | undefined, deps: HealingDeps): HealingPart[] {
  if (part === undefined) return [];
  part.add(meshHealing(deps));
  part.add(memberHealing(deps));
  return [part];
}
