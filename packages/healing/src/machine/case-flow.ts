/**
 * Execute: how one case goes on. Every function leaves the case in one of its phases, writes what
 * happened to its incident, and asks for at most one apply or rollback at a time.
 */
import type { HealerMode } from "../healer-service.js";
import type { IncidentState, RemedyCandidate } from "../incident.js";
import { BLOCKED_MS_MAX, GIVEN_UP_RETRY_MS, GIVEN_UP_RETRY_MS_MAX } from "../limits.js";
import type { RemedyName } from "../remedy.js";
import { SYMPTOMS } from "../symptom-catalogue.js";
import type { UseOutcome } from "./circuit-breaker.js";
import type { Tracked } from "./fact-table.js";
import type { Cause, HealerEffect, Now, RemedyTraits, Run } from "./healer-events.js";
import { type HealingCase, notTakenBack } from "./healing-case.js";
import type { HealingTally } from "./healing-tally.js";
import { changed, type IncidentChange } from "./incident-record.js";
import type { RemedyGates } from "./remedy-gates.js";
import type { RemedyMemory } from "./remedy-memory.js";
import { adviceOf, headline, seconds } from "./texts.js";

export interface FlowContext {
  readonly traits: ReadonlyMap<RemedyName, RemedyTraits>;
  readonly gates: RemedyGates;
  readonly memory: RemedyMemory;
  readonly tally: HealingTally;
  readonly now: Now;
  readonly effects: HealerEffect[];
  nextRun(): number;
}

/** Chooses a remedy for an idle case, or says why there is none now. */
export function decide(
  one: HealingCase,
  ranked: readonly RemedyCandidate[],
  { cause, mode }: { cause: Cause | undefined; mode: HealerMode },
  context: FlowContext,
): void {
  const best = ranked.find(({ blockedBy }) => blockedBy === undefined);
  const { isNote = false, advice } = SYMPTOMS[one.symptom.kind];
  if (isNote) wait(one, `Nothing to mend. ${advice}`, context);
  else if (cause !== undefined) waitForCause(one, cause, context);
  else if (mode === "paused") wait(one, "healing is paused", context);
  else if (best !== undefined && mode === "dry-run") onlySay(one, best, ranked, context);
  else if (best !== undefined) begin(one, best, ranked, context);
  else if (ranked.length === 0) giveUp(one, "There is no remedy for it.", context, false);
  else if (ranked.every(({ remedy }) => one.tried.has(remedy))) {
    const names = ranked.map(({ remedy }) => remedy).join(", ");
    giveUp(one, `Tried without success: ${names}.`, context);
  } else block(one, ranked, context);
}

export function applied(
  one: HealingCase,
  { did, changedNothing = false }: { readonly did: string; readonly changedNothing?: boolean },
  context: FlowContext,
): void {
  const { run } = one;
  if (run === undefined) return;
  run.changedNothing = changedNothing;
  const { gates, traits, now } = context;
  gates.settle(run.symptom.subject);
  one.phase = "verifying";
  const { eases = false, verifyWithinMs = 0 } = traits.get(run.remedy) ?? {};
  if (eases) {
    // No deadline: it holds for as long as the symptom does.
    note(one, { step: "applied", state: "open", remedy: run.remedy, text: did }, context);
    return;
  }
  run.verifyByMs = now.monotonicMs + verifyWithinMs;
  const step = { step: "applied", state: "verifying", timing: "mendedMs" } as const;
  note(one, { ...step, remedy: run.remedy, text: did }, context);
}

export function applyFailed(one: HealingCase, reason: string, context: FlowContext): void {
  const { run } = one;
  if (run === undefined) return;
  context.gates.settle(run.symptom.subject);
  note(one, { step: "failed", remedy: run.remedy, text: reason }, context);
  failed(one, run, context);
}

/** How it stands after a look: `tracked` is undefined when nobody speaks of the subject. */
export function settle(one: HealingCase, tracked: Tracked | undefined, context: FlowContext): void {
  if (one.phase === "applying" || one.phase === "rolling-back") return;
  if (tracked === undefined) {
    if (one.phase === "verifying" && one.run !== undefined) judge(one.run, "unseen", context);
    closeOrTakeBack(one, "ended", `Nobody speaks of ${one.symptom.subject.name} now.`, context);
  } else if (!tracked.isOpen) {
    if (one.phase === "verifying") helped(one, tracked, context);
    else {
      const after = seconds(context.now.monotonicMs - one.sinceMs);
      closeOrTakeBack(one, "passed", `Gone by itself after ${after}: ${tracked.says}`, context);
    }
  } else if (one.phase === "verifying") checkDeadline(one, tracked, context);
}

export function rolledBack(one: HealingCase, did: string, context: FlowContext): void {
  const { run } = one;
  if (run === undefined) return;
  note(one, { step: "rolled-back", remedy: run.remedy, text: did }, context);
  afterRollback(one, context);
}

export function rollbackFailed(one: HealingCase, reason: string, context: FlowContext): void {
  const { run } = one;
  if (run === undefined) return;
  const text = `It could not be taken back: ${reason}`;
  note(one, { step: "failed", remedy: run.remedy, text }, context);
  afterRollback(one, context);
}

