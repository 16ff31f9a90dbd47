/** Marks and times of what the healer of a node sees and does, with their units. */

/** Nodes that are dead or were in trouble and are remembered; the oldest are forgotten above it. */
export const PEERS_REMEMBERED_MAX = 512;
/** How long one that left in order is spoken of; it may be gone for good. */
export const LEFT_TOLD_MS = 24 * 3_600_000;
/** Up to so many nodes are spoken of all; of more, those that were in trouble. */
export const PEERS_SPOKEN_OF_MAX = 256;
/** Names in one sentence. */
export const NAMES_TOLD_MAX = 5;

/** Nodes that are lost within this may have been cut off together. */
export const PARTITION_WINDOW_MS = 10_000;
/** Of fewer nodes, this one included, nobody can say who is cut off from whom. */
export const PARTITION_NODES_MIN = 3;

/** What a dial or a view that was asked for has to come back within. */
export const DIAL_PATIENCE_MS = 2_500;
/** How often a remedy that waits looks whether it may end. */
export const PATIENCE_LOOK_MS = 50;
/** Nodes that are linked to at once by one remedy. */
export const LINKED_AT_ONCE_MAX = 16;

/** A process that runs and does not answer is not believed to hang before. */
export const PROCESS_SILENT_HOLD_MS = 10_000;
/** Its own supervisor gets this long to start it again, before the healer does. */
export const PROCESS_SELF_START_MS = 3_000;

/** Time between two samples of the delay of the event loop. */
export const LOOP_SAMPLE_MS = 50;
/** Of one window, which is a second long where somebody looks each second. */
export const LOOP_SAMPLES_MAX = 1_200;
/** The shortest time that is judged. */
export const LOOP_WINDOW_MS = 1_000;
/** A window in which a timer came later than this was slow. */
export const LOOP_LAG_MS_MAX = 250;
/** Below this part of one core the process did not cause its own delay. */
export const LOOP_OWN_CPU_PART_MIN = 0.5;
/**
 * Above this part of the time requests wait longer than they take: in a queue with arrivals by
 * chance a busy share r makes them wait r / (1 - r) of their own time, which is 5.7 times here and
 * 19 times at 0.95. Time in which the loop waited for a core counts as busy.
 */
export const LOOP_BUSY_PART_MAX = 0.85;

/** Of the limit that the system set for this process and its children. */
export const CGROUP_USED_PART_MAX = 0.92;
/** Of the largest heap that the JavaScript engine allows itself. */
export const HEAP_USED_PART_MAX = 0.9;
/** Of the memory of the machine that is left for anybody. */
export const MACHINE_FREE_PART_MIN = 0.04;

/** It is renewed between 0.5 and 0.6 of its life: after this, that has failed. */
export const CERTIFICATE_OVERDUE_PART = 0.75;

/** How often the clocks of others are asked for, how many of them, and how long an answer holds. */
export const CLOCK_ASK_MS = 60_000;
export const CLOCK_FIRST_ASK_MS = 5_000;
export const CLOCKS_ASKED_MAX = 8;
export const CLOCK_ANSWER_MS_MAX = 2_000;
export const CLOCK_HOLDS_MS = 5 * 60_000;
/** Clocks that are further apart are told of: people notice it, and leases come into question. */
export const CLOCK_SKEW_MS_MAX = 5_000;

/** How often the canary sings, and how soon again after it failed. */
export const CANARY_EVERY_MS = 15_000;
export const CANARY_AGAIN_MS = 2_000;
/** It has to fail this long: at least twice. */
export const CANARY_HOLD_MS = 5_000;
/** A part that has never worked is starting for this long, and failing after it. */
export const CANARY_STARTING_MS = 60_000;

/** A model is unloaded for lack of memory when nobody asked for it during so long. */
export const MODEL_RESTED_MS_MIN = 30_000;
/** A model that is used now and then is waited for so long. */
export const MODEL_AWAITED_MS_MAX = 60_000;
/** Less than this given back is the noise of the allocator: nothing came of it. */
export const SHED_BYTES_MIN = 4 * 2 ** 20;
