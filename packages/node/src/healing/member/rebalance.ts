/** Has chunks moved to where the layout wants them, and gives nodes back what was held back. */
import type { Remedy, Symptom } from "@hearthmesh/healing";
import { WHOLE_LAYOUT } from "./layout-monitor.js";
import {
  giveBack,
  type LeadingMember,
  NOT_LEADING,
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
    blockedBy: (symptom) => {
      const view = member.view();
      if (isWhole(symptom)) return workerBlocked(view, "rebalance");
      return view === undefined ? NOT_LEADING : undefined;
    },
    apply: async (symptom, signal) => {
      if (isWhole(symptom)) {
        const { text } = await runWorker(member, "rebalance", signal);
        return { did: `woke the worker rebalance: ${text}` };
      }
      const { id, name } = symptom.subject;
      const { before, after } = await giveBack(member, id);
      if (before === after) {
        return { did: `${name} has its whole share by layout ${after}`, changedNothing: true };
      }
      return { did: `gave ${name} its whole share back: layout ${after} instead of ${before}` };
    },
  };
}
