/**
 * Runs remedies for the machine: each with an end, and never throwing. One that goes on although it
 * was told to end is waited for a little, and then counts as failed.
 */
import { type Clock, errorFields } from "@hearthmesh/core";
import { ABORT_GRACE_MS, APPLY_MS_MAX } from "./limits.js";
import type { HealerEvent, Run } from "./machine/healer-events.js";
import { seconds } from "./machine/texts.js";
import type { Remedy, RemedyName, RemedyOutcome } from "./remedy.js";

type Ended = Extract<HealerEvent, { readonly run: number }>;

interface RemedyRunsOptions {
  readonly clock: Clock;
  /** As they are then: more may be added. */
  readonly remedies: ReadonlyMap<RemedyName, Remedy>;
  beforeApply?(signal: AbortSignal): Promise<void>;
}

export class RemedyRuns {
  readonly #options: RemedyRunsOptions;
  readonly #running = new Set<AbortController>();

  constructor(options: RemedyRunsOptions) {
    this.#options = options;
  }

  async apply({ id, remedy, symptom }: Run): Promise<Ended> {
    const { remedies, beforeApply } = this.#options;
    const outcome = await this.#run(async (signal) => {
      const found = remedies.get(remedy);
      if (found === undefined) throw new Error(`this node has no remedy ${remedy}`);
      await beforeApply?.(signal);
      signal.throwIfAborted();
      return found.apply(symptom, signal);
    });
    return "did" in outcome
      ? {
          ...{ kind: "applied", run: id, did: outcome.did },
          changedNothing: outcome.changedNothing === true,
        }
      : { kind: "apply-failed", run: id, reason: outcome.reason };
  }

  async rollBack({ id, remedy, symptom }: Run): Promise<Ended> {
    const outcome = await this.#run(async (signal) => {
      const did = await this.#options.remedies.get(remedy)?.rollback?.(symptom, signal);
      return did ?? { did: `${remedy} has nothing to take back` };
    });
    return "did" in outcome
      ? { kind: "rolled-back", run: id, did: outcome.did }
      : { kind: "rollback-failed", run: id, reason: outcome.reason };
  }

  abort(): void {
    for (const controller of this.#running) controller.abort(new Error("the daemon is stopping"));
  }

  async #run(
    work: (signal: AbortSignal) => Promise<RemedyOutcome>,
  ): Promise<RemedyOutcome | { readonly reason: string }> {
    const controller = new AbortController();
    this.#running.add(controller);
    const reason = `it did not end within ${seconds(APPLY_MS_MAX)}`;
    const abort = () => controller.abort(new Error(reason));
    const { clock } = this.#options;
    const timers = [clock.setTimeout(abort, APPLY_MS_MAX)];
    const late = new Promise<{ reason: string }>((resolve) => {
      const give = () => resolve({ reason: `${reason}, and goes on` });
      timers.push(clock.setTimeout(give, APPLY_MS_MAX + ABORT_GRACE_MS));
    });
    const done = Promise.resolve()
      .then(() => work(controller.signal))
      .catch((error: unknown) => ({ reason: errorFields(error).reason ?? "it failed" }));
    try {
      return await Promise.race([done, late]);
    } finally {
      for (const timer of timers) timer.cancel();
      this.#running.delete(controller);
    }
  }
}
