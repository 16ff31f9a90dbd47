/** Nodes that give back damaged chunks: what their scrubs and readers found within a day. Pure. */
import type { CoordinatorView, NodeInfo } from "@hearthmesh/collective";
import type { Fact, Subject } from "@hearthmesh/healing";
import { countText, factOf } from "./fact-of.js";
import { CORRUPT_CHUNKS_MIN } from "./limits.js";
import { keepersOf } from "./storage-disks-monitor.js";

export function corruptionFacts(view: CoordinatorView): Fact[] {
  const inQuarantine = new Set(
    view.layout.nodes.filter(({ quarantined }) => quarantined).map(({ nodeId }) => nodeId),
  );
  return keepersOf(view).map((node) => factAbout(node, inQuarantine.has(node.nodeId)));
}

function factAbout({ nodeId, name, state, storage }: NodeInfo, isSetAside: boolean): Fact {
  const subject: Subject = { type: "node", id: nodeId, name };
  const { corruptLastDay: corrupt, corruptChunks = 0, chunkCount = 0 } = storage ?? {};
  const values = { node: name, corrupt: corrupt ?? corruptChunks, chunkCount };
  const tell = (verdict: Fact["verdict"], evidence: string) =>
    factOf("node-corrupts", subject, verdict, evidence, values);
  if (isSetAside) {
    return tell("well", `${name} is in quarantine: it gets nothing, and others are read first`);
  }
  if (state === "offline") return tell("unknown", `${name} is away`);
  if (corrupt === undefined)
    return tell("unknown", `${name} does not tell when chunks were damaged`);
  const found = `${countText(corrupt, "chunk")} of ${name} were found damaged within a day`;
  const text = `${found}, of ${chunkCount.toLocaleString("en-US")} (mark: ${CORRUPT_CHUNKS_MIN})`;
  return tell(corrupt >= CORRUPT_CHUNKS_MIN ? "ill" : "well", text);
}