/** Ends it, once all that is owed a rollback has been taken back. */
export function closeOrTakeBack(
  one: HealingCase,
  state: IncidentState,
  text: string,
  context: FlowContext,
): void {
  const owed = notTakenBack(one.incident).find(
    (name) => context.traits.get(name)?.rollbackWhen === "ended" && !one.takenBack.has(name),
  );
  if (owed === undefined) {
    one.phase = "idle";
    one.run = undefined;
    note(one, { step: "closed", state, text }, context);
    return;
  }
  one.closing = { state, text };
  takeBack(one, owed, context);
}

export function note(one: HealingCase, change: IncidentChange, context: FlowContext): void {
  one.incident = changed(one.incident, change, one.sinceMs, context.now);
  context.effects.push({ kind: "incident", incident: one.incident });
}

function begin(
  one: HealingCase,
  best: RemedyCandidate,
  candidates: readonly RemedyCandidate[],
  context: FlowContext,
): void {
  const { gates, tally, traits, now, effects } = context;
  const chosen = traits.get(best.remedy);
  if (chosen === undefined) return;
  const { symptom } = one;
  gates.begin(chosen, symptom.subject, now.monotonicMs);
  tally.count(best.remedy, "applied");
  const id = context.nextRun();
  const beganAtMs = now.monotonicMs;
  const run = { id, remedy: best.remedy, symptom };
  one.run = { ...run, beganAtMs, verifyByMs: undefined, isExtended: false, changedNothing: false };
  one.phase = "applying";
  unblock(one);
  // What was taken back before is done anew.
  one.takenBack.delete(best.remedy);
  const isFirst = one.incident.timings.decidedMs === undefined;
  const timing = isFirst ? ({ timing: "decidedMs" } as const) : {};
  const text = `${best.text} (${recordOf(best)})`;
  one.incident = { ...one.incident, dryRun: false };
  note(
    one,
    { step: "decided", state: "mending", remedy: best.remedy, text, candidates, ...timing },
    context,
  );
  effects.push({ kind: "apply", run });
}

function recordOf({ success, uses, score }: RemedyCandidate): string {
  if (uses === 0) return `never used for this before; score ${score.toFixed(2)}`;
  const share = Math.round(success * 100);
  const used = uses === 1 ? "one use" : `${uses} uses`;
  return `${share} % likely to help after ${used}; score ${score.toFixed(2)}`;
}

function onlySay(
  one: HealingCase,
  best: RemedyCandidate,
  candidates: readonly RemedyCandidate[],
  context: FlowContext,
): void {
  const text = `Would be done, were this no dry run: ${best.text}`;
  if (one.blockedText === text) return;
  one.blockedText = text;
  one.blockedSinceMs = undefined;
  one.incident = { ...one.incident, dryRun: true };
  note(one, { step: "decided", state: "open", remedy: best.remedy, text, candidates }, context);
}

function waitForCause(one: HealingCase, cause: Cause, context: FlowContext): void {
  const text = `Explained by: ${cause.text} (incident ${cause.incidentId}), which is mended first.`;
  if (!cause.isGivenUp) {
    wait(one, text, context);
    return;
  }
  // No clock of its own: it goes on as soon as its cause does.
  if (one.incident.state === "given-up" && one.blockedText === text) return;
  one.blockedText = text;
  note(one, { step: "given-up", state: "given-up", text }, context);
}

/** Not used up, and not its own fault: it goes on when this is over. */
function wait(one: HealingCase, text: string, context: FlowContext): void {
  one.blockedSinceMs = undefined;
  if (one.blockedText === text) return;
  one.blockedText = text;
  note(one, { step: "blocked", state: "open", text }, context);
}

function block(one: HealingCase, ranked: readonly RemedyCandidate[], context: FlowContext): void {
  const nowMs = context.now.monotonicMs;
  if (one.incident.state === "given-up") {
    // Told already: it stays so, and is looked at again.
    one.retryAtMs = nowMs + GIVEN_UP_RETRY_MS;
    return;
  }
  one.blockedSinceMs ??= nowMs;
  const reasons = ranked.map(({ remedy, blockedBy }) => `${remedy}: ${blockedBy}`);
  if (nowMs - one.blockedSinceMs >= BLOCKED_MS_MAX) {
    const waited = seconds(BLOCKED_MS_MAX);
    giveUp(one, `Nothing could be done for ${waited}. ${reasons.join("; ")}.`, context);
    return;
  }
  // Reasons hold figures that change; which remedies are barred is what is new.
  const barred = ranked.map(({ remedy }) => remedy).join(" ");
  if (one.blockedText === barred) return;
  one.blockedText = barred;
  note(
    one,
    { step: "blocked", state: "open", text: `${reasons.join("; ")}.`, candidates: ranked },
    context,
  );
}

