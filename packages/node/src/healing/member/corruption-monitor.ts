/**
 * Nodes that give back damaged chunks, within a day: what they say of themselves, and what others
 * read there and the leading coordinator has read again. Pure.
 */
import type { CoordinatorView, NodeInfo } from "@hearthmesh/collective";
import type { Fact, Subject } from "@hearthmesh/healing";
import { countText, factOf, numberText } from "./fact-of.js";
import { CORRUPT_CHUNKS_MIN } from "./limits.js";
import { keepersOf } from "./storage-disks-monitor.js";

export function corruptionFacts(view: CoordinatorView): Fact[] {
  const inQuarantine = new Set(
    view.layout.nodes.filter(({ quarantined }) => quarantined).map(({ nodeId }) => nodeId),
  );
  return keepersOf(view).map((node) => factAbout(node, inQuarantine.has(node.nodeId)));
}

function factAbout(node: NodeInfo, isSetAside: boolean): Fact {
  const { nodeId, name, state, storage, damageSeen } = node;
  const subject: Subject = { type: "node", id: nodeId, name };
  const { corruptLastDay, chunkCount = 0 } = storage ?? {};
  const { chunks: seen = 0, wrong = 0, forgiven = 0 } = damageSeen ?? {};
  const told = Math.max(0, (corruptLastDay ?? 0) - forgiven);
  // The same chunk may be known by both.
  const corrupt = Math.max(told, seen);
  const values = { node: name, corrupt, told, seen, wrong, chunkCount };
  const tell = (verdict: Fact["verdict"], evidence: string) =>
    factOf("node-corrupts", subject, verdict, evidence, values);
  if (isSetAside) {
    return tell("well", `${name} is in quarantine: it gets nothing, and others are read first`);
  }
  const isTooMany = corrupt >= CORRUPT_CHUNKS_MIN;
  // What was read there stays true while it is away, or does not speak of it.
  if (state === "offline" && !isTooMany) return tell("unknown", `${name} is away`);
  if (corruptLastDay === undefined && !isTooMany)
    return tell("unknown", `${name} does not tell when chunks were damaged`);
  const found = `${countText(corrupt, "chunk")} of ${name} were found damaged within a day`;
  const text = `${found}, of ${numberText(chunkCount)} (mark: ${CORRUPT_CHUNKS_MIN})`;
  return tell(isTooMany ? "ill" : "well", text + seenText(node));
}

/** What readers found, and the coordinator after them, beside the word of the node itself. */
function seenText({ damageSeen, storage }: NodeInfo): string {
  if (damageSeen === undefined || damageSeen.chunks === 0) return "";
  const { chunks, wrong } = damageSeen;
  const read = `; this coordinator read ${countText(chunks, "damaged chunk")} there`;
  const given = wrong === 0 ? "" : `, ${wrong} of them given as whole`;
  return `${read}${given}, and its own scrub told of ${storage?.corruptLastDay ?? 0}`;
}
