/**
 * The leader's requests: who computes next, what the members are told, what the asker hears. A pure
 * machine: `step(event, nowMs)` changes it and answers with effects in the order in which they are
 * to be performed. One step of the ring is under way at a time.
 *
 *     down --ready--> free --(somebody has rows to compute)--> busy --computed--> free
 *     free, busy --lost--> down
 *
 * A request waits for a slot (a sequence in every member's cache), runs, and is gone. Those that
 * run take turns: one chunk of their prompt, or one token. In `down`, requests keep their token
 * logs; after `ready` their slots are opened anew and the logs are computed again, in chunks as a
 * prompt is, which is the whole of failover here.
 *
 * Invariants: at most `sequencesMax` requests hold slots, each slot one; a slot is closed only
 * when no step is under way; tokens are told in the order of the log and never twice; a request
 * whose events are not taken does not run. A request ends with exactly one `done` or `failed`,
 * or with neither when it was cancelled. Errors: `MESH_LIMIT`, `MESH_CONTEXT_TOO_LONG`,
 * `MESH_RING_BROKEN` when no plan came in time.
 */
import { MeshError } from "@hearthmesh/core";
import type { AnswerPiece } from "./answer.js";
import type { FinishReason, GenerationEvent } from "./generation.js";
import { EVENTS_UNTAKEN_MAX, REPLAN_MS_MAX, REQUESTS_WAITING_MAX } from "./limits.js";
import { type NewRequest, SessionRequest } from "./session-request.js";
import { type RingStep, WANT_NOTHING } from "./step-codec.js";

export type SessionEvent =
  | { readonly kind: "request"; readonly request: NewRequest }
  | { readonly kind: "cancel"; readonly id: number }
  /** The asker took so many events. */
  | { readonly kind: "taken"; readonly id: number; readonly events: number }
  /** All members are joined; also when a plan replaced one that was not lost. */
  | ({ readonly kind: "ready" } & SessionRoom)
  /** `lostNode`: name of the member; undefined when a new plan came without a loss. */
  | { readonly kind: "lost"; readonly epoch: number; readonly lostNode: string | undefined }
  /** The step that was asked for; a piece when it wanted logits, an error ends the request. */
  | {
      readonly kind: "computed";
      readonly piece: AnswerPiece | MeshError | undefined;
      readonly computeMs: number;
    }
  /** Time has passed. */
  | { readonly kind: "tick" }
  /** This member leads no more, or ends. */
  | { readonly kind: "close"; readonly error: MeshError };

export type SessionEffect =
  | { readonly kind: "step"; readonly step: SessionStep }
  | { readonly kind: "event"; readonly id: number; readonly event: GenerationEvent }
  | { readonly kind: "failed"; readonly id: number; readonly error: MeshError };

/** The way of exchange is chosen by who performs it. */
export type SessionStep =
  | Exclude<RingStep, { action: "compute" }>
  | {
      readonly action: "compute";
      readonly id: number;
      readonly slot: number;
      readonly position: number;
      readonly wanted: number;
      readonly tokens: Int32Array;
    };

/** What the members of a plan have room for. */
export interface SessionRoom {
  readonly contextTokens: number;
  readonly sequencesMax: number;
  readonly rowsMax: number;
}

interface Busy {
  readonly request: SessionRequest;
  readonly rows: number;
  readonly beganAtMs: number;
}

export class SessionMachine {
  /** All that are open; those with slots take turns in this order. */
  #requests: SessionRequest[] = [];
  #turn = 0;
  #state: "down" | "free" | "busy" = "down";
  #busy: Busy | undefined;
  #room: SessionRoom = { contextTokens: 0, sequencesMax: 0, rowsMax: 0 };
  #downSinceMs: number | undefined;
  #effects: SessionEffect[] = [];

