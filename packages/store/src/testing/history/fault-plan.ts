/** Which fault comes when: from a seed, so that the same recording can be asked for again. */
import { type Random, randomInteger } from "@hearthmesh/core";

export const FAULTS = ["kill", "pause", "partition", "disk", "clock"] as const;
export type FaultName = (typeof FAULTS)[number];

export interface PlannedFault {
  readonly name: FaultName;
  /** From the start of the recording. */
  readonly atMs: number;
  readonly durationMs: number;
}

/** Quiet time at the start, and between two faults. */
const QUIET_MS = [700, 1800] as const;
const DURATION_MS = [600, 2600] as const;

/** One after the other, each kind about as often; the last one ends within the time. */
export function faultPlan(
  names: readonly FaultName[],
  recordingMs: number,
  random: Random,
): PlannedFault[] {
  const between = ([least, most]: readonly [number, number]) =>
    least + randomInteger(random, most - least);
  const plan: PlannedFault[] = [];
  let round: FaultName[] = [];
  for (let atMs = between(QUIET_MS); names.length > 0; ) {
    if (round.length === 0) round = [...names];
    const durationMs = between(DURATION_MS);
    if (atMs + durationMs > recordingMs) break;
    const [name] = round.splice(randomInteger(random, round.length), 1);
    if (name !== undefined) plan.push({ name, atMs, durationMs });
    atMs += durationMs + between(QUIET_MS);
  }
  return plan;
}
