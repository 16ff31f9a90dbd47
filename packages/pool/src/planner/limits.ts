/** Named maxima and constants of the planner, with their units in their names. */

/** Members that are looked at; further ones are left out by name. */
export const PLAN_MEMBERS_MAX = 32;
/** Up to so many members every subset is tried; above, members are added one by one. */
export const EXHAUSTIVE_MEMBERS_MAX = 8;
/** Rounds in which shares move from members that are full to others. */
export const FIT_ROUNDS_MAX = 24;
/** Bandwidths that differ by less than half of it get equal shares. */
export const SHARE_STEP = 1.25;

/**
 * What one exchange costs beside the wire, however narrow the model is: system calls, the event
 * loops of both sides and waiting for the slower one. Live exchanges correct it.
 */
export const EXCHANGE_OVERHEAD_MS = 0.1;
/** For each value of each member: rounding, widening and adding (2.8 ns measured), encryption. */
export const EXCHANGE_VALUE_MS = 4e-6;
/** Taken for a link whose bandwidth nobody has measured: 1 Gbit/s less its framing. */
export const LINK_BYTES_PER_SECOND_DEFAULT = 117_000_000;

/**
 * Splitting must be predicted faster by this part, else the whole request goes to one member:
 * within it the measurements do not tell, and a ring has more that can break.
 */
export const SPLIT_GAIN_MIN = 0.05;
/** A member must be worth so much, else the smaller ring is taken. */
export const MEMBER_GAIN_MIN = 0.01;

/** Observations that are kept; the oldest goes first. */
export const HISTORY_ENTRIES_MAX = 128;
/** Weight of a new observation against those before it. */
export const HISTORY_WEIGHT = 0.3;
/** What was observed corrects a prediction by at most this factor, either way. */
export const CORRECTION_FACTOR_MAX = 4;
