/** What every part of the daemon is handed: time, chance and the log. */
import type { Clock, Logger, Random } from "@hearthmesh/core";

export interface Tools {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}
