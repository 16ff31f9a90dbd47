/**
 * When a client dials which endpoint: a pure machine. `stepReconnect(config, state, event, at)`
 * answers the next state and what is to be done; `client.ts` performs it.
 *
 * States: idle; dialing (an attempt goes through the endpoints in their order); waiting (between
 * two attempts); connected (on a later endpoint it probes the earlier ones from time to time, which
 * is fail-back); ended (final).
 *
 * The wait before attempt n is drawn evenly from [floor, initial * multiplier^(n-1)], at most
 * `maxDelayMs`: full jitter, so that clients of a restarted server do not come back in step (M.
 * Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015). The count of attempts
 * begins again only after a connection that lasted `stableAfterMs`.
 *
 * Invariants: at most one dial is under way, and it has the number in the state; answers to any
 * other number change nothing. Every way out of `connected` that is not asked for leads to
 * `waiting` or to `ended`. `ended` is reached once, with one `ended` effect.
 *
 * Error contract: errors are carried, never thrown. `ended.error` is undefined when the end was
 * asked for, or when the peer ended in order and `enabled` is false.
 */
import { QWormholeError } from "../errors.js";

export interface ReconnectConfig {
  readonly endpointCount: number;
  /** False: a lost connection is the end. */
  readonly enabled: boolean;
  /** True: also the first connection is tried again; otherwise one attempt must do. */
  readonly retryFirst: boolean;
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  readonly multiplier: number;
  /** Attempts in a row after which it ends; 0 never ends. */
  readonly maxAttempts: number;
  readonly stableAfterMs: number;
  /** Time between probes of the endpoints before the present one; 0 for none. */
  readonly failBackMs: number;
}

interface Dialing {
  readonly dial: number;
  readonly endpoint: number;
  /** Attempts that failed in a row. */
  readonly attempt: number;
  /** No connection was there yet. */
  readonly isFirst: boolean;
  /** Every endpoint of this round refused for good. */
  readonly allPermanent: boolean;
}

interface Connected {
  readonly endpoint: number;
  readonly sinceMs: number;
  readonly attempt: number;
  /** The dial of a fail-back that is under way, and its endpoint. */
  readonly probe: { readonly dial: number; readonly endpoint: number } | undefined;
  readonly lastDial: number;
}

export type ReconnectState =
  | { readonly phase: "idle" }
  | ({ readonly phase: "dialing" } & Dialing)
  | {
      readonly phase: "waiting";
      readonly attempt: number;
      readonly isFirst: boolean;
      readonly lastDial: number;
    }
  | ({ readonly phase: "connected" } & Connected)
  | { readonly phase: "ended" };

export type ReconnectEvent =
  | { readonly type: "connect" }
  | { readonly type: "dialed"; readonly dial: number }
  | {
      readonly type: "failed";
      readonly dial: number;
      readonly error: Error;
      /** Trying again cannot help, such as with options that are wrong. */
      readonly permanent: boolean;
    }
  | { readonly type: "lost"; readonly error: Error | undefined }
  | { readonly type: "timer" }
  | { readonly type: "stop" };

export type ReconnectEffect =
  | { readonly type: "dial"; readonly dial: number; readonly endpoint: number }
  /** Replaces the timer that was set before. */
  | { readonly type: "timer"; readonly delayMs: number }
  | { readonly type: "connected"; readonly endpoint: number }
  /** The dial of a fail-back has succeeded: its link takes the place of the present one. */
  | { readonly type: "switched"; readonly endpoint: number }
  | {
      readonly type: "reconnecting";
      readonly attempt: number;
      readonly delayMs: number;
      readonly error: Error | undefined;
    }
  | { readonly type: "ended"; readonly error: Error | undefined };

export interface ReconnectStep {
  readonly state: ReconnectState;
  readonly effects: readonly ReconnectEffect[];
}

/** The monotonic time, and a random number in [0, 1). */
export interface ReconnectMoment {
  readonly nowMs: number;
  readonly chance: number;
}

const DELAY_FLOOR_MS = 100;

export function stepReconnect(
  config: ReconnectConfig,
  state: ReconnectState,
  event: ReconnectEvent,
  at: ReconnectMoment,
): ReconnectStep {
  if (state.phase === "ended") return { state, effects: [] };
  if (event.type === "stop") return ended(undefined);
  switch (state.phase) {
    case "idle":
      return event.type === "connect" ? beginRound(1, 0, true) : { state, effects: [] };
    case "dialing":
      return whileDialing(config, state, event, at);
    case "waiting":
      return event.type === "timer"
        ? beginRound(state.lastDial + 1, state.attempt, state.isFirst)
        : { state, effects: [] };
    case "connected":
      return whileConnected(config, state, event, at);
  }
}

