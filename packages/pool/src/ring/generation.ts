/** A request to generate text, and what comes of it, in the words that all parts share. */

export interface SamplingOptions {
  /** 0 is greedy: always the likeliest token. */
  readonly temperature: number;
  /** 1 leaves it off. */
  readonly topP: number;
  /** 0 leaves it off. */
  readonly topK: number;
  /** 0 leaves it off. */
  readonly minP: number;
  readonly seed: number;
}

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant" | "tool" | "developer";
  readonly content: string;
}

export type Prompt =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "chat"; readonly messages: readonly ChatMessage[] };

export interface GenerateRequest {
  readonly prompt: Prompt;
  /** Tokens of the answer at most; undefined: as many as the context has room for. */
  readonly maxTokens: number | undefined;
  readonly sampling: SamplingOptions;
  /** The answer ends before any of these texts. */
  readonly stop: readonly string[];
}

export type FinishReason = "stop" | "length";

export interface GenerationTimings {
  /** From the request to the first token. */
  readonly firstTokenMs: number;
  readonly promptMs: number;
  readonly decodeMs: number;
  /** Of `decodeMs`: computing here, and waiting for the others. */
  readonly computeMs: number;
  readonly exchangeMs: number;
  /** Epochs that this answer went through: 1 when nothing broke. */
  readonly epochs: number;
  /** Tokens that were computed again after a member was lost. */
  readonly replayedTokens: number;
  /** Pauses between two tokens because of a lost member. */
  readonly pauseMs: number;
}

export type GenerationEvent =
  | { readonly kind: "started"; readonly promptTokens: number }
  /** `text` may be empty while a character is not whole yet. */
  | { readonly kind: "text"; readonly text: string; readonly tokens: readonly number[] }
  /** A member was lost; the answer goes on by itself. */
  | { readonly kind: "paused"; readonly lostNode: string; readonly epoch: number }
  | {
      readonly kind: "done";
      readonly finishReason: FinishReason;
      readonly promptTokens: number;
      readonly completionTokens: number;
      readonly timings: GenerationTimings;
    };
