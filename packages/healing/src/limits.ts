/** Limits of healing, and how fast it goes. */

/** Between two looks of all monitors; events come in between. */
export const CYCLE_MS = 1_000;
/** A monitor that takes longer has failed; its subjects are unknown. */
export const LOOK_MS_MAX = 5_000;
/** What has not been told so long after a round began is taken with a later one. */
export const LOOK_PATIENCE_MS = 250;
/** Rounds that events ask for are at least so far apart. */
export const WAKE_GAP_MS = 50;
export const APPLY_MS_MAX = 60_000;
/** Facts of one monitor; further ones are left out, and the monitor is unknown. */
export const FACTS_PER_MONITOR_MAX = 1_024;
export const EVIDENCE_MAX = 8;
export const TIMELINE_MAX = 64;
export const INCIDENTS_OPEN_MAX = 256;
export const INCIDENTS_KEPT_MAX = 1_000;
/** Of these, of all other nodes together: what they tell does not push out the own ones. */
export const INCIDENTS_OF_OTHERS_MAX = 500;
export const RECOVERIES_KEPT_MAX = 256;
/** Remedies of a node within the window, all together. */
export const BUDGET_COUNT = 30;
export const BUDGET_WINDOW_MS = 10 * 60_000;
/** The last of these are for critical symptoms alone. */
export const BUDGET_RESERVED = 10;
/** Remedies that run at the same time. */
export const APPLYING_MAX = 4;
/** So many failures in a row for one subject end the use of a remedy for it, for a while. */
export const BREAKER_FAILURES = 3;
export const BREAKER_OPEN_MS = 5 * 60_000;
/** A remedy that failed for so many subjects within the window, and helped none, rests for all. */
export const BREAKER_SUBJECTS = 5;
export const BREAKER_SUBJECTS_WINDOW_MS = 10 * 60_000;
/** Breakers of subjects; above it the one that failed the longest ago is forgotten. */
export const BREAKERS_MAX = 1_024;
/** What did not fail again for so long has no breaker any more; longer than any wait for a try. */
export const BREAKER_KEPT_MS = 2 * 3_600_000;
/** A symptom that no remedy helped against is tried again after this, growing by 2 each time. */
export const GIVEN_UP_RETRY_MS = 60_000;
export const GIVEN_UP_RETRY_MS_MAX = 3_600_000;
/** When nothing may be done against a symptom for so long, a person is asked. */
export const BLOCKED_MS_MAX = 5 * 60_000;
/** Open incidents of an earlier run of the daemon are taken over when they are seen within this. */
export const TAKE_OVER_MS = 90_000;
/** How long what a monitor or remedy ends late is waited for after it was told to end. */
export const ABORT_GRACE_MS = 5_000;
/** Records that wait to be written while the store takes none. */
export const RECORDS_WAITING_MAX = 512;
export const RECORD_RETRY_MS = 5_000;
/** Those who listen to one healer. */
export const LISTENERS_MAX = 256;
/** Of one sentence of an incident; what remedies and monitors say beyond it is cut. */
export const TEXT_CHARS_MAX = 1_024;
