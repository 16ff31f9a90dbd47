/** Refuses options of an engine that make no sense, before anything is opened. */
import type { ModelShape } from "../model/model-shape.js";
import { BATCH_ROWS_MAX, CONTEXT_TOKENS_MAX, SEQUENCES_MAX, THREADS_MAX } from "./limits.js";
import { wrongCall } from "./sequences.js";
import type { EngineOptions } from "./shard-engine.js";

export function checkEngineOptions(options: EngineOptions): void {
  const within = (value: number, most: number, what: string) => {
    if (Number.isSafeInteger(value) && value >= 1 && value <= most) return;
    throw wrongCall(`${what} is ${value}; 1 to ${most} can be`);
  };
  within(options.contextTokens, CONTEXT_TOKENS_MAX, "contextTokens");
  within(options.sequencesMax, SEQUENCES_MAX, "sequencesMax");
  within(options.batchRowsMax, BATCH_ROWS_MAX, "batchRowsMax");
  within(options.threads, THREADS_MAX, "threads");
}

/** Whether a shard is the whole model, so that `forward` can be used. */
export function isWholeModel(
  shape: ModelShape,
  { kvHeads, feedForward, vocabulary }: EngineOptions["shard"],
): boolean {
  const all = (span: { readonly from: number; readonly to: number }, whole: number) =>
    span.from === 0 && span.to === whole;
  return (
    all(kvHeads, shape.kvHeads) &&
    all(feedForward, shape.feedForwardWidth) &&
    all(vocabulary, shape.vocabularySize)
  );
}
