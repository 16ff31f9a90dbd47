/**
 * Mutual exclusion by fencing tokens. A lock is taken by a transaction that makes its key, and the
 * revision of that is the token; a fenced write has the condition that the key is still the one
 * that the token names. In order of revision, nothing with an older token may come after a newer
 * holder: not a write, not a release. This check uses tokens and revisions alone.
 */
import type { Call } from "./calls.js";
import type { Findings } from "./verdict.js";

const RULE = "lock";

interface LockStep {
  readonly revision: number;
  readonly token: number;
  readonly what: "took" | "wrote" | "released";
  readonly call: Call;
}

export function checkLocks(calls: readonly Call[], findings: Findings): void {
  const steps = new Map<string, LockStep[]>();
  for (const call of calls) {
    const { name, step } = stepOf(call) ?? {};
    if (name === undefined || step === undefined) continue;
    steps.set(name, [...(steps.get(name) ?? []), step]);
  }
  for (const [name, some] of steps) {
    checkOne(
      name,
      some.sort((a, b) => a.revision - b.revision),
      findings,
    );
  }
}

function stepOf(call: Call): { name: string; step: LockStep } | undefined {
  const { invoke, answer, outcome } = call;
  const { revision = 0 } = answer ?? {};
  if (outcome !== "ok" || answer?.succeeded !== true) return undefined;
  const { key = "", lock = "", token = 0 } = invoke;
  switch (invoke.op) {
    case "lock":
      return { name: key, step: { revision, token: revision, what: "took", call } };
    case "fenced":
      return { name: lock, step: { revision, token, what: "wrote", call } };
    case "unlock":
      return { name: key, step: { revision, token, what: "released", call } };
    default:
      return undefined;
  }
}

function checkOne(name: string, steps: readonly LockStep[], findings: Findings): void {
  let holder: LockStep | undefined;
  let released: LockStep | undefined;
  for (const step of steps) {
    const { token, revision, what, call } = step;
    if (what === "took") {
      holder = step;
      continue;
    }
    if (revision <= token) {
      const words = `lock ${name}: token ${token} was used at revision ${revision}, before it`;
      findings.problem(RULE, words, [call]);
    }
    if (holder !== undefined && token < holder.token) {
      const words =
        `lock ${name}: process ${call.process} ${what} at revision ${revision} with token ` +
        `${token}, but process ${holder.call.process} had taken it with token ${holder.token}`;
      findings.problem(RULE, words, [holder.call, call]);
    }
    if (released !== undefined && token <= released.token) {
      const words =
        `lock ${name}: token ${token} was used at revision ${revision}, after its release at ` +
        `revision ${released.revision}`;
      findings.problem(RULE, words, [released.call, call]);
    }
    if (what === "released") released = step;
  }
}
