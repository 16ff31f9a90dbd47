/** What an answer is made of on its way to the client, and what is counted of it. */
import { type Clock, MeshError } from "@hearthmesh/core";
import type { EndpointOperation } from "@hearthmesh/pool";

/** `data` is JSON: of one event in a stream, else the whole body. `note` is for a stream alone. */
export interface AnswerPiece {
  readonly kind: "data" | "note";
  readonly text: string;
}

/** The last event of every stream of OpenAI's API; no JSON. */
export const STREAM_END = "[DONE]";

export interface AnswerForm {
  readonly operation: EndpointOperation;
  readonly isStream: boolean;
  readonly includeUsage: boolean;
  readonly includeTimings: boolean;
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
  readonly fingerprint: string;
}

/** Tokens and times of one answer, as far as it has come. */
export class AnswerMeter {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #startedMs: number;
  promptTokens = 0;
  completionTokens = 0;
  firstTokenMs: number | undefined;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
  }

  text(tokens: number): void {
    this.firstTokenMs ??= this.#clock.monotonicMs() - this.#startedMs;
    this.completionTokens += tokens;
  }

  /** What the model itself says at the end is right. */
  usage(promptTokens: number, completionTokens: number): void {
    this.promptTokens = promptTokens;
    this.completionTokens = completionTokens;
  }
}

export function usageOf(promptTokens: number, completionTokens: number) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

export function upstreamFailed(message: string, cause?: unknown): MeshError {
  return new MeshError("MESH_UPSTREAM_FAILED", {
    message,
    ...(cause === undefined ? {} : { cause }),
  });
}
