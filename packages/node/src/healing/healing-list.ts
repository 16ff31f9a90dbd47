/** What one area of the node gives the healer. */
import type { Monitor, Remedy } from "@hearthmesh/healing";

export interface HealingList {
  readonly monitors: readonly Monitor[];
  readonly remedies: readonly Remedy[];
}
