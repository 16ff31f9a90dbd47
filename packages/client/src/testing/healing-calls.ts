/** Every call about healing and events once. */
import type { ApiClient } from "../api-client.js";
import {
  healingStatus,
  listIncidents,
  pauseHealing,
  planHealing,
  resumeHealing,
  setHealingDryRun,
  showIncident,
} from "../healing.js";

/** How the calls end is of no interest: the member of this test has no healer. */
export async function askHealing(door: ApiClient): Promise<void> {
  await Promise.allSettled([
    ...[healingStatus(door), listIncidents(door, { node: "attic" }), showIncident(door, "x")],
    ...[planHealing(door), pauseHealing(door), resumeHealing(door), setHealingDryRun(door, true)],
    // The first page and browsers ask for these by their addresses.
    door.call("GET", "/api/healing/incidents/x/page"),
    door.call("GET", "/events"),
  ]);
}
