/** An answer of a real model: its sampler, its tokenizer, its stop texts. */

import { MeshError } from "@hearthmesh/core";
import type { AnswerText, TextModel } from "../chat/text-model.js";
import type { SliceCandidates } from "../sampling/candidates.js";
import { candidatesNeeded, Sampler } from "../sampling/sampler.js";
import type { Answer, AnswerPiece } from "./answer.js";
import type { GenerateRequest } from "./generation.js";
import type { NewRequest } from "./session-request.js";

/** Makes of a request what the ring computes. `MESH_BAD_REQUEST`, `MESH_CONTEXT_TOO_LONG`. */
export type RequestReader = (id: number, request: GenerateRequest, nowMs: number) => NewRequest;

export function requestReader(text: TextModel): RequestReader {
  return (id, request, nowMs) => {
    const { maxTokens, sampling } = request;
    if (maxTokens !== undefined && !(Number.isSafeInteger(maxTokens) && maxTokens >= 1)) {
      throw new MeshError("MESH_BAD_REQUEST", { message: "maxTokens is a whole number from 1" });
    }
    const sampler = new Sampler(sampling, text.tokenizer.size);
    const { tokens, answer } = text.encode(request.prompt, request.stop, nowMs);
    if (tokens.length === 0) {
      throw new MeshError("MESH_BAD_REQUEST", { message: "the prompt is empty" });
    }
    return {
      id,
      promptTokens: Int32Array.from(tokens),
      maxTokens,
      answer: new ModelAnswer(text, sampler, answer, candidatesNeeded(sampling)),
    };
  };
}

class ModelAnswer implements Answer {
  readonly wanted: number;
  readonly #model: TextModel;
  readonly #sampler: Sampler;
  readonly #text: AnswerText;

  constructor(model: TextModel, sampler: Sampler, text: AnswerText, wanted: number) {
    this.#model = model;
    this.#sampler = sampler;
    this.#text = text;
    this.wanted = wanted;
  }

  next(candidates: readonly SliceCandidates[]): AnswerPiece {
    const token = this.#sampler.next(candidates);
    const { text, ended } = this.#text.push(token);
    return { token, text, ended, isEndToken: this.#model.tokenizer.isEnding(token) };
  }

  end(): string {
    return this.#text.end();
  }
}