/** The wait before attempt `attempt`, which counts from 1. */
export function reconnectDelayMs(
  config: Pick<ReconnectConfig, "initialDelayMs" | "maxDelayMs" | "multiplier">,
  attempt: number,
  chance: number,
): number {
  const { initialDelayMs, maxDelayMs, multiplier } = config;
  const ceilingMs = Math.min(maxDelayMs, initialDelayMs * multiplier ** (attempt - 1));
  const floorMs = Math.min(DELAY_FLOOR_MS, ceilingMs);
  return Math.round(floorMs + chance * (ceilingMs - floorMs));
}

function ended(error: Error | undefined): ReconnectStep {
  return { state: { phase: "ended" }, effects: [{ type: "ended", error }] };
}

function beginRound(dial: number, attempt: number, isFirst: boolean): ReconnectStep {
  return dialStep({ dial, endpoint: 0, attempt, isFirst, allPermanent: true });
}

function dialStep(dialing: Dialing): ReconnectStep {
  const { dial, endpoint } = dialing;
  return {
    state: { phase: "dialing", ...dialing },
    effects: [{ type: "dial", dial, endpoint }],
  };
}

function whileDialing(
  config: ReconnectConfig,
  state: Extract<ReconnectState, { phase: "dialing" }>,
  event: ReconnectEvent,
  at: ReconnectMoment,
): ReconnectStep {
  if ((event.type !== "dialed" && event.type !== "failed") || event.dial !== state.dial) {
    return { state, effects: [] };
  }
  const { dial, endpoint, attempt, isFirst } = state;
  if (event.type === "dialed") {
    const connected = { endpoint, sinceMs: at.nowMs, attempt, probe: undefined, lastDial: dial };
    return {
      state: { phase: "connected", ...connected },
      effects: [{ type: "connected", endpoint }, ...probeTimer(config, endpoint)],
    };
  }
  const allPermanent = state.allPermanent && event.permanent;
  if (endpoint + 1 < config.endpointCount) {
    return dialStep({ dial: dial + 1, endpoint: endpoint + 1, attempt, isFirst, allPermanent });
  }
  if (isFirst && (allPermanent || !config.retryFirst)) return ended(event.error);
  return wait(config, { attempt: attempt + 1, isFirst, lastDial: dial }, event.error, at);
}

function whileConnected(
  config: ReconnectConfig,
  state: Extract<ReconnectState, { phase: "connected" }>,
  event: ReconnectEvent,
  at: ReconnectMoment,
): ReconnectStep {
  if (event.type === "lost") {
    if (!config.enabled) return ended(event.error);
    const isStable = at.nowMs - state.sinceMs >= config.stableAfterMs;
    const attempt = (isStable ? 0 : state.attempt) + 1;
    return wait(config, { attempt, isFirst: false, lastDial: state.lastDial }, event.error, at);
  }
  if (event.type === "timer") {
    return state.endpoint > 0 && state.probe === undefined
      ? probe(state, 0)
      : { state, effects: [] };
  }
  if (event.type !== "dialed" && event.type !== "failed") return { state, effects: [] };
  if (state.probe === undefined || event.dial !== state.probe.dial) return { state, effects: [] };
  const { endpoint } = state.probe;
  if (event.type === "dialed") {
    return {
      state: { ...state, endpoint, sinceMs: at.nowMs, attempt: 0, probe: undefined },
      effects: [{ type: "switched", endpoint }, ...probeTimer(config, endpoint)],
    };
  }
  if (endpoint + 1 < state.endpoint) return probe(state, endpoint + 1);
  return {
    state: { ...state, probe: undefined },
    effects: probeTimer(config, state.endpoint),
  };
}

function probe(
  state: Extract<ReconnectState, { phase: "connected" }>,
  endpoint: number,
): ReconnectStep {
  const dial = state.lastDial + 1;
  return {
    state: { ...state, lastDial: dial, probe: { dial, endpoint } },
    effects: [{ type: "dial", dial, endpoint }],
  };
}

function probeTimer(config: ReconnectConfig, endpoint: number): ReconnectEffect[] {
  if (endpoint === 0 || config.failBackMs === 0) return [];
  return [{ type: "timer", delayMs: config.failBackMs }];
}

function wait(
  config: ReconnectConfig,
  next: { attempt: number; isFirst: boolean; lastDial: number },
  error: Error | undefined,
  at: ReconnectMoment,
): ReconnectStep {
  const { attempt } = next;
  if (config.maxAttempts > 0 && attempt > config.maxAttempts) {
    const message = `the peer was not reached in ${config.maxAttempts} attempts`;
    return ended(new QWormholeError("QW_RECONNECT_GIVEN_UP", { message, cause: error }));
  }
  const delayMs = reconnectDelayMs(config, attempt, at.chance);
  return {
    state: { phase: "waiting", ...next },
    effects: [
      { type: "reconnecting", attempt, delayMs, error },
      { type: "timer", delayMs },
    ],
  };
}
