/** Makes the walk of repair start at once, instead of at its next time. */
import type { CoordinatorView } from "@hearthmesh/collective";
import type { Remedy, Symptom } from "@hearthmesh/healing";
import { countText, numberText } from "./fact-of.js";
import { type LeadingMember, runWorker, workerBlocked } from "./leading-member.js";

/** Copying what a node kept may take hours, and nothing else would be faster. */
const VERIFY_MS = 6 * 3_600_000;

export function reReplicate(member: LeadingMember): Remedy {
  return {
    name: "re-replicate",
    handles: ["replicas-missing"],
    cost: 0.4,
    risk: 0.1,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 6, windowMs: 3_600_000 },
    describe: ({ values }) =>
      typeof values.node === "string"
        ? `has the chunks that ${values.node} kept copied to others from the copies that are left`
        : "has the missing copies made from those that are left",
    blockedBy: (symptom) => blockedBy(member.view(), symptom),
    apply: async (_symptom, signal) => {
      const { text, ended, done } = await runWorker(member, "repair", signal);
      const { replication } = member.view()?.status ?? {};
      const left =
        replication === undefined
          ? ""
          : `; ${countText(replication.underReplicated, "chunk")} of ` +
            `${numberText(replication.chunks)} lack a copy by its last count`;
      // A whole walk copied nothing, and copies are still missing: a node that returns ends that.
      const changedNothing = ended && done === 0 && (replication?.underReplicated ?? 0) > 0;
      return { did: `woke the worker repair: ${text}${left}`, changedNothing };
    },
  };
}

function blockedBy(view: CoordinatorView | undefined, { subject }: Symptom): string | undefined {
  const worker = workerBlocked(view, "repair");
  if (view === undefined || worker !== undefined) return worker;
  const { nodes, layout, status } = view;
  const { replication } = status;
  const lost = nodes.filter(({ isLost }) => isLost === true);
  // A walk that knew of it came to its end, and what is missing then was not for want of trying.
  const isKnown = lost.every(({ nodeId }) => replication?.lost.includes(nodeId) === true);
  if (replication === undefined || !isKnown || replication.failed > 0) return undefined;
  const isLost = lost.some(({ nodeId }) => nodeId === subject.id);
  if (!isLost && replication.unavailable === 0) return undefined;
  const here = nodes.filter(({ state, storage }) => state === "online" && !storage?.readOnly);
  if (here.length < layout.replicas) {
    const wanted = countText(layout.replicas, "storage node");
    return `${layout.replicas} copies need ${wanted}, and ${here.length} take chunks: add one`;
  }
  if (replication.unavailable === 0) return undefined;
  const chunks = countText(replication.unavailable, "chunk");
  return `${chunks} are on no node that is there: bring the nodes back that had them`;
}
