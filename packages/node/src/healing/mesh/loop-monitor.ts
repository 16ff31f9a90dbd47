/** Whether this process keeps up with its work: how late its timers are, and how busy it is. */
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import { LOOP_BUSY_PART_MAX, LOOP_LAG_MS_MAX, LOOP_OWN_CPU_PART_MIN } from "./limits.js";
import type { LoopMeter, LoopWindow } from "./loop-readings.js";
import { count, percent } from "./text.js";

export interface LoopMonitorOptions {
  readonly meter: LoopMeter;
  /** Requests that others made and that are not answered yet. */
  waitingRequests(): number;
  readonly node: { readonly nodeId: string; readonly name: string };
}

export class LoopMonitor implements Monitor {
  readonly name = "event loop";
  readonly #options: LoopMonitorOptions;

  constructor(options: LoopMonitorOptions) {
    this.#options = options;
  }

  watch(): () => void {
    const { meter } = this.#options;
    meter.begin();
    return () => meter.end();
  }

  async look(): Promise<readonly Fact[]> {
    const { meter, node, waitingRequests } = this.#options;
    const window = meter.window();
    return [lagFact(window, node), loadFact(window, waitingRequests(), node)];
  }
}

type Node = LoopMonitorOptions["node"];

/** A machine that stood still, or gave its cores to others, is not this node's own work. */
export function lagFact(window: LoopWindow | undefined, node: Node): Fact {
  const subject: Subject = { type: "event-loop", id: node.nodeId, name: node.name };
  const symptom = "event-loop-lag";
  if (window === undefined) {
    return { symptom, subject, verdict: "unknown", evidence: "it was not measured yet" };
  }
  const { lagP99Ms, lagMaxMs, cpuPart } = window;
  const values = { lagP99Ms: Math.round(lagP99Ms), lagMaxMs: Math.round(lagMaxMs), cpuPart };
  const mark = `(mark: ${LOOP_LAG_MS_MAX} ms)`;
  if (lagP99Ms <= LOOP_LAG_MS_MAX) {
    return { symptom, subject, verdict: "well", evidence: `timers come in time ${mark}`, values };
  }
  const late = `timers came up to ${Math.round(lagMaxMs)} ms late ${mark}`;
  const share = `while the process used ${percent(cpuPart)} of a core`;
  if (cpuPart >= LOOP_OWN_CPU_PART_MIN) {
    return { symptom, subject, verdict: "ill", evidence: `${late} ${share}`, values };
  }
  const cause = "the machine stood still or was busy with other things";
  return { symptom, subject, verdict: "unknown", evidence: `${late} ${share}: ${cause}`, values };
}

export function loadFact(window: LoopWindow | undefined, waiting: number, node: Node): Fact {
  const subject: Subject = { type: "node", id: node.nodeId, name: node.name };
  const symptom = "load-high";
  if (window === undefined) {
    return { symptom, subject, verdict: "unknown", evidence: "it was not measured yet" };
  }
  const { busyPart } = window;
  const values = { busyPart, waiting };
  const mark = `(mark: ${percent(LOOP_BUSY_PART_MAX)})`;
  if (busyPart <= LOOP_BUSY_PART_MAX) {
    const evidence = `the process has room for more work ${mark}`;
    return { symptom, subject, verdict: "well", evidence, values };
  }
  const evidence =
    `the process was busy for ${percent(busyPart)} of the time ${mark}, ` +
    `with ${count(waiting, "request")} of other nodes under way`;
  return { symptom, subject, verdict: "ill", evidence, values };
}
