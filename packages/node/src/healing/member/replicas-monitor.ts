/**
 * Whether all chunks have their copies: from the walks of repair, which compare what should be
 * stored with what is, and from how long nodes have been away. Pure.
 *
 * A node that is away for a short time is no symptom of this kind: it brings its copies back, and
 * copying terabytes meanwhile would be worse. It counts as lost after `collective.nodeLost`; then
 * the next walk gives its chunks to others, and this symptom makes that walk start at once.
 */
import type { CoordinatorView, NodeInfo, ReplicationState } from "@hearthmesh/collective";
import type { Fact, Subject } from "@hearthmesh/healing";
import { countText, factOf, namesText, numberText, timeText } from "./fact-of.js";

const WHOLE: Subject = { type: "replicas", id: "member", name: "the member's data" };

/** A node that counts as lost, or that is away and may come back. */
export function replicaFacts({ nodes, layout, status }: CoordinatorView): Fact[] {
  const inLayout = new Set(layout.nodes.map(({ nodeId }) => nodeId));
  const keepers = nodes.filter(({ nodeId }) => inLayout.has(nodeId));
  if (keepers.length === 0) return [];
  const { replication } = status;
  return [
    wholeFact(keepers, replication),
    ...keepers.map((node) => keeperFact(node, replication, status.replicas)),
  ];
}

function wholeFact(keepers: readonly NodeInfo[], replication: ReplicationState | undefined): Fact {
  const tell = (verdict: Fact["verdict"], evidence: string) =>
    factOf("replicas-missing", WHOLE, verdict, evidence, valuesOf(replication));
  if (replication === undefined) {
    return tell("unknown", "the copies of chunks have not been compared yet");
  }
  const text = missingText(replication);
  if (replication.underReplicated === 0) return tell("well", text);
  const away = keepers.filter(({ state }) => state === "offline");
  // What a lost node kept is a symptom of its own; what one that may come back keeps is not known.
  if (away.length === 0) return tell("ill", text);
  return tell("unknown", `${text} while ${namesText(away.map(({ name }) => name))} is away`);
}

function keeperFact(
  { nodeId, name, state, awayMs = 0, isLost, storage }: NodeInfo,
  replication: ReplicationState | undefined,
  replicas: number,
): Fact {
  const subject: Subject = { type: "replicas", id: nodeId, name: `what ${name} kept` };
  const values = { ...valuesOf(replication), node: name, awayMs, replicas };
  const tell = (verdict: Fact["verdict"], evidence: string): Fact => ({
    ...factOf("replicas-missing", subject, verdict, evidence, values),
    // It was waited for long enough.
    holdMs: 0,
  });
  if (state !== "offline") return tell("well", `${name} is there`);
  const away = `${name} has been away for ${timeText(awayMs)}`;
  if (isLost !== true) return tell("unknown", `${away}, and does not count as lost yet`);
  const lost = `${away} and counts as lost`;
  if (replication?.lost.includes(nodeId) !== true) {
    const { chunkCount = 0 } = storage ?? {};
    const had = chunkCount === 0 ? "" : ` (it told of ${countText(chunkCount, "chunk")} last)`;
    return tell("ill", `${lost}; no walk has looked for other copies since${had}`);
  }
  const isWell = replication.underReplicated === 0;
  return tell(isWell ? "well" : "ill", `${lost}; ${missingText(replication)}`);
}

function missingText(replication: ReplicationState): string {
  const { chunks, underReplicated, unavailable, failed } = replication;
  if (underReplicated === 0) return `all ${countText(chunks, "chunk")} have their copies`;
  const lacking = `${countText(underReplicated, "chunk")} of ${numberText(chunks)}`;
  const nowhere = unavailable === 0 ? "" : `, ${countText(unavailable, "chunk")} have none`;
  const refused = failed === 0 ? "" : `, ${countText(failed, "chunk")} could not be copied`;
  return `${lacking} lack a copy${nowhere}${refused}`;
}

function valuesOf(replication: ReplicationState | undefined) {
  if (replication === undefined) return {};
  const { chunks, underReplicated, unavailable, failed, layoutVersion } = replication;
  return { chunks, underReplicated, unavailable, failed, layoutVersion };
}
