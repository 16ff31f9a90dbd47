/** Every named maximum of the runtime of SWIM, with its unit. */
import { NODES_MAX } from "../limits.js";

/** Random bytes that name one life of a process. */
export const BOOT_BYTES = 8;
/** Link addresses, roles and capabilities that the meta of a node names. */
export const META_ADDRESSES_MAX = 16;
export const META_ROLES_MAX = 8;
export const META_CAPABILITIES_MAX = 32;
/** A role, capability, site or version, in UTF-8. */
export const META_TEXT_BYTES_MAX = 64;

/** Counters behind the highest that are still told apart from replays. */
export const REPLAY_WINDOW_COUNTERS = 1024;
/** Peers whose keys and windows are kept; the one used longest ago is derived anew. */
export const SEAL_PEERS_MAX = 2 * NODES_MAX;

/** A certificate of a node, DER; ours have under 1 KiB. */
export const CERTIFICATE_BYTES_MAX = 4096;
/**
 * A certificate still proves records this long after its end: a clock that is an hour wrong, and
 * the time to fetch the new one.
 */
export const CERTIFICATE_GRACE_MS = 7_200_000;
/** A certificate that ends sooner is fetched anew: it was renewed at half its life. */
export const CERTIFICATE_RENEW_MS = 3_600_000;
/** Records that wait for the certificate of their node, and how long. */
export const PENDING_RECORDS_MAX = 1024;
export const PENDING_RECORD_MS_MAX = 30_000;
/** Node ids in one request for certificates. */
export const CERTIFICATES_PER_REQUEST_MAX = 64;
/** Requests for certificates of one node before its record is dropped. */
export const CERTIFICATE_TRIES_MAX = 5;
/** Pause before certificates are asked for again. */
export const CERTIFICATE_RETRY_MS = 500;
/** How often certificates that end are looked for. */
export const CERTIFICATE_CHECK_MS = 30_000;

/** Nodes in one page of an exchange of views: about 20 ms of proofs, under 256 KiB. */
export const EXCHANGE_PAGE_NODES_MAX = 48;
/** Exchanges that this node has begun and not ended; more are left out. */
export const EXCHANGES_OPEN_MAX = 4;
/** Pages of one exchange: a whole view both ways, and some that change meanwhile. */
export const EXCHANGE_PAGES_MAX = 2 * Math.ceil(NODES_MAX / EXCHANGE_PAGE_NODES_MAX) + 8;
/** For the answer to one request of an exchange, or for certificates. */
export const EXCHANGE_REQUEST_MS_MAX = 5000;

/** Datagrams of one sender: a LAN profile sends about 40 in a second to all others together. */
export const SENDER_DATAGRAMS_PER_SEC = 200;
export const SENDER_DATAGRAMS_BURST = 400;
/** Seals that are opened, of all senders together. */
export const OPENED_DATAGRAMS_PER_SEC = 4000;
export const OPENED_DATAGRAMS_BURST = 1000;
/** Datagrams of one address whose seal was wrong; beyond it they are not looked at. */
export const FORGED_PER_SEC = 10;
export const FORGED_BURST = 50;
/** Proofs of records that are verified, of all tellers together. */
export const PROOFS_PER_SEC = 1000;
export const PROOFS_BURST = 2 * NODES_MAX;
/** Wrong proofs from one teller; beyond it none of its records is looked at for a while. */
export const WRONG_PROOFS_PER_SEC = 1;
export const WRONG_PROOFS_BURST = 16;
/** Requests for views and certificates that one peer may make. */
export const VIEW_REQUESTS_PER_SEC = 50;
export const VIEW_REQUESTS_BURST = 2 * EXCHANGE_PAGES_MAX;
/** Senders and addresses that are counted at a time; the one seen longest ago is forgotten. */
export const FLOOD_SOURCES_MAX = 2 * NODES_MAX;

/** Datagrams that go to one peer as link requests and are not answered; more are dropped. */
export const LINK_DATAGRAMS_OPEN_MAX = 32;
/** Datagrams that wait for a link to one peer; the oldest are dropped. */
export const LINK_DATAGRAMS_WAITING_MAX = 4;
/** Peers that links are opened to at the same time. */
export const LINK_DIALS_MAX = 8;
export const LINK_DIAL_MS_MAX = 3000;
/** Pause after a link could not be opened, doubled up to the longest. */
export const LINK_RETRY_MS_MIN = 500;
export const LINK_RETRY_MS_MAX = 5000;
export const LINK_DATAGRAM_MS_MAX = 2000;
/** While a peer does not answer over UDP, this often it is tried again beside the link. */
export const UDP_RETRY_MS = 1000;
/** Where a datagram came from is where the answer goes, this long. */
export const UDP_SOURCE_MS_MAX = 30_000;

/** Peers in a snapshot; those who are here come first. */
export const SNAPSHOT_PEERS_MAX = 1024;
export const SNAPSHOT_INTERVAL_MS = 3000;
/** Time in which a leaving node passes its last word on. */
export const LEAVE_MS = 250;
