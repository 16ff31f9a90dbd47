/** Has chunks moved to where the layout wants them, and gives nodes back what was held back. */
import type { CoordinatorView } from "@hearthmesh/collective";
import type { Remedy, Symptom } from "@hearthmesh/healing";
import { WHOLE_LAYOUT } from "./layout-monitor.js";
import {
  type LeadingMember,
  NOT_LEADING,
  relieve,
  runWorker,
  workerBlocked,
} from "./leading-member.js";

const VERIFY_MS = 6 * 3_600_000;

export function rebalance(member: LeadingMember): Remedy {
  const isWhole = ({ subject }: Symptom) => subject.id === WHOLE_LAYOUT;
  return {
    name: "rebalance",
    handles: ["layout-unbalanced"],
    cost: 0.3,
    risk: 0.1,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 4, windowMs: 3_600_000 },
    describe: (symptom) =>
      isWhole(symptom)
        ? "has chunks moved to where the layout wants them"
        : `gives ${symptom.subject.name} back its whole share of the chunks`,
    blockedBy: (symptom) => blockedBy(member.view(), isWhole(symptom)),
    apply: async (symptom, signal) => {
      if (isWhole(symptom)) {
        const { text } = await runWorker(member, "rebalance", signal);
        return { did: `woke the worker rebalance: ${text}` };
      }
      const { id, name } = symptom.subject;
      const action = "healing.release-node";
      const { before, after } = await relieve(member, "layout.release", action, { node: id });
      return { did: `gave ${name} its whole share back: layout ${after} instead of ${before}` };
    },
  };
}

function blockedBy(view: CoordinatorView | undefined, isWhole: boolean): string | undefined {
  if (view === undefined) return NOT_LEADING;
  return isWhole ? workerBlocked(view, "rebalance") : undefined;
}
