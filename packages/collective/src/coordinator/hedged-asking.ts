/**
 * Asks several who can all give the answer: the first alone; the next one when it fails, or when it
 * is late; the first good answer counts (Dean and Barroso, "The Tail at Scale", Communications of
 * the ACM 56, 2013). So some that hang cost a short delay each, and not the answer.
 *
 * Invariants: at most `ASKED_AT_ONCE_MAX` are waited for at a time; none for longer than
 * `ASKED_MS_MAX`; the whole ends within `ASKING_MS_MAX`. Who is still asked when the answer comes
 * may end in its own time, and what comes of it is told to `onOverdue`.
 */
import { type Clock, MeshError } from "@hearthmesh/core";
import { withTimeout } from "../client/waiting.js";

/** After this without an answer, the next one is asked too. */
export const LATE_AFTER_MS = 400;
export const ASKED_AT_ONCE_MAX = 3;
export const ASKED_MS_MAX = 1_250;
/** Shorter than what a step of the canary may take, so that its reason names who was asked. */
export const ASKING_MS_MAX = 2_500;

export interface Asked {
  readonly name: string;
  ask(signal: AbortSignal): Promise<void>;
}

export interface AskFailure {
  readonly name: string;
  readonly error: unknown;
}

export interface HedgedAnswer {
  /** Who answered. */
  readonly name: string;
  readonly failed: readonly AskFailure[];
  /** Who has not answered in `LATE_AFTER_MS`, nor failed. */
  readonly late: readonly string[];
}

export interface HedgedOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** One that was late failed in the end; the answer had been given by then. */
  onOverdue(name: string, error: unknown): void;
}

interface Ending {
  readonly asked: Asked;
  readonly error?: unknown;
  readonly isWell: boolean;
}

interface UnderWay {
  readonly beganMs: number;
  readonly ending: Promise<Ending>;
}

/**
 * In the order given. Undefined when there is nobody to ask. Rejects with what the last one said
 * when all fail, with `MESH_TIMEOUT` when the time is over, with the signal's reason.
 */
export async function askHedged(
  all: readonly Asked[],
  { clock, signal, onOverdue }: HedgedOptions,
): Promise<HedgedAnswer | undefined> {
  const waiting = [...all];
  const underWay = new Map<Asked, UnderWay>();
  const failed: AskFailure[] = [];
  const endMs = clock.monotonicMs() + ASKING_MS_MAX;
  let isAnswered = false;
  const askNext = () => {
    const next = underWay.size < ASKED_AT_ONCE_MAX ? waiting.shift() : undefined;
    if (next === undefined) return;
    const ending = withTimeout(clock, ASKED_MS_MAX, signal, (inner) => next.ask(inner)).then(
      (): Ending => ({ asked: next, isWell: true }),
      (error: unknown): Ending => {
        if (isAnswered) onOverdue(next.name, error);
        return { asked: next, error, isWell: false };
      },
    );
    underWay.set(next, { ending, beganMs: clock.monotonicMs() });
  };
  for (askNext(); underWay.size > 0; ) {
    const leftMs = endMs - clock.monotonicMs();
    if (leftMs <= 0) throw tooLate(underWay, failed);
    const ended = await firstOf(underWay, clock, Math.min(LATE_AFTER_MS, leftMs));
    signal.throwIfAborted();
    if (ended === undefined) {
      askNext();
      continue;
    }
    const { name } = ended.asked;
    underWay.delete(ended.asked);
    if (ended.isWell) {
      isAnswered = true;
      const isLate = ([, { beganMs }]: [Asked, UnderWay]) =>
        clock.monotonicMs() - beganMs >= LATE_AFTER_MS;
      return { name, failed, late: [...underWay].filter(isLate).map(([asked]) => asked.name) };
    }
    failed.push({ name, error: ended.error });
    askNext();
  }
  if (failed.length === 0) return undefined;
  throw failed.at(-1)?.error;
}

/** Undefined when none has ended within that time. */
async function firstOf(
  underWay: ReadonlyMap<Asked, UnderWay>,
  clock: Clock,
  waitMs: number,
): Promise<Ending | undefined> {
  let cancel: () => void = () => undefined;
  const late = new Promise<undefined>((resolve) => {
    const timer = clock.setTimeout(() => resolve(undefined), waitMs);
    cancel = () => timer.cancel();
  });
  try {
    return await Promise.race([...[...underWay.values()].map(({ ending }) => ending), late]);
  } finally {
    cancel();
  }
}

function tooLate(hanging: ReadonlyMap<Asked, UnderWay>, failed: readonly AskFailure[]): MeshError {
  const names = [...failed, ...hanging.keys()].map(({ name }) => name).join(", ");
  return new MeshError("MESH_TIMEOUT", {
    message: `none of those that were asked within ${ASKING_MS_MAX} ms answered: ${names}`,
  });
}
