/** Every named maximum of this package, with its unit. */

/** A datagram that crosses any network whole, with room for tunnel headers (MTU 1,500). */
export const DATAGRAM_BYTES_MAX = 1400;
/** What the seal around a datagram takes of it; see `runtime/datagram-seal.ts`. */
export const SEAL_BYTES = 40;
/** A datagram of the protocol before it is sealed. */
export const PLAIN_DATAGRAM_BYTES_MAX = DATAGRAM_BYTES_MAX - SEAL_BYTES;
/** Meta of one node, so that its record fits a datagram with room for others. */
export const NODE_META_BYTES_MAX = 512;
export const NODE_NAME_BYTES_MAX = 63;
/** `host:port`; the longest is an IPv6 address with a zone. */
export const ADDRESS_BYTES_MAX = 128;
/** A signature: Ed25519 or ECDSA P-256 has 64 bytes. */
export const PROOF_BYTES_MAX = 128;
/** Nodes that a view holds, whatever others claim. */
export const NODES_MAX = 4096;
/** Removed nodes that are refused; above it the one removed first is no longer. */
export const FORGOTTEN_MAX = 4096;
/** Claims in one datagram; the bytes are the tighter limit. */
export const DATAGRAM_CLAIMS_MAX = 64;
/** Claims in one exchange of whole views: a self and a belief for each node. */
export const SYNC_CLAIMS_MAX = 2 * NODES_MAX;
