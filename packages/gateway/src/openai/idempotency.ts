/**
 * Answers by the header `Idempotency-Key` (as in the draft draft-ietf-httpapi-idempotency-key): the
 * same key and request of the same caller joins the answer that is under way, or gets the one that
 * is there. The same key with another request is refused. Kept in this node's memory: at another
 * node, or after a restart, the request runs anew, with a seed that follows from key and request.
 * A failed answer is forgotten, so that a retry is a new attempt.
 */
import { createHash } from "node:crypto";
import { type Clock, MeshError, type Timer } from "@hearthmesh/core";
import type { AnswerPiece } from "./answer-piece.js";
import {
  ANSWER_KEPT_MS,
  ANSWERS_KEPT_CHARACTERS_MAX,
  ANSWERS_KEPT_MAX,
  IDEMPOTENCY_KEY_CHARACTERS_MAX,
} from "./limits.js";
import { ReplayedAnswer } from "./replayed-answer.js";

export interface IdempotentRequest {
  readonly callerId: string;
  readonly key: string;
  /** All that decides the answer. */
  readonly fingerprint: string;
}

interface Kept {
  readonly fingerprint: string;
  readonly answer: ReplayedAnswer;
  expiry: Timer | undefined;
}

/** Printable ASCII: it is a header. */
const KEY = /^[\x21-\x7e]+$/;

/** Undefined without the header. `MESH_BAD_REQUEST`. */
export function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const key = Array.isArray(header) ? "" : header.trim();
  if (KEY.test(key) && key.length <= IDEMPOTENCY_KEY_CHARACTERS_MAX) return key;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `Idempotency-Key is one word of up to ${IDEMPOTENCY_KEY_CHARACTERS_MAX} characters`,
    details: { param: "Idempotency-Key" },
  });
}

/** The same for fields in any order. */
export function requestFingerprint(request: object): string {
  const canonical = JSON.stringify(request, (_name, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
  return createHash("sha256").update(canonical).digest("hex");
}

/** 32 bits that are the same for the same request, wherever it runs. */
export function seedOf({ key, fingerprint }: IdempotentRequest): number {
  return createHash("sha256").update(`${key}\n${fingerprint}`).digest().readUInt32BE(0);
}

export class KeptAnswers {
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#kept.size;
  }

  /**
   * The answer that there is, or the one that `make` begins. `MESH_IDEMPOTENCY_KEY_USED`,
   * `MESH_LIMIT` when too many are under way.
   */
  answer(
    request: IdempotentRequest,
    make: (signal: AbortSignal) => AsyncIterable<AnswerPiece>,
  ): ReplayedAnswer {
    const name = `${request.callerId}\n${request.key}`;
    const there = this.#kept.get(name);
    if (there !== undefined) {
      if (there.fingerprint === request.fingerprint) return there.answer;
      throw new MeshError("MESH_IDEMPOTENCY_KEY_USED");
    }
    this.#makeRoom();
    const kept: Kept = {
      fingerprint: request.fingerprint,
      answer: new ReplayedAnswer({
        clock: this.#clock,
        make,
        onEnd: (error) => this.#ended(name, error),
      }),
      expiry: undefined,
    };
    this.#kept.set(name, kept);
    return kept.answer;
  }

  #ended(name: string, error: unknown): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    if (error !== undefined) this.#forget(name);
    else {
      kept.expiry = this.#clock.setTimeout(() => this.#forget(name), ANSWER_KEPT_MS);
      this.#dropOver();
    }
  }

  #makeRoom(): void {
    for (const [name, { answer }] of this.#kept) {
      if (this.#kept.size < ANSWERS_KEPT_MAX) return;
      if (answer.isOver) this.#forget(name);
    }
    if (this.#kept.size < ANSWERS_KEPT_MAX) return;
    throw new MeshError("MESH_LIMIT", {
      message: `${ANSWERS_KEPT_MAX} answers with an Idempotency-Key are under way`,
      details: { retryAfterMs: 1_000 },
    });
  }

  #dropOver(): void {
    let characters = 0;
    for (const { answer } of this.#kept.values()) characters += answer.characters;
    for (const [name, { answer }] of this.#kept) {
      if (characters <= ANSWERS_KEPT_CHARACTERS_MAX) return;
      if (!answer.isOver) continue;
      characters -= answer.characters;
      this.#forget(name);
    }
  }

  #forget(name: string): void {
    this.#kept.get(name)?.expiry?.cancel();
    this.#kept.delete(name);
  }
}
