/** Events become calls: each invocation with its answer, or without one. */
import type { ClientEvent, FaultEvent, History, HistoryEvent } from "./format.js";
import { isFault } from "./format.js";
import { badLine } from "./parse-line.js";

/**
 * `ok`: it happened, once, between `startUs` and `endUs`. `fail`: it did not and never will.
 * `info`: nobody knows; it may take effect at any time after `startUs`, or never.
 */
export interface Call {
  /** Place among the invocations. */
  readonly id: number;
  readonly process: number;
  readonly outcome: "ok" | "fail" | "info";
  readonly startUs: number;
  /** Infinite for `info`. */
  readonly endUs: number;
  readonly invoke: ClientEvent;
  /** Undefined when the history ends before the answer. */
  readonly answer: ClientEvent | undefined;
}

export interface Calls {
  readonly calls: readonly Call[];
  readonly faults: readonly FaultEvent[];
}

/** In order of their start. `MESH_BAD_REQUEST` when a process has two calls at a time. */
export function callsOf({ events }: History): Calls {
  const open = new Map<number, { id: number; invoke: ClientEvent }>();
  const ended = new Set<number>();
  const calls: Call[] = [];
  const faults: FaultEvent[] = [];
  let nextId = 0;
  events.forEach((event: HistoryEvent, index) => {
    const line = index + 2;
    if (isFault(event)) {
      faults.push(event);
      return;
    }
    const { process, type } = event;
    const pending = open.get(process);
    if (type === "invoke") {
      if (pending !== undefined) throw badLine(line, `process ${process} has a call open already`);
      if (ended.has(process)) throw badLine(line, `process ${process} goes on after an info`);
      open.set(process, { id: nextId++, invoke: event });
      return;
    }
    if (pending === undefined) throw badLine(line, `process ${process} has no call open`);
    if (pending.invoke.op !== event.op) throw badLine(line, "it answers another operation");
    open.delete(process);
    if (type === "info") ended.add(process);
    calls.push(callOf(pending, event));
  });
  for (const pending of open.values()) calls.push(callOf(pending, undefined));
  calls.sort((a, b) => a.id - b.id);
  return { calls, faults };
}

function callOf(
  { id, invoke }: { id: number; invoke: ClientEvent },
  answer: ClientEvent | undefined,
): Call {
  const outcome = answer === undefined || answer.type === "invoke" ? "info" : answer.type;
  return {
    id,
    process: invoke.process,
    outcome,
    startUs: invoke.time,
    endUs: answer === undefined || outcome === "info" ? Number.POSITIVE_INFINITY : answer.time,
    invoke,
    answer,
  };
}
