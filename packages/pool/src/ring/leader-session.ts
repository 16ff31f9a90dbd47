/**
 * Performs what the leader's session machine asks for: steps on the ring of the present epoch,
 * events and errors to who asked.
 */
import { type Clock, isMeshError, MeshError, type Timer } from "@hearthmesh/core";
import type { AnswerPiece } from "./answer.js";
import type { GenerateRequest, GenerationEvent } from "./generation.js";
import type { RequestReader } from "./model-answer.js";
import type { CompleteResult } from "./result-book.js";
import type { RingEpoch } from "./ring-epoch.js";
import {
  type SessionEffect,
  type SessionEvent,
  SessionMachine,
  type SessionRoom,
} from "./session-machine.js";

export interface LeaderSessionOptions {
  readonly clock: Clock;
  /** Calls after what came from outside meanwhile was looked at. */
  readonly yieldThen: (callback: () => void) => void;
  onEvent(id: number, event: GenerationEvent): void;
  onFailed(id: number, error: MeshError): void;
}

/** Since the plan was loaded. */
export interface SessionCounts {
  tokensGenerated: number;
  promptTokens: number;
  replays: number;
}

export class LeaderSession {
  readonly #options: LeaderSessionOptions;
  readonly #machine = new SessionMachine();
  #counts: SessionCounts = { tokensGenerated: 0, promptTokens: 0, replays: 0 };
  #epoch: RingEpoch | undefined;
  #read: RequestReader | undefined;
  /** A member alone computes without waiting for anybody; it must not take all the time. */
  #isAlone = false;
  #timer: Timer | undefined;

  constructor(options: LeaderSessionOptions) {
    this.#options = options;
  }

  get counts(): SessionCounts {
    return this.#counts;
  }

  /** All are joined: what is open goes on. */
  ready(epoch: RingEpoch, read: RequestReader, room: SessionRoom & { isAlone: boolean }): void {
    this.#epoch = epoch;
    this.#read = read;
    this.#isAlone = room.isAlone;
    const { running } = this.#machine.counts;
    this.#counts = { tokensGenerated: 0, promptTokens: 0, replays: running };
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#step({ kind: "ready", ...room });
  }

  /** `lostNode`: undefined when a new plan came without a loss. */
  lost(epoch: number, lostNode: string | undefined): void {
    this.#epoch = undefined;
    this.#step({ kind: "lost", epoch, lostNode });
    if (this.#timer === undefined) this.#tick();
  }

  generate(id: number, request: GenerateRequest): void {
    try {
      if (this.#read === undefined) throw new MeshError("MESH_RING_NOT_READY");
      const read = this.#read(id, request, this.#options.clock.nowMs());
      this.#step({ kind: "request", request: read });
    } catch (error) {
      this.#options.onFailed(id, meshErrorOf(error));
    }
  }

  cancel(id: number): void {
    this.#step({ kind: "cancel", id });
  }

  taken(id: number, events: number): void {
    this.#step({ kind: "taken", id, events });
  }

  /** All members have done the step of the ring. */
  computed(epoch: RingEpoch, { candidates, computeMs }: CompleteResult): void {
    if (epoch !== this.#epoch) return;
    const request = this.#machine.current;
    let piece: AnswerPiece | MeshError | undefined;
    if (request !== undefined && candidates.some(({ ids }) => ids.length > 0)) {
      try {
        piece = request.answer.next(candidates);
      } catch (error) {
        piece = meshErrorOf(error);
      }
    }
    this.#step({ kind: "computed", piece, computeMs });
  }

  close(error: MeshError): void {
    this.#epoch = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#step({ kind: "close", error });
  }

  #tick(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      this.#step({ kind: "tick" });
      const { running, waiting } = this.#machine.counts;
      if (this.#epoch === undefined && running + waiting > 0) this.#tick();
    }, TICK_MS);
  }

  #step(event: SessionEvent): void {
    const effects = this.#machine.step(event, this.#options.clock.monotonicMs());
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: SessionEffect): void {
    if (effect.kind === "failed") {
      this.#options.onFailed(effect.id, effect.error);
      return;
    }
    if (effect.kind === "event") {
      this.#count(effect.event);
      this.#options.onEvent(effect.id, effect.event);
      return;
    }
    const { step } = effect;
    const epoch = this.#epoch;
    if (step.action === "compute" && this.#isAlone) {
      this.#options.yieldThen(() => {
        if (epoch === this.#epoch) epoch?.perform(step);
      });
      return;
    }
    epoch?.perform(step);
  }

  #count(event: GenerationEvent): void {
    if (event.kind === "text") this.#counts.tokensGenerated += event.tokens.length;
    if (event.kind === "started") this.#counts.promptTokens += event.promptTokens;
  }
}

/** How often requests that wait for a plan are looked at. */
const TICK_MS = 1_000;

export function meshErrorOf(error: unknown): MeshError {
  return isMeshError(error) ? error : new MeshError("MESH_ENGINE_FAILED", { cause: error });
}
