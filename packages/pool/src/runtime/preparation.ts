/**
 * How long a leader waits for a member that prepares its part of a model. That may take hours, so
 * no time is too long by itself: the member is asked how far it is (`ai.progress`). One that does
 * not answer is given up soon, and so is one that answers and gets nowhere. What it says is not
 * believed beyond the size of the file, so a member that makes things up holds a plan no longer
 * than one that really pulls as slowly as is allowed.
 */
import { type Clock, formatBytes, MeshError, sleep } from "@hearthmesh/core";
import {
  PREPARE_LOOK_MS,
  PREPARE_SILENT_MS,
  PREPARE_STEP_BYTES,
  PREPARE_STILL_MS_MAX,
} from "./limits.js";

/** What a member says about its preparation. */
export interface PrepareProgress {
  /** Of the model's file: those that are here and right. */
  readonly pulledBytes: number;
  /** Nothing is missing: its process starts. */
  readonly isPulled: boolean;
}

/** What is known of one member; times are those of a monotonic clock. */
export interface Preparation {
  readonly heardAtMs: number;
  /** When it was last a whole step further. */
  readonly furtherAtMs: number;
  readonly countedBytes: number;
  readonly isPulled: boolean;
}

export function beginPreparation(nowMs: number): Preparation {
  return { heardAtMs: nowMs, furtherAtMs: nowMs, countedBytes: 0, isPulled: false };
}

/** After an answer, which came now. `fileBytes`: size of the model's file. */
export function heard(
  before: Preparation,
  said: PrepareProgress,
  fileBytes: number,
  nowMs: number,
): Preparation {
  const bytes = Math.min(said.pulledBytes, fileBytes);
  const isStep = bytes - before.countedBytes >= PREPARE_STEP_BYTES;
  const isDone = said.isPulled && !before.isPulled;
  if (!isStep && !isDone) return { ...before, heardAtMs: nowMs };
  return {
    ...{ heardAtMs: nowMs, furtherAtMs: nowMs },
    countedBytes: Math.max(before.countedBytes, bytes),
    isPulled: before.isPulled || said.isPulled,
  };
}

/** Why it is waited for no longer, to follow its name; undefined: it is. */
export function overdue(known: Preparation, nowMs: number): string | undefined {
  const seconds = (ms: number) => `${ms / 1000} s`;
  if (nowMs - known.heardAtMs >= PREPARE_SILENT_MS) {
    return `did not say for ${seconds(PREPARE_SILENT_MS)} how far it is with its part of the model`;
  }
  if (nowMs - known.furtherAtMs < PREPARE_STILL_MS_MAX) return undefined;
  const still = seconds(PREPARE_STILL_MS_MAX);
  const step = formatBytes(PREPARE_STEP_BYTES);
  return known.isPulled
    ? `has its part of the model, and its engine did not start within ${still}`
    : `got less than ${step} further within ${still} with its part of the model`;
}

export interface PreparationWatch {
  readonly name: string;
  readonly fileBytes: number;
  readonly clock: Clock;
  /** Undefined: it did not answer. */
  ask(signal: AbortSignal): Promise<PrepareProgress | undefined>;
}

/** Never resolves: rejects with `MESH_TIMEOUT`, or with the reason of the signal. */
export async function watchPreparation(
  { name, fileBytes, clock, ask }: PreparationWatch,
  signal: AbortSignal,
): Promise<never> {
  let known = beginPreparation(clock.monotonicMs());
  for (;;) {
    await sleep(clock, PREPARE_LOOK_MS, signal);
    const said = await ask(signal);
    signal.throwIfAborted();
    const nowMs = clock.monotonicMs();
    if (said !== undefined) known = heard(known, said, fileBytes, nowMs);
    const why = overdue(known, nowMs);
    if (why !== undefined) throw new MeshError("MESH_TIMEOUT", { message: `${name} ${why}` });
  }
}