  /** For statistics: requests with and without a slot. */
  get counts(): { running: number; waiting: number } {
    const running = this.#requests.filter(({ slot }) => slot !== undefined).length;
    return { running, waiting: this.#requests.length - running };
  }

  /** The request whose step is under way. */
  get current(): SessionRequest | undefined {
    return this.#busy?.request;
  }

  step(event: SessionEvent, nowMs: number): readonly SessionEffect[] {
    this.#effects = [];
    this.#apply(event, nowMs);
    if (this.#state === "free") this.#schedule(nowMs);
    return this.#effects;
  }

  #apply(event: SessionEvent, nowMs: number): void {
    switch (event.kind) {
      case "request":
        this.#add(event.request, nowMs);
        break;
      case "cancel":
        this.#cancel(event.id);
        break;
      case "taken": {
        const request = this.#find(event.id);
        if (request !== undefined) request.untaken = Math.max(0, request.untaken - event.events);
        break;
      }
      case "ready":
        this.#ready(event, nowMs);
        break;
      case "lost":
        this.#lost(event, nowMs);
        break;
      case "computed":
        this.#computed(event, nowMs);
        break;
      case "tick":
        this.#tick(nowMs);
        break;
      case "close":
        this.#state = "down";
        for (const request of [...this.#requests]) this.#fail(request, event.error);
    }
  }

  #find(id: number): SessionRequest | undefined {
    return this.#requests.find((request) => request.id === id);
  }

  #add(request: NewRequest, nowMs: number): void {
    const { id } = request;
    if (this.counts.waiting >= REQUESTS_WAITING_MAX) {
      const message = `${REQUESTS_WAITING_MAX} requests wait for this model already`;
      const error = new MeshError("MESH_LIMIT", { message });
      this.#effects.push({ kind: "failed", id, error });
      return;
    }
    this.#requests.push(new SessionRequest(request, nowMs));
    this.#tell(id, { kind: "started", promptTokens: request.promptTokens.length });
  }

  #cancel(id: number): void {
    const request = this.#find(id);
    if (request === undefined) return;
    if (this.#busy?.request === request) request.isCancelled = true;
    else this.#remove(request);
  }

  #ready({ contextTokens, sequencesMax, rowsMax }: SessionRoom, nowMs: number): void {
    this.#state = "free";
    this.#busy = undefined;
    this.#downSinceMs = undefined;
    this.#room = { contextTokens, sequencesMax, rowsMax };
    for (const request of [...this.#requests]) {
      request.onLost(nowMs);
      if (request.slot !== undefined && request.slot >= sequencesMax) request.slot = undefined;
      if (request.slot === undefined) continue;
      this.#effects.push({ kind: "step", step: { action: "open", slot: request.slot } });
    }
  }

  #lost({ lostNode, epoch }: { lostNode: string | undefined; epoch: number }, nowMs: number): void {
    if (this.#state === "down") return;
    const busy = this.#busy;
    this.#state = "down";
    this.#busy = undefined;
    this.#downSinceMs = nowMs;
    for (const request of [...this.#requests]) {
      // The step that was never done is part of the pause.
      const sinceMs = request === busy?.request ? busy.beganAtMs : nowMs;
      if (request.isCancelled) this.#remove(request);
      else if (request.onLost(sinceMs) && lostNode !== undefined) {
        this.#tell(request.id, { kind: "paused", lostNode, epoch });
      }
    }
  }

  #tick(nowMs: number): void {
    if (this.#downSinceMs === undefined || nowMs - this.#downSinceMs < REPLAN_MS_MAX) return;
    this.#downSinceMs = undefined;
    const error = new MeshError("MESH_RING_BROKEN");
    for (const request of [...this.#requests]) this.#fail(request, error);
  }

  #computed(event: SessionEvent & { kind: "computed" }, nowMs: number): void {
    const busy = this.#busy;
    if (this.#state !== "busy" || busy === undefined) return;
    const { request, rows, beganAtMs } = busy;
    this.#state = "free";
    this.#busy = undefined;
    request.onComputed(rows, { durationMs: nowMs - beganAtMs, computeMs: event.computeMs });
    if (request.isCancelled) this.#remove(request);
    else if (event.piece instanceof MeshError) this.#fail(request, event.piece);
    else if (event.piece !== undefined) this.#onPiece(request, event.piece, nowMs);
  }

  #onPiece(request: SessionRequest, piece: AnswerPiece, nowMs: number): void {
    request.onToken(nowMs);
    const tokens = piece.isEndToken ? [] : [piece.token];
    request.log.push(...tokens);
    const isFull =
      request.completionTokens >= request.maxTokens ||
      request.log.length >= this.#room.contextTokens;
    const rest = isFull && !piece.ended ? request.answer.end() : "";
    this.#tell(request.id, { kind: "text", text: piece.text + rest, tokens });
    if (piece.ended || isFull) this.#done(request, piece.ended ? "stop" : "length");
  }

  #done(request: SessionRequest, finishReason: FinishReason): void {
    const { promptTokens, completionTokens, timings } = request;
    const event = { kind: "done", finishReason, promptTokens, completionTokens, timings } as const;
    this.#tell(request.id, event);
    this.#remove(request);
  }

  #fail(request: SessionRequest, error: MeshError): void {
    this.#effects.push({ kind: "failed", id: request.id, error });
    this.#remove(request);
  }

  #remove(request: SessionRequest): void {
    const at = this.#requests.indexOf(request);
    this.#requests.splice(at, 1);
    if (at < this.#turn) this.#turn--;
    if (request.slot === undefined || this.#state === "down") return;
    this.#effects.push({ kind: "step", step: { action: "close", slot: request.slot } });
  }

  #tell(id: number, event: GenerationEvent): void {
    const request = this.#find(id);
    if (request !== undefined) request.untaken++;
    this.#effects.push({ kind: "event", id, event });
  }

  #schedule(nowMs: number): void {
    this.#giveSlots();
    const request = this.#nextInTurn();
    if (request?.slot === undefined) return;
    const { slot, log, computed: position, answer } = request;
    const end = Math.min(log.length, position + this.#room.rowsMax);
    const tokens = Int32Array.from(log.slice(position, end));
    const wanted = end === log.length ? answer.wanted : WANT_NOTHING;
    this.#state = "busy";
    this.#busy = { request, rows: tokens.length, beganAtMs: nowMs };
    const action = "compute" as const;
    const step = { action, id: request.id, slot, position, wanted, tokens };
    this.#effects.push({ kind: "step", step });
  }

  #giveSlots(): void {
    for (const request of [...this.#requests]) {
      if (request.log.length >= this.#room.contextTokens) {
        this.#tooLong(request);
        continue;
      }
      if (request.slot !== undefined) continue;
      const taken = new Set(this.#requests.map(({ slot }) => slot));
      const slot = Array.from({ length: this.#room.sequencesMax }, (_, at) => at).find(
        (at) => !taken.has(at),
      );
      if (slot === undefined) continue;
      request.slot = slot;
      this.#effects.push({ kind: "step", step: { action: "open", slot } });
    }
  }

  /** A prompt for which there is no room, or an answer after a plan with a smaller context. */
  #tooLong(request: SessionRequest): void {
    if (request.completionTokens > 0) {
      this.#done(request, "length");
      return;
    }
    const { promptTokens } = request;
    const message =
      `the prompt has ${promptTokens} tokens; ` +
      `with one for the answer, ${this.#room.contextTokens} are the most`;
    const details = { promptTokens, contextTokens: this.#room.contextTokens };
    this.#fail(request, new MeshError("MESH_CONTEXT_TOO_LONG", { message, details }));
  }

  #nextInTurn(): SessionRequest | undefined {
    const count = this.#requests.length;
    for (let step = 0; step < count; step++) {
      const at = (this.#turn + step) % count;
      const request = this.#requests[at];
      const mayRun = request?.slot !== undefined && request.untaken < EVENTS_UNTAKEN_MAX;
      if (!mayRun) continue;
      this.#turn = at + 1;
      return request;
    }
    return undefined;
  }
}
