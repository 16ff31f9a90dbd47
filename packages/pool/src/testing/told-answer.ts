/** A whole answer of an agent in a test, with all its events. */
import type { GenerationEvent } from "../ring/generation.js";
import type { InferenceRequest } from "../runtime/inference-service.js";
import type { PoolInference } from "../runtime/pool-inference.js";

const never = new AbortController().signal;

/** So slow that two of them decode faster together, whatever a call costs. */
export const SLOW = { bandwidthBytesPerSecond: 1e9 };
/** What the workers of an `AgentPool` answer when nothing else is asked for. */
export const WHOLE_ANSWER = "one two three ".repeat(4);

export function usualRequest(more: Partial<InferenceRequest> = {}): InferenceRequest {
  return {
    model: "tiny",
    onlyMembers: undefined,
    prompt: { kind: "text", text: "one two three" },
    maxTokens: 12,
    sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 },
    stop: [],
    ...more,
  };
}

export async function tell(
  inference: PoolInference,
  given: Partial<InferenceRequest> = {},
  onEvent: (event: GenerationEvent, count: number) => void = () => undefined,
): Promise<{ text: string; events: GenerationEvent[] }> {
  const events: GenerationEvent[] = [];
  let text = "";
  for await (const event of inference.generate(usualRequest(given), never)) {
    events.push(event);
    if (event.kind === "text") text += event.text;
    onEvent(event, events.length);
  }
  return { text, events };
}
