/**
 * Models of the mesh behind OpenAI's API: which there are, and answers of the ring or of
 * whole-request members. One for a node; all its doors use it, so that limits and kept answers are
 * the same behind each. It knows no HTTP.
 *
 * A model of the library goes to the ring, one that only whole-request members serve to these. When
 * the ring cannot begin an answer (a member is missing, or memory), whole-request members with a
 * model of the same name are asked.
 */
import { type Clock, isMeshError, MeshError, type Random } from "@hearthmesh/core";
import type { EndpointService, InferenceService, ModelLibrary } from "@hearthmesh/pool";
import type { MetricValue } from "../plain/metrics-table.js";
import { AiUsage, type AnswerOutcome } from "./ai-usage.js";
import { AnswerMeter, type AnswerPiece } from "./answer-piece.js";
import { makeAnswer, type OpenAiRequest } from "./answer-source.js";
import { type AiCaller, CallerLimits } from "./caller-limits.js";
import { KeptAnswers, requestFingerprint, seedOf } from "./idempotency.js";
import { type ModelEntry, modelEntries } from "./model-list.js";

export interface OpenAiServiceOptions {
  readonly inference: InferenceService | undefined;
  readonly library: Pick<ModelLibrary, "list"> | undefined;
  readonly endpoints: EndpointService | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

export interface OpenAiCall {
  readonly request: OpenAiRequest;
  readonly caller: AiCaller;
  readonly idempotencyKey: string | undefined;
}

export class OpenAiService {
  readonly #options: OpenAiServiceOptions;
  readonly #limits: CallerLimits;
  readonly #kept: KeptAnswers;
  readonly #usage = new AiUsage();

  constructor(options: OpenAiServiceOptions) {
    this.#options = options;
    this.#limits = new CallerLimits(options.clock);
    this.#kept = new KeptAnswers(options.clock);
  }

  /** By name; each once. */
  models(signal: AbortSignal): Promise<readonly ModelEntry[]> {
    return modelEntries(this.#options, signal);
  }

  /** `MESH_MODEL_UNKNOWN`. */
  async model(name: string, signal: AbortSignal): Promise<ModelEntry> {
    const found = (await this.models(signal)).find((one) => one.id === name);
    if (found !== undefined) return found;
    throw new MeshError("MESH_MODEL_UNKNOWN", {
      message: `there is no model ${JSON.stringify(name.slice(0, 80))}`,
    });
  }

  /** `x-ratelimit-*`. */
  headers(caller: AiCaller): Record<string, string> {
    return this.#limits.headers(caller);
  }

  /**
   * The answer, piece by piece. `MESH_LIMIT` and `MESH_IDEMPOTENCY_KEY_USED` are thrown at once;
   * all else by the first piece, or in the middle.
   */
  answer(call: OpenAiCall, signal: AbortSignal): AsyncGenerator<AnswerPiece> {
    const { request, caller, idempotencyKey: key } = call;
    this.#limits.countRequest(caller);
    if (key === undefined) return this.#run(call, undefined, signal);
    const fingerprint = requestFingerprint(request);
    const idempotent = { callerId: caller.id, key, fingerprint };
    const make = (cancel: AbortSignal) => this.#run(call, seedOf(idempotent), cancel);
    return this.#kept.answer(idempotent, make).read(signal);
  }

  /** For `/metrics`. */
  metrics(node: string): MetricValue[] {
    return this.#usage.values(node, this.#limits.requestsUnderWay);
  }

  async *#run(
    { request, caller }: OpenAiCall,
    seed: number | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<AnswerPiece> {
    const meter = new AnswerMeter(this.#options.clock);
    const lease = this.#limits.enter(caller);
    let outcome: AnswerOutcome = "cancelled";
    try {
      const work = {
        request,
        meter,
        seed: seed ?? this.#drawSeed(),
        isRepeatable: seed !== undefined,
        tokensMax: lease.tokensLeft,
      };
      yield* makeAnswer(this.#options, work, signal);
      outcome = "ok";
    } catch (error) {
      outcome = signal.aborted ? "cancelled" : outcomeOf(error);
      throw error;
    } finally {
      lease.end(meter.promptTokens + meter.completionTokens);
      this.#usage.note(request.operation, outcome, meter);
    }
  }

  #drawSeed(): number {
    return Buffer.from(this.#options.random.bytes(4)).readUInt32BE(0);
  }
}

function outcomeOf(error: unknown): AnswerOutcome {
  return isMeshError(error) && error.status < 500 ? "refused" : "failed";
}
