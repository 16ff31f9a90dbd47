/**
 * Starts a program of this node again. Its own supervisor does so too and is quicker: it gets a
 * moment first, so that nobody ends a program that has just been started. What the supervisor did
 * is told as its doing, and this gets no credit for it.
 */
import { type Clock, MeshError } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome, Symptom } from "@hearthmesh/healing";
import type { SupervisedProcess, SupervisedProcesses } from "../../processes/supervised-process.js";
import { PROCESS_SELF_START_MS } from "./limits.js";
import { seconds } from "./text.js";
import { holdsWithin } from "./waiting.js";

export class RestartProcess implements Remedy {
  readonly name = "restart-process";
  readonly handles = ["process-down"] as const;
  readonly cost = 0.2;
  readonly risk = 0.1;
  readonly verifyWithinMs = 15_000;
  readonly rate = { count: 5, windowMs: 600_000 };
  readonly #processes: SupervisedProcesses;
  readonly #clock: Clock;

  constructor(processes: SupervisedProcesses, clock: Clock) {
    this.#processes = processes;
    this.#clock = clock;
  }

  describe({ subject }: Symptom): string {
    return `start ${subject.name} again`;
  }

  blockedBy({ subject }: Symptom): string | undefined {
    const state = this.#find(subject.id)?.state();
    if (state === undefined) return "this node does not run it";
    return state === "stopped" ? "nobody wants it to run" : undefined;
  }

  async apply({ subject }: Symptom, signal: AbortSignal): Promise<RemedyOutcome> {
    const one = this.#find(subject.id);
    if (one === undefined) throw new MeshError("MESH_NOT_FOUND");
    const clock = this.#clock;
    if (one.state() === "running") {
      return { did: `${one.name} runs by now, and was left alone`, changedNothing: true };
    }
    const fromMs = clock.monotonicMs();
    const tookText = () => seconds(clock.monotonicMs() - fromMs);
    const isSettled = () => one.state() !== "starting";
    const ownMs = one.startMs ?? PROCESS_SELF_START_MS;
    await holdsWithin(isSettled, ownMs, { clock, signal });
    const found = one.state();
    if (found === "running") {
      const did = `its own supervisor started ${one.name}, which answers after ${tookText()}`;
      return { did, changedNothing: true };
    }
    if (found === "stopped") return { did: one.describe(), changedNothing: true };
    await one.restart();
    if (one.startMs === undefined) {
      return { did: `${one.name} was ${found}, and was started anew after ${tookText()}` };
    }
    const isBack = await holdsWithin(() => one.state() === "running", ownMs, { clock, signal });
    const outcome = isBack
      ? `it answers after ${tookText()}`
      : `after ${tookText()} it loads still`;
    return { did: `${one.name} was ${found} and was started anew; ${outcome}` };
  }

  #find(name: string): SupervisedProcess | undefined {
    return this.#processes.list().find((one) => one.name === name);
  }
}
