/** An inference service that says what a test tells it to, for the doors in front of it. */
import { MeshError } from "@hearthmesh/core";
import type {
  GenerationEvent,
  InferenceRequest,
  InferenceService,
  ModelRecord,
} from "@hearthmesh/pool";

export type Script = (
  request: InferenceRequest,
  signal: AbortSignal,
) => AsyncIterable<GenerationEvent>;

export class ScriptedInference implements InferenceService {
  readonly requests: InferenceRequest[] = [];
  /** Under way now. */
  running = 0;
  script: Script;

  constructor(script: Script = (request) => words(request, ["Hello", " ", "world"])) {
    this.script = script;
  }

  async *generate(request: InferenceRequest, signal: AbortSignal) {
    this.requests.push(request);
    this.running++;
    try {
      yield* this.script(request, signal);
    } finally {
      this.running--;
    }
  }

  async explain(): Promise<never> {
    throw new MeshError("MESH_MODEL_UNKNOWN");
  }

  async stats(): Promise<never> {
    throw new MeshError("MESH_MODEL_UNKNOWN");
  }
}

/** One token for each word. */
export async function* words(
  { maxTokens }: InferenceRequest,
  texts: readonly string[],
): AsyncGenerator<GenerationEvent> {
  yield { kind: "started", promptTokens: 3 };
  const said = texts.slice(0, maxTokens ?? texts.length);
  for (const [at, text] of said.entries()) yield { kind: "text", text, tokens: [at] };
  yield doneAfter(said.length, said.length < texts.length ? "length" : "stop");
}

export function doneAfter(
  completionTokens: number,
  finishReason: "stop" | "length" = "stop",
): GenerationEvent {
  const times = { firstTokenMs: 5, promptMs: 5, decodeMs: 20, computeMs: 18, exchangeMs: 2 };
  const timings = { ...times, epochs: 1, replayedTokens: 0, pauseMs: 0 };
  return { kind: "done", finishReason, promptTokens: 3, completionTokens, timings };
}

/** Resolves when the signal is aborted, and then throws its reason. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** What the door reads of a model: its names. */
export function libraryOf(...names: readonly string[]) {
  return {
    list: async () =>
      names.map((name) => ({ v: 1, name, id: `id-of-${name}`, addedAtMs: 1_000 }) as ModelRecord),
  };
}
