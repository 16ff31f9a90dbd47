/** Short histories for tests, written as calls; and long ones from a real sequential execution. */
import type { Random } from "@hearthmesh/core";
import { randomInteger } from "@hearthmesh/core";
import type { Store } from "../../types.js";
import {
  type ClientEvent,
  HISTORY_FORMAT,
  HISTORY_NAME,
  type History,
  type HistoryHeader,
} from "./format.js";
import { type Answer, type Invocation, type Leases, perform } from "./perform.js";
import { RegisterWork } from "./workload.js";

export const TEST_HEADER: HistoryHeader = {
  history: HISTORY_NAME,
  format: HISTORY_FORMAT,
  engine: "test",
  faults: [],
  seed: 1,
  version: "0",
  startRevision: 1,
};

/** Begin and end of a call, what was asked, and the answer, or how it failed. */
export interface TestCall {
  readonly at: readonly [number, number];
  readonly ask: Invocation;
  readonly answer: Answer | "info" | "fail";
}

/** Each call gets a process that is free then. */
export function historyOf(calls: readonly TestCall[], startRevision = 1): History {
  const busyUntil: number[] = [];
  const events: ClientEvent[] = [];
  for (const { at, ask, answer } of [...calls].sort((a, b) => a.at[0] - b.at[0])) {
    const [start, end] = at;
    const free = busyUntil.findIndex((until) => until < start);
    const process = free === -1 ? busyUntil.length : free;
    busyUntil[process] = answer === "info" ? Number.POSITIVE_INFINITY : end;
    events.push({ ...ask, process, type: "invoke", time: start });
    const last = { op: ask.op, process, time: end };
    if (answer === "info" || answer === "fail") {
      events.push({ ...last, type: answer, error: "MESH_TEST" });
    } else events.push({ ...last, type: "ok", ...answer });
  }
  const order = (event: ClientEvent) => (event.type === "invoke" ? 0 : 1);
  events.sort((a, b) => a.time - b.time || order(a) - order(b));
  return { header: { ...TEST_HEADER, startRevision }, events };
}

/**
 * Operations that ran one after the other on a real store, each at a moment of its own; then their
 * begins and ends are pulled apart so that they overlap. One in ten loses its answer, and one in
 * twenty is never run and so fails or stays unknown.
 */
export async function overlappingCalls(
  store: Store,
  random: Random,
  count: number,
): Promise<TestCall[]> {
  const workers = ["a", "b", "c"].map((name) => new RegisterWork(name, random));
  const leases: Leases = new Map();
  const calls: TestCall[] = [];
  for (let index = 0; index < count; index++) {
    const worker = workers[randomInteger(random, workers.length)] as RegisterWork;
    const ask = worker.next();
    const moment = 1000 + index * 10;
    const at = [moment - randomInteger(random, 40), moment + randomInteger(random, 40)] as const;
    const chance = random.float();
    if (chance < 0.05) {
      calls.push({ at, ask, answer: chance < 0.025 ? "fail" : "info" });
      continue;
    }
    const answer = await perform(store, ask, leases);
    if (chance < 0.15) {
      calls.push({ at, ask, answer: "info" });
      continue;
    }
    worker.learned(ask, answer);
    calls.push({ at, ask, answer });
  }
  return calls;
}
