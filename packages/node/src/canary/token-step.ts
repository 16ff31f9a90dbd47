/**
 * Whether the models that this node leads answer. None is loaded for it, and none is kept loaded:
 * a token is generated once in each idle time, after the last request or after loading, and its
 * result stands until there is a request again. While people ask, their own requests are the proof:
 * tokens come, or it is unknown.
 */
import type { InferenceService, InferenceStats } from "@hearthmesh/pool";
import { type CanaryStep, type StepOutcome, WELL } from "./canary.js";
import { CANARY_TOKEN_MS_MAX } from "./limits.js";

const SAMPLING = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 };
const PROMPT = { kind: "text", text: "1" } as const;

export interface TokenStepOptions {
  inference(): InferenceService | undefined;
}

export function tokenStep({ inference: find }: TokenStepOptions): CanaryStep {
  /** What was found of the models as they were then. */
  let known: { readonly about: string; readonly outcome: StepOutcome } | undefined;
  let tokens = 0;
  return {
    name: "token",
    patienceMs: CANARY_TOKEN_MS_MAX,
    run: async (signal) => {
      const inference = find();
      const stats = await inference?.stats(signal);
      if (inference === undefined || stats === undefined || stats.models.length === 0) {
        known = undefined;
        return undefined;
      }
      const before = tokens;
      tokens = stats.tokensGenerated;
      if (stats.jobsRunning + stats.jobsWaiting > 0) return busy(stats, tokens > before);
      if (known?.about === nameOf(stats) && known.outcome.status === "ok") return known.outcome;
      for (const { model } of stats.models) await generateOne(inference, model, signal);
      const after = await inference.stats(signal);
      tokens = after.tokensGenerated;
      known = { about: nameOf(after), outcome: WELL };
      return WELL;
    },
  };
}

function busy({ jobsRunning, jobsWaiting }: InferenceStats, advanced: boolean): StepOutcome {
  if (advanced) return WELL;
  const reason = `${jobsRunning} requests run and ${jobsWaiting} wait: no token is asked for`;
  return { status: "unknown", reason };
}

/** Changes with every request and every model that comes or goes. */
function nameOf({ jobsCompleted, jobsFailed, models }: InferenceStats): string {
  const epochs = models.map(({ model, worker }) => `${model}@${worker.epoch}`);
  return JSON.stringify([jobsCompleted, jobsFailed, ...epochs.sort()]);
}

async function generateOne(
  inference: InferenceService,
  model: string,
  signal: AbortSignal,
): Promise<void> {
  const request = { model, onlyMembers: undefined, prompt: PROMPT, maxTokens: 1 };
  const events = inference.generate({ ...request, sampling: SAMPLING, stop: [] }, signal);
  for await (const event of events) {
    if (event.kind === "done" && event.completionTokens > 0) return;
    // A model may end at once: that is an answer too.
    if (event.kind === "done" && event.finishReason === "stop") return;
  }
  throw new Error(`the model ${model} gave no token`);
}
