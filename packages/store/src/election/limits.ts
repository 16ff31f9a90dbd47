/** Named maxima and fixed shares of the election, with their units. */

/** A leader acts until this share of the lease time after it sent its last answered renewal. */
export const ELECTION_TRUST_SHARE = 0.6;
/** A renewal is sent each time this share of the lease time has passed. */
export const ELECTION_RENEWAL_SHARE = 0.2;
/** Renewals without an answer at a time; the trust ends before more are of use. */
export const ELECTION_RENEWALS_MAX = 3;
/** Campaigns whose lease is not given back yet; a store that hangs gets no more of them. */
export const ELECTION_ATTEMPTS_MAX = 8;
/** Reads of the leader key without an answer at a time. */
export const ELECTION_LOOKS_MAX = 3;
/**
 * Shares of the lease time: how long a campaign may take before it is given up, at first, and at
 * most after it took too long again and again. A store without a leader of its own may keep what it
 * was asked until long after it has one; what is asked then is answered at once.
 */
export const ELECTION_CAMPAIGN_SHARE = 0.2;
export const ELECTION_CAMPAIGN_SHARE_MAX = 0.6;
/** Lease times during which a suspicion counts; a leader that renews longer is not dead. */
export const ELECTION_SUSPICION_SHARE = 2;
/**
 * Lease times after a takeover by suspicion in which this node does not suspect again; doubled by
 * each further one, up to the maximum, and forgotten when that has passed. Two nodes that cannot
 * see each other, but both see the store, would take the lead from each other for ever.
 */
export const ELECTION_SUSPICION_PAUSE_SHARE = 5;
export const ELECTION_SUSPICION_PAUSE_SHARE_MAX = 640;
/** Wait after the first failure; it doubles with each further one, up to a share of the lease. */
export const ELECTION_RETRY_MS = 50;
export const ELECTION_RETRY_SHARE_MAX = 0.1;
/** Spread of the campaigns of several nodes that see the leader go, so that fewer are in vain. */
export const ELECTION_SPREAD_MS = 50;
/** Lease time: shorter ones do not survive a slow disk, longer ones leave nobody leading. */
export const ELECTION_LEASE_MS_MIN = 500;
export const ELECTION_LEASE_MS_MAX = 120_000;
/** JSON of what a candidate tells about itself, in UTF-8. */
export const ELECTION_DATA_BYTES_MAX = 16 * 1024;
/** Listeners of one election. */
export const ELECTION_LISTENERS_MAX = 64;
