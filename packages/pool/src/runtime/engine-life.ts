/**
 * The life of the process of one engine, without I/O: `lives(life, event, nowMs)` answers what is
 * known of it after the event. The process is started, and started again, by the ring that it
 * belongs to (`ring-machine.ts`); here is only told how it is.
 *
 *     starting --joined--> running --unanswered--> silent --answered--> running
 *         ^        |
 *         |        +-----> proving --token--> running      after an end: joined is not enough
 *       started
 *         |
 *        down <--ended-- any        given-up <--gave-up-- any that does not run
 *
 * Events: `started`, `joined`, `token` (it has generated one), `unanswered` (for too long),
 * `answered`, `ended` (how), `gave-up` (its ring will not start it again by itself).
 *
 * Invariants, which the tests check over any order of events:
 * - after an end it runs only when it has joined and, where it can be asked, given a token;
 * - an end is never forgotten: how, and how many there were;
 * - an event that does not belong to the state changes nothing.
 */
import { ENGINE_CRASH_MS, ENGINE_CRASHES_FAILING } from "./limits.js";

export interface EngineLife {
  readonly kind: "starting" | "proving" | "running" | "silent" | "down" | "given-up";
  /** When this state began; milliseconds of a monotonic clock. */
  readonly sinceMs: number;
  /** When its process was started last. */
  readonly startedMs: number;
  readonly processId: number | undefined;
  readonly ends: number;
  /** Ends in a row that came soon after a start. */
  readonly crashes: number;
  readonly lastEnd: EngineEnd | undefined;
  /** Why it was given up. */
  readonly reason: string | undefined;
}

interface EngineEnd {
  /** "the worker ended with SIGKILL". */
  readonly how: string;
  readonly atMs: number;
  readonly ranMs: number;
  /** From the end until it served again; undefined before that. */
  readonly backAfterMs: number | undefined;
}

export type EngineEvent =
  | { readonly kind: "started"; readonly processId: number | undefined }
  /** `canProve`: a token can be asked for, which only the leader of a ring can. */
  | { readonly kind: "joined"; readonly canProve: boolean }
  | { readonly kind: "token" }
  | { readonly kind: "unanswered" }
  | { readonly kind: "answered" }
  | { readonly kind: "ended"; readonly how: string }
  | { readonly kind: "gave-up"; readonly reason: string };

export function newLife(processId: number | undefined, nowMs: number): EngineLife {
  return {
    ...{ kind: "starting", sinceMs: nowMs, startedMs: nowMs, processId },
    ...{ ends: 0, crashes: 0, lastEnd: undefined, reason: undefined },
  };
}

export function lives(life: EngineLife, event: EngineEvent, nowMs: number): EngineLife {
  const { kind } = life;
  switch (event.kind) {
    case "started":
      return kind === "down" || kind === "given-up" || kind === "starting"
        ? { ...at(life, "starting", nowMs), startedMs: nowMs, processId: event.processId }
        : life;
    case "joined":
      if (kind !== "starting") return life;
      if (life.lastEnd !== undefined && event.canProve) return at(life, "proving", nowMs);
      return serving(life, nowMs);
    case "token":
      return kind === "proving" ? serving(life, nowMs) : life;
    case "unanswered":
      return kind === "running" || kind === "proving" ? at(life, "silent", nowMs) : life;
    case "answered":
      return kind === "silent" ? at(life, "running", nowMs) : life;
    case "ended":
      return kind === "down" || kind === "given-up" ? life : ended(life, event.how, nowMs);
    case "gave-up":
      if (kind === "running" || kind === "silent") return life;
      return { ...at(life, "given-up", nowMs), processId: undefined, reason: event.reason };
  }
}

/**
 * As a sentence, the same until something happens: how it ended last, and how it is. `now` says
 * the latter of one that is no longer looked at.
 */
export function describeLife(life: EngineLife, now?: string): string {
  const { kind, lastEnd, ends, reason } = life;
  const state = now ?? STATES[kind](life);
  const present = reason === undefined ? state : `${state}: ${reason}`;
  if (lastEnd === undefined) return present;
  const times = ends === 1 ? "" : ` (its end ${ends})`;
  const back = lastEnd.backAfterMs;
  const away = back === undefined ? "" : ` and served again ${seconds(back)} later`;
  return `${lastEnd.how} after ${seconds(lastEnd.ranMs)}${times}${away}; ${present}`;
}

/** Whether it ends so often that to start it once more is no remedy. */
export function isFailing({ kind, crashes }: EngineLife): boolean {
  return kind === "given-up" || (kind === "down" && crashes >= ENGINE_CRASHES_FAILING);
}

const STATES: Record<EngineLife["kind"], (life: EngineLife) => string> = {
  starting: ({ processId }) => `process ${processId ?? "?"} loads its part of the model`,
  proving: ({ processId }) => `process ${processId ?? "?"} has loaded, no token came yet`,
  running: ({ processId, lastEnd }) =>
    `process ${processId ?? "?"} serves${lastEnd === undefined ? "" : ", which it has proved"}`,
  silent: ({ processId }) => `process ${processId ?? "?"} lives and answers nothing`,
  down: () => "no process",
  "given-up": () => "it was not started again",
};

function at(life: EngineLife, kind: EngineLife["kind"], sinceMs: number): EngineLife {
  return { ...life, kind, sinceMs, reason: undefined };
}

function serving(life: EngineLife, nowMs: number): EngineLife {
  const { lastEnd } = life;
  const isBack = lastEnd !== undefined && lastEnd.backAfterMs === undefined;
  const back = isBack ? { ...lastEnd, backAfterMs: nowMs - lastEnd.atMs } : lastEnd;
  return { ...at(life, "running", nowMs), lastEnd: back };
}

function ended(life: EngineLife, how: string, nowMs: number): EngineLife {
  const ranMs = nowMs - life.startedMs;
  const crashes = ranMs < ENGINE_CRASH_MS ? life.crashes + 1 : 1;
  return {
    ...{ ...at(life, "down", nowMs), processId: undefined, ends: life.ends + 1, crashes },
    lastEnd: { how, atMs: nowMs, ranMs, backAfterMs: undefined },
  };
}

function seconds(durationMs: number): string {
  return durationMs < 10_000
    ? `${(durationMs / 1000).toFixed(1)} s`
    : `${Math.round(durationMs / 1000)} s`;
}