function giveUp(one: HealingCase, why: string, context: FlowContext, isTriedAgain = true): void {
  const growth = 2 ** Math.min(one.rounds, 16);
  const delayMs = Math.min(GIVEN_UP_RETRY_MS * growth, GIVEN_UP_RETRY_MS_MAX);
  one.retryAtMs = context.now.monotonicMs + delayMs;
  one.rounds++;
  one.blockedSinceMs = undefined;
  if (one.incident.state === "given-up" && one.blockedText === why) return;
  one.blockedText = why;
  const again = isTriedAgain ? ` The next try is in ${seconds(delayMs)}.` : "";
  const text = `${why} ${adviceOf(one.symptom.kind)}${again}`;
  note(one, { step: "given-up", state: "given-up", text }, context);
}

function helped(one: HealingCase, tracked: Tracked, context: FlowContext): void {
  const { run } = one;
  if (run === undefined) return;
  const { memory, tally, now, effects } = context;
  const eases = context.traits.get(run.remedy)?.eases === true;
  if (run.changedNothing || eases) {
    judge(run, "unseen", context);
    const after = seconds(now.monotonicMs - one.sinceMs);
    const why = eases
      ? `${run.remedy} made it easier meanwhile`
      : `${run.remedy} had changed nothing`;
    closeOrTakeBack(
      one,
      "passed",
      `Gone by itself after ${after}; ${why}: ${tracked.says}`,
      context,
    );
    return;
  }
  const tookMs = now.monotonicMs - run.beganAtMs;
  judge(run, "helped", context);
  tally.count(run.remedy, "helped");
  effects.push({ kind: "remember", record: memory.learn(run.symptom.kind, run.remedy, tookMs) });
  const text = `${tracked.says} (${seconds(tookMs)} after ${run.remedy} began)`;
  note(one, { step: "verified", remedy: run.remedy, text, timing: "verifiedMs" }, context);
  const totalMs = now.monotonicMs - one.sinceMs;
  tally.recovered(run.symptom.kind, totalMs);
  closeOrTakeBack(one, "mended", `Mended by ${run.remedy} in ${seconds(totalMs)}.`, context);
}

function checkDeadline(one: HealingCase, tracked: Tracked, context: FlowContext): void {
  const { run } = one;
  if (run?.verifyByMs === undefined || context.now.monotonicMs < run.verifyByMs) return;
  // It speaks well of itself, only not long enough yet.
  if (tracked.isClearing) return;
  const withinMs = context.traits.get(run.remedy)?.verifyWithinMs ?? 0;
  const within = seconds(withinMs);
  if (tracked.verdict === "unknown") {
    if (!run.isExtended) {
      run.isExtended = true;
      run.verifyByMs += withinMs;
      return;
    }
    const text = `Whether it helped could not be seen within ${within}: ${tracked.says}`;
    note(one, { step: "not-helped", remedy: run.remedy, text }, context);
    judge(run, "unseen", context);
    giveWay(one, run.remedy, context);
    return;
  }
  // What was seen stands at the top: only what is new is said again.
  const isNew = !one.incident.timeline.some(({ text: said }) => said === tracked.says);
  const now = isNew ? `: ${tracked.says}` : "";
  const text = `${headline(one.symptom)} still, ${within} after it was applied${now}`;
  note(one, { step: "not-helped", remedy: run.remedy, text }, context);
  failed(one, run, context);
}

function failed(one: HealingCase, run: Run, context: FlowContext): void {
  const { memory, tally, effects } = context;
  const { remedy } = run;
  judge(run, "failed", context);
  tally.count(remedy, "failed");
  effects.push({ kind: "remember", record: memory.learn(one.symptom.kind, remedy, undefined) });
  giveWay(one, remedy, context);
}

/** The next best comes, once this one was taken back. */
function giveWay(one: HealingCase, remedy: RemedyName, context: FlowContext): void {
  one.tried.add(remedy);
  if (context.traits.get(remedy)?.rollbackWhen !== undefined) takeBack(one, remedy, context);
  else becomeIdle(one);
}

function takeBack(one: HealingCase, remedy: RemedyName, context: FlowContext): void {
  const run = { id: context.nextRun(), remedy, symptom: one.symptom };
  const beganAtMs = context.now.monotonicMs;
  one.run = { ...run, beganAtMs, verifyByMs: undefined, isExtended: false, changedNothing: false };
  one.phase = "rolling-back";
  one.takenBack.add(remedy);
  context.effects.push({ kind: "roll-back", run });
}

function afterRollback(one: HealingCase, context: FlowContext): void {
  const { closing } = one;
  if (closing === undefined) becomeIdle(one);
  else closeOrTakeBack(one, closing.state, closing.text, context);
}

function becomeIdle(one: HealingCase): void {
  one.phase = "idle";
  one.run = undefined;
  one.incident = { ...one.incident, state: "open" };
  unblock(one);
}

function unblock(one: HealingCase): void {
  one.blockedSinceMs = undefined;
  one.blockedText = undefined;
}

function judge({ remedy, symptom }: Run, outcome: UseOutcome, context: FlowContext): void {
  context.gates.judge(remedy, symptom.subject, outcome, context.now.monotonicMs);
}
