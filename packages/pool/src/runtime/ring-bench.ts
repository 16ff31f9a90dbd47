/** Measures placements with real answers, through the same service that people use. */
import { fromWireError } from "@hearthmesh/core";
import type { GenerationEvent } from "../ring/generation.js";
import type { Placement, PlanExplanation } from "./inference-service.js";
import { BENCH_TOKENS_MAX } from "./limits.js";
import type { PoolInference } from "./pool-inference.js";
import type { RingBenchRow } from "./ring-inspection.js";

const PROMPT =
  "The machines of the house stood in a row, and each of them knew a part of the story. " +
  "One began to tell it.";

/** R and T, one after the other; each is loaded, warmed and measured. */
export async function benchRings(
  inference: PoolInference,
  model: string | undefined,
  tokens: number,
  signal: AbortSignal,
): Promise<RingBenchRow[]> {
  const rows: RingBenchRow[] = [];
  for (const placement of ["R", "T"] as const) {
    rows.push(await benchOne(inference, model, placement, tokens, signal));
  }
  return rows;
}

async function benchOne(
  inference: PoolInference,
  model: string | undefined,
  placement: Placement,
  tokens: number,
  signal: AbortSignal,
): Promise<RingBenchRow> {
  const nothing = {
    ...{ completionTokens: 0, tokensPerSecond: undefined, timings: undefined },
    ...{ exchangeMsP50: undefined, exchangeMsP99: undefined },
  };
  let plan: PlanExplanation | undefined;
  try {
    plan = await inference.explain(model, signal, { placement });
    const names = plan.chosen?.names ?? [];
    const predictedTokensPerSecond = plan.chosen?.tokensPerSecond;
    const base = { placement, names, predictedTokensPerSecond };
    if (plan.chosen === undefined) {
      return { ...base, ...nothing, failure: plan.text.join(" ") };
    }
    await answer(inference, model, placement, 4, signal);
    const done = await answer(inference, model, placement, tokens, signal);
    const stats = await inference.stats(signal);
    const loaded = stats.models.find(
      (one) => one.placement === placement && one.model === plan?.model,
    );
    const decoded = done.completionTokens - 1;
    return {
      ...base,
      failure: undefined,
      completionTokens: done.completionTokens,
      tokensPerSecond: decoded > 0 ? (decoded / done.timings.decodeMs) * 1000 : undefined,
      timings: done.timings,
      exchangeMsP50: placement === "T" ? loaded?.worker.exchangeMsP50 : undefined,
      exchangeMsP99: placement === "T" ? loaded?.worker.exchangeMsP99 : undefined,
    };
  } catch (error) {
    signal.throwIfAborted();
    const names = plan?.chosen?.names ?? [];
    const predictedTokensPerSecond = plan?.chosen?.tokensPerSecond;
    const failure = fromWireError(error).message;
    return { placement, names, predictedTokensPerSecond, ...nothing, failure };
  }
}

async function answer(
  inference: PoolInference,
  model: string | undefined,
  placement: Placement,
  tokens: number,
  signal: AbortSignal,
): Promise<Extract<GenerationEvent, { kind: "done" }>> {
  const request = {
    ...{ model, placement, onlyMembers: undefined, stop: [] },
    prompt: { kind: "text", text: PROMPT } as const,
    maxTokens: Math.min(tokens, BENCH_TOKENS_MAX),
    // Any token may come, so that an answer rarely ends by itself.
    sampling: { temperature: 1, topP: 1, topK: 0, minP: 0, seed: 7 },
  };
  for await (const event of inference.generate(request, signal)) {
    if (event.kind === "done") return event;
  }
  throw new Error("an answer ended without an end");
}
