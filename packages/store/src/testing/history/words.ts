/** A report, as lines that a person reads. */
import type { Call } from "./calls.js";
import { callsOf } from "./calls.js";
import type { ClientEvent, FaultEvent, History, HistoryStep } from "./format.js";
import { WINDOW_CALLS_MAX } from "./limits.js";
import type { CheckReport, Problem } from "./verdict.js";

const VERDICTS = {
  linearizable: "linearizable",
  violation: "NOT LINEARIZABLE",
  unknown: "unknown: nothing wrong was found, but not everything could be decided",
} as const;

/** The verdict comes first. Times count from the first event. */
export function reportLines(history: History, report: CheckReport): string[] {
  const { counts } = report;
  const { faults } = callsOf(history);
  const startUs = history.events[0]?.time ?? 0;
  const lines = [
    `verdict: ${VERDICTS[report.verdict]}`,
    `calls: ${counts.ok} answered, ${counts.fail} failed, ${counts.info} of unknown outcome; ` +
      `${counts.revisions} revisions of ${counts.keys} keys, ${counts.batches} watched batches, ` +
      `${counts.faults} faults, ${counts.states} configurations searched`,
  ];
  for (const problem of report.problems) lines.push("", ...problemLines(problem, faults, startUs));
  const more = report.problemsFound - report.problems.length;
  if (more > 0) lines.push("", `and ${more} more problems`);
  for (const doubt of report.doubts) lines.push(`doubt: ${doubt}`);
  return lines;
}

function problemLines(
  { rule, words, window }: Problem,
  faults: readonly FaultEvent[],
  startUs: number,
): string[] {
  const first = window[0]?.startUs ?? 0;
  const ends = window.map(({ startUs: start, endUs }) => (Number.isFinite(endUs) ? endUs : start));
  const last = Math.max(first, ...ends);
  const shown = window.slice(0, WINDOW_CALLS_MAX).map((call) => ({
    atUs: call.startUs,
    line: `  ${span(call, startUs)}  ${callWords(call)}`,
  }));
  const meanwhile = faults
    .filter(({ time }) => time >= first && time <= last)
    .map(({ time, op, target = "", words: told = "" }) => ({
      atUs: time,
      line: `  ${milliseconds(time - startUs)}  fault: ${[op, target, told].join(" ").trim()}`,
    }));
  const lines = [...shown, ...meanwhile].sort((a, b) => a.atUs - b.atUs).map(({ line }) => line);
  return [`${rule}: ${words}`, ...lines];
}

function milliseconds(durationUs: number): string {
  return `${(durationUs / 1000).toFixed(3)} ms`;
}

function span({ startUs, endUs }: Call, zeroUs: number): string {
  const end = Number.isFinite(endUs) ? milliseconds(endUs - zeroUs) : "no answer";
  return `${milliseconds(startUs - zeroUs)} to ${end}`;
}

/** Such as `process 3: put r/1 = 3-7, revision 12`. */
function callWords({ process, invoke, answer, outcome }: Call): string {
  const asked = `process ${process}: ${invoke.op}${askedFor(invoke)}`;
  if (outcome === "info") return `${asked}, outcome unknown`;
  if (outcome === "fail") return `${asked}, failed: ${answer?.error ?? ""}`;
  return `${asked} -> ${answered(answer)}`;
}

function askedFor(invoke: ClientEvent): string {
  const { key, value, expect, lock, token, prefix, fromRevision, lease } = invoke;
  const parts = [
    key === undefined ? "" : ` ${key}`,
    value === undefined ? "" : ` = ${value}`,
    expect === undefined ? "" : ` if ${expectation(expect)}`,
    lock === undefined ? "" : ` under ${lock}`,
    token === undefined ? "" : ` with token ${token}`,
    prefix === undefined ? "" : ` ${JSON.stringify(prefix)}`,
    fromRevision === undefined ? "" : ` from revision ${fromRevision}`,
    lease === undefined ? "" : ` lease ${lease}`,
  ];
  if (invoke.op === "txn") {
    const condition = (invoke.compare ?? []).map(
      ({ key: name, ...is }) => `${name}: ${expectation(is)}`,
    );
    parts.push(` if [${condition.join(", ")}] then [${steps(invoke.success)}]`);
    parts.push(` else [${steps(invoke.failure)}]`);
  }
  return parts.join("");
}

function expectation(expect: NonNullable<ClientEvent["expect"]>): string {
  const [[name = "", value] = []] = Object.entries(expect);
  return `${name} is ${value ?? "missing"}`;
}

function steps(some: readonly HistoryStep[] = []): string {
  return some
    .map(({ type, key, value }) => (type === "put" ? `put ${key} = ${value}` : `${type} ${key}`))
    .join(", ");
}

function answered(answer: ClientEvent | undefined): string {
  if (answer === undefined) return "nothing";
  const { value, modRevision, revision, succeeded, deleted, entries, batches, results } = answer;
  const parts: string[] = [];
  if (succeeded !== undefined) parts.push(succeeded ? "succeeded" : "condition did not hold");
  if (answer.op === "get") parts.push(value === null ? "missing" : `${value}`);
  if (deleted !== undefined) parts.push(`deleted ${deleted}`);
  if (modRevision !== undefined) parts.push(`of revision ${modRevision}`);
  if (revision !== undefined) parts.push(`revision ${revision}`);
  if (results !== undefined) parts.push(JSON.stringify(results));
  if (entries !== undefined) {
    parts.push(`[${entries.map(({ key, value: held }) => `${key} = ${held}`).join(", ")}]`);
  }
  if (batches !== undefined) {
    const ends = [batches[0]?.revision, batches.at(-1)?.revision];
    parts.push(`${batches.length} batches${batches.length > 0 ? `, ${ends.join(" to ")}` : ""}`);
  }
  return parts.length === 0 ? "done" : parts.join(", ");
}
