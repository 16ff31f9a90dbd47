/** Named maxima and times of the etcd that this node supervises, with their units. */

/** An etcd that runs and does not answer for this long after its start is silent. */
export const ETCD_SILENT_MS = 15_000;
/** Oldest etcd that has learners: members that get all data before they count in a vote. */
export const ETCD_VERSION_MIN = [3, 4] as const;
/** How long `etcd --version` and `--help` may take on a machine that is busy. */
export const ETCD_VERSION_MS_MAX = 20_000;
/** Bytes of their answer that are looked at. */
export const ETCD_VERSION_BYTES_MAX = 128 * 1024;

/** Life of the certificates of etcd and of its clients; renewed at half of it. */
export const STORE_CERTIFICATE_VALIDITY_MS = 30 * 86_400_000;
/** The certificates are looked at this often: timers stand still while a machine sleeps. */
export const STORE_CERTIFICATE_LOOK_MS = 60_000;
/** Host names and addresses in one certificate. */
export const STORE_CERTIFICATE_NAMES_MAX = 64;

/** Addresses at which members are looked for; a coordinator has several. */
export const CLUSTER_ADDRESSES_MAX = 64;
/** Time between two looks at the cluster when all is well, and while something is under way. */
export const CLUSTER_LOOK_MS = 5_000;
export const CLUSTER_LOOK_SOON_MS = 400;
/** Time that one member has to answer a look. */
export const CLUSTER_ANSWER_MS_MAX = 2_000;
/** A member that does not answer for this long is lost: a coordinator that waits replaces it. */
export const MEMBER_LOST_MS = 15 * 60_000;
/** This node must be seen as removed from the cluster for this long before it believes it. */
export const REMOVED_CONFIRM_MS = 10_000;
/** Without a leader for this long, the majority is said to be lost. */
export const MAJORITY_LOST_MS = 15_000;
/** Time between two changes of the cluster, so that each one is seen before the next. */
export const CHANGE_PAUSE_MS = 3_000;
/** Old data directories that are kept beside the present one. */
export const DATA_ASIDE_KEPT_MAX = 2;

/** Time between two looks at size, alarms and snapshots. */
export const UPKEEP_LOOK_MS = 60_000;
/** Defragmented when at least this many bytes, and this part of the file, are free. */
export const DEFRAGMENT_FREE_BYTES_MIN = 64 << 20;
export const DEFRAGMENT_FREE_PART_MIN = 0.5;
/** Time between two defragmentations of one member. */
export const DEFRAGMENT_PAUSE_MS = 3_600_000;
/** Above this part of the quota, the history is compacted and the file defragmented at once. */
export const QUOTA_WARNING_PART = 0.8;
/** Revisions that are kept when space is short; in a full store only the present is. */
export const HISTORY_REVISIONS_WHEN_SHORT = 1_024;
/** Time that a snapshot or a defragmentation may take. */
export const UPKEEP_MS_MAX = 10 * 60_000;

/** A restored store raises the epoch of its leaders by this, above every one that was seen. */
export const RESTORE_EPOCH_LEAP = 1_000_000;
/** Writes under way at a time while its revision is raised. */
export const RESTORE_WRITES_IN_FLIGHT_MAX = 256;
/** What etcd's tools may say. */
export const RESTORE_TOOL_BYTES_MAX = 1 << 20;
