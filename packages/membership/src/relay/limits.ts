/** Every named maximum of relays, with its unit. */

/** Relays between two nodes. */
export const RELAY_HOPS_MAX = 4;
/** The header of a relayed stream: five node ids and their names in JSON have 500. */
export const RELAY_HEADER_BYTES_MAX = 2048;
/** Peers that are counted one by one; the longest idle is forgotten above it. */
export const RELAY_PEERS_MAX = 1024;
/** Relayed links that end here, in all and from one neighbour. */
export const RELAY_ACCEPTED_MAX = 1024;
export const RELAY_ACCEPTED_PER_PEER_MAX = 256;
/** Bytes of one direction of a stream that are on their way from one link to the other. */
export const RELAY_PIPE_BYTES_MAX = 256 * 1024;
/** Time for the link to the next hop, when there is none. */
export const RELAY_NEXT_HOP_MS_MAX = 10_000;
/** A saved-up allowance of a rate: what it earns in this time, and at least the bytes below. */
export const RELAY_BURST_MS = 200;
export const RELAY_BURST_BYTES_MIN = 64 * 1024;
