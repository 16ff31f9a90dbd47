/** Named maxima of the runtime, with their units in their names. */

/** Requests of one model that wait or run on its leader. */
export const MODEL_REQUESTS_MAX = 256;
/** Of these, requests that one other node has handed on. */
export const NODE_REQUESTS_MAX = 128;
/** Rings that one node leads, and shards that it holds for others, at a time. */
export const RINGS_MAX = 16;
/** Of the shards, those for one other leader. */
export const RINGS_PER_LEADER_MAX = 12;
/** Members of one ring. */
export const RING_MEMBERS_MAX = 32;
/** Tensor endpoints of one member. */
export const ENDPOINTS_MAX = 16;

/** Body of a request from one agent to another. */
export const AGENT_BODY_BYTES_MAX = 256 * 1024;
/** A whole request to generate: prompt, options. */
export const GENERATE_BODY_BYTES_MAX = 4 << 20;
/** Text of one answer, whatever a leader goes on to send. */
export const ANSWER_CHARACTERS_MAX = 16 << 20;
/** One event of an answer on its way between agents. */
export const EVENT_BYTES_MAX = 1 << 20;

/** Times that a model is planned anew for one want, before it counts as broken. */
export const PLACE_ATTEMPTS_MAX = 8;
/** Places at which one request is tried. */
export const REQUEST_ATTEMPTS_MAX = 5;

/** A member answers what it has measured; the first time it measures its engine. */
export const MEASURE_MS_MAX = 20_000;
/** A member says which rings it leads. */
export const RINGS_ASK_MS_MAX = 2_000;
/** Pulling a shard may take long, if its member gets on: see the next four. */
export const PREPARE_MS_MAX = 6 * 3_600_000;
/** So often a member that prepares is asked how far it is. */
export const PREPARE_LOOK_MS = 2_000;
/** One that does not answer that for so long is waited for no longer. */
export const PREPARE_SILENT_MS = 30_000;
/** One that answers, and gets less than the next further in so long, neither. */
export const PREPARE_STILL_MS_MAX = 120_000;
export const PREPARE_STEP_BYTES = 8 << 20;
/** Loading a shard that lies on the disk, and joining the others. */
export const JOIN_MS_MAX = 300_000;
/** A release is told, not waited for longer than this. */
export const RELEASE_MS_MAX = 5_000;
/** A shard whose ring broke waits so long for a new plan of its leader. */
export const ORPHAN_MS_MAX = 30_000;
/** Measurements of members are taken as they are for so long. */
export const MEASURES_FRESH_MS = 15_000;

/** Round trips of a measurement, of which the least counts. */
export const PING_ROUNDS = 12;
/** A probe of a link sends so much, and ends after so long whatever it sent. */
export const PROBE_BYTES = 16 << 20;
export const PROBE_MS_MAX = 2_000;
/** Decoded tokens from which on a finished answer says something about speed. */
export const OBSERVED_TOKENS_MIN = 16;
/** An epoch counts plans: one above this is made up, and would leave no room for later ones. */
export const EPOCH_MAX = 2 ** 48;
/** A member may say that an epoch was further by so much; more is made up. */
export const EPOCH_AHEAD_MAX = 2 ** 24;
/** Models whose last epoch is remembered. */
export const EPOCHS_KEPT_MAX = 1024;
/** Measuring an engine, with the start of its process. */
export const ENGINE_MEASURE_MS_MAX = 20_000;
export const PROBE_ROUNDS = 50;
export const PROBE_PIECE_BYTES = 256 * 1024;
/** Tokens that a bench of a ring generates at most. */
export const BENCH_TOKENS_MAX = 1024;
/** With so many requests everywhere, a further member loads the model too. */
export const SPREAD_RUNNING_MIN = 2;
/** It must be predicted to have this part of the best one's speed. */
export const SPREAD_GAIN_MIN = 0.5;

/** Between two looks at the processes of engines, and for a first answer to one. */
export const ENGINE_LOOK_MS = 1_000;
/** A process that owes an answer for so long, and does not compute meanwhile, is silent. */
export const ENGINE_SILENT_MS = 5_000;
/** One that computes meanwhile is silent after this: no step of an engine takes longer. */
export const ENGINE_BUSY_MS_MAX = 600_000;
/** An engine that ends within this time after its start has crashed... */
export const ENGINE_CRASH_MS = 60_000;
/** ...and with so many crashes in a row it is failing. */
export const ENGINE_CRASHES_FAILING = 3;
/** A remedy waits so long for an engine that is being loaded again. */
export const ENGINE_START_MS = 25_000;
/** The token that proves an engine after it ended has to come within this. */
export const ENGINE_PROOF_MS_MAX = 120_000;

/** An answer of a ring below this part of the fastest one in its plan was slow... */
export const RING_SLOW_PART = 1 / 3;
/** ...so many in a row make the ring slow, once as many others have shown what it can do. */
export const RING_SLOW_ANSWERS = 3;

/** A member that did something wrong is left out of plans for so long, the first time... */
export const FAULT_MS_MIN = 60_000;
/** ...and at most so long, doubled each time. */
export const FAULT_MS_MAX = 3_600_000;
/** After so long without a further one, the next counts as the first. */
export const FAULT_FORGOTTEN_MS = 6 * 3_600_000;
/** Members whose faults are remembered. */
export const FAULTY_MEMBERS_MAX = 256;
