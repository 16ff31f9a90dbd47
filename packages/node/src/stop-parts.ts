/** The end of a daemon: every part gets its time, and none can keep the process for ever. */
import { type Clock, errorFields, type Logger, type Startable } from "@hearthmesh/core";

/** Longer than any part needs: a child that ignores SIGTERM gets SIGKILL after 8 s. */
const STOP_PART_MS_MAX = 15_000;
/** After all parts have ended, so long may what they left open keep the process. */
const EXIT_MS_MAX = 5_000;

export interface StopPartsOptions {
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Stops every part in reverse, also when one fails. One that takes longer than 15 s is
 * named in the log and left, so that those below it still end in order. Then throws the first
 * failure.
 */
export async function stopParts(
  parts: readonly Startable[],
  { clock, log }: StopPartsOptions,
): Promise<void> {
  const failures: unknown[] = [];
  for (const part of [...parts].reverse()) {
    const stopping = part.stop().catch((error: unknown) => failures.push(error));
    const isLate = await Promise.race([
      stopping.then(() => false),
      new Promise<true>((resolve) => clock.setTimeout(() => resolve(true), STOP_PART_MS_MAX)),
    ]);
    if (isLate) log.error("a part of the node does not stop: it is left", { part: part.name });
  }
  if (failures.length > 0) throw failures[0];
}

/** Ends the process when something that was left open would keep it; says what that is. */
export function exitSoon({ clock, log }: StopPartsOptions): void {
  clock.setTimeout(() => {
    const reason = process.getActiveResourcesInfo().join(", ");
    log.error("the process does not end by itself: it is ended", errorFields(new Error(reason)));
    process.exit();
  }, EXIT_MS_MAX);
}
