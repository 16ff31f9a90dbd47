/**
 * Notices a silent peer. While frames arrive nothing is sent for this; after `pingIntervalMs` of
 * silence a PING goes out, again each interval, and after `deadAfterMs` the peer counts as dead.
 * The round trip is smoothed as in RFC 6298 (7/8 old, 1/8 new) and measured again at least every
 * few intervals.
 *
 * When the own timer fires late, this process was stalled and what the peer sent may still lie
 * unread: the lost time is taken off the silence, so that a stall here is not taken for a death
 * there.
 *
 * While this side does not read on purpose (a rate limit), `suspend` keeps it from judging: PINGs
 * go on, so that the peer hears something, and silence counts again from `resume`.
 */
import type { LinkClock } from "./link.js";

export interface LivenessOptions {
  clock: LinkClock;
  pingIntervalMs: number;
  deadAfterMs: number;
  /** 8 bytes that the PONG will hold. */
  sendPing(payload: Uint8Array): void;
  onDead(silentMs: number): void;
}

const ROUND_TRIP_AGE_INTERVALS_MAX = 5;
const PING_BYTES = 8;

export class Liveness {
  readonly #options: LivenessOptions;
  #heardMs: number;
  #sampledMs = Number.NEGATIVE_INFINITY;
  #pingNumber = 0;
  #pingSentMs: number | undefined;
  #timer: { cancel(): void } | undefined;
  #dueMs = 0;
  #suspended = false;
  roundTripMs: number | undefined;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#heardMs = options.clock.monotonicMs();
  }

  start(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#heardMs = nowMs;
    this.#ping(nowMs);
    this.#schedule(nowMs, this.#options.pingIntervalMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Bytes of the peer arrived. */
  heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs();
  }

  suspend(): void {
    this.#suspended = true;
    // A PONG that waits unread would be taken for a long round trip.
    this.#pingSentMs = undefined;
  }

  resume(): void {
    this.#suspended = false;
    this.heard();
  }

  onPong(payload: Uint8Array): void {
    const sentMs = this.#pingSentMs;
    if (sentMs === undefined || payload.length !== PING_BYTES) return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    if (view.getUint32(4) !== this.#pingNumber) return;
    const nowMs = this.#options.clock.monotonicMs();
    const sampleMs = nowMs - sentMs;
    this.#pingSentMs = undefined;
    this.#sampledMs = nowMs;
    const old = this.roundTripMs;
    this.roundTripMs = old === undefined ? sampleMs : old + (sampleMs - old) / 8;
  }

  #ping(nowMs: number): void {
    this.#pingNumber = (this.#pingNumber + 1) >>> 0;
    this.#pingSentMs = nowMs;
    const payload = new Uint8Array(PING_BYTES);
    new DataView(payload.buffer).setUint32(4, this.#pingNumber);
    this.#options.sendPing(payload);
  }

  #schedule(nowMs: number, delayMs: number): void {
    this.#dueMs = nowMs + delayMs;
    this.#timer = this.#options.clock.setTimeout(() => this.#wake(), Math.max(1, delayMs));
  }

  #wake(): void {
    const { clock, pingIntervalMs, deadAfterMs } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#suspended) {
      this.#ping(nowMs);
      this.#pingSentMs = undefined;
      this.#schedule(nowMs, pingIntervalMs);
      return;
    }
    const lateMs = nowMs - this.#dueMs;
    if (lateMs > pingIntervalMs / 2) this.#heardMs = Math.min(nowMs, this.#heardMs + lateMs);
    const silentMs = nowMs - this.#heardMs;
    if (silentMs >= deadAfterMs) {
      this.#timer = undefined;
      this.#options.onDead(silentMs);
      return;
    }
    const roundTripIsOld = nowMs - this.#sampledMs >= ROUND_TRIP_AGE_INTERVALS_MAX * pingIntervalMs;
    if (silentMs >= pingIntervalMs || roundTripIsOld) this.#ping(nowMs);
    const untilPingMs = silentMs >= pingIntervalMs ? pingIntervalMs : pingIntervalMs - silentMs;
    this.#schedule(nowMs, Math.min(untilPingMs, deadAfterMs - silentMs));
  }
}
