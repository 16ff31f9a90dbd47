/**
 * Every named maximum of the product, with its unit in its name. At a limit there is a typed error,
 * never growth and never silence. The relations at the end are checked when the module loads.
 */

/**
 * A file's pieces. 1 MiB gives small range reads and few rows (MinIO's move from 10 MiB to 1 MiB).
 */
export const CHUNK_BYTES_MAX = 1 << 20;
/** A file up to this size lives in its directory entry and needs no chunk. */
export const INLINE_FILE_BYTES_MAX = 3 * 1024;
/** Chunk ids that a directory entry holds itself; longer files use manifest segments. */
export const ENTRY_CHUNKS_MAX = 16;
/** Chunk ids in one manifest segment. With its reference rows it fits one transaction. */
export const MANIFEST_SEGMENT_CHUNKS_MAX = 64;
/** A file: 2^20 segments of 64 MiB = 64 TiB. */
export const FILE_SEGMENTS_MAX = 1 << 20;
/** A path as text, in UTF-8. */
export const PATH_BYTES_MAX = 4096;
/** One name in a path, in UTF-8, as on ext4. */
export const PATH_NAME_BYTES_MAX = 255;
/** Names in one path. */
export const PATH_DEPTH_MAX = 64;
/** Entries in one page of a listing. */
export const LIST_PAGE_ENTRIES_MAX = 1000;
/** A file up to this size goes to the coordinator in one request, which stores its one chunk. */
export const SMALL_FILE_BYTES_MAX = 256 * 1024;
/** Uploads that one principal may have open, or all people of one peer together. */
export const UPLOADS_OPEN_MAX = 256;
/** An upload that was not touched for this long is thrown away. */
export const UPLOAD_IDLE_MS_MAX = 3_600_000;
/** So long an upload may take: while it is open, garbage that came after it is kept. */
export const UPLOAD_AGE_MS_MAX = 7 * 86_400_000;
/** Life of a ticket for chunk operations. */
export const TICKET_VALIDITY_MS = 300_000;
/** Chunks on their way to one node in one transfer. */
export const TRANSFER_CHUNKS_IN_FLIGHT_MAX = 16;
/** Chunk bytes that a storage node holds in memory before it makes senders wait. */
export const CHUNK_INTAKE_BYTES_MAX = 64 << 20;
/** Streams of chunks of one peer that a storage node serves at a time: half of what it holds. */
export const CHUNK_STREAMS_OF_MEMBER_MAX = 32;
/** Uploads of peers whose chunks a storage node counts; more than all peers have open at a time. */
export const BOUNDED_UPLOADS_MAX = 32_768;
/** One pack file of the chunk store; a new one is begun when it is full. */
export const PACK_BYTES_MAX = 256 << 20;
/** Damaged records that a node sets aside, and damaged chunks that it names to its coordinator. */
export const QUARANTINE_CHUNKS_MAX = 64;
export const SCRUB_DAMAGED_NAMED_MAX = 1024;
/** Free space that a storage node never uses. */
export const DISK_RESERVE_BYTES = 64 << 20;
export const REPLICAS_MAX = 16;
export const NODES_MAX = 1024;
/** Chunk ids in one inventory page or one copy order. */
export const CHUNK_IDS_PER_REQUEST_MAX = 1024;

/** Coordinator: directories whose rows it remembers. */
export const DIRECTORIES_CACHED_MAX = 65_536;
/** How often a change is tried again when another one came first. */
export const CONFLICT_RETRIES_MAX = 16;
/** Bytes of small files that wait for storage nodes or are on their way; above it, `MESH_LIMIT`. */
export const SMALL_FILE_BYTES_IN_FLIGHT_MAX = 48 << 20;
/** Small files that are stored at a time; it is below what a link takes. The others wait. */
export const SMALL_FILES_AT_A_TIME_MAX = 256;
/** Finished uploads that a repeated `file.commit` still finds. */
export const COMMITS_REMEMBERED_MAX = 1024;
/** Layouts of the past that are kept. */
export const LAYOUT_VERSIONS_KEPT_MAX = 16;
/** Chunks that a preview of the layout looks at; of more it is an estimate from a fair sample. */
export const LAYOUT_PREVIEW_CHUNKS_MAX = 100_000;
/** Bytes of a write to another member that are kept until some of it is safe: see `link-way.ts`. */
export const WAY_REPLAY_BYTES_MAX = 64 << 20;
/** Links of the people and machines of one peer to one node, and connections to its API. */
export const LINKS_OF_MEMBER_MAX = 256;
/** Calls of the coordinators of one peer, for its people, that are under way at a time. */
export const PEER_CALLS_IN_FLIGHT_MAX = 64;
/** Transfers of one caller of a peer through the coordinator that are under way at a time. */
export const PEER_STREAMS_MAX = 32;
/** The same of all callers of one peer together. */
export const PEER_STREAMS_OF_MEMBER_MAX = 64;
/** Addresses that one node may announce, and the length of each. */
export const NODE_ADDRESSES_MAX = 16;
export const NODE_ADDRESS_BYTES_MAX = 300;
/** Nodes in the answer to one file request; those that matter come first. */
export const NODES_PER_ANSWER_MAX = 128;
/** JSON of one page of a listing: it fits a message of a link. */
export const LIST_PAGE_BYTES_MAX = 384 * 1024;
/** Chunks in one repair order; up to 32 MiB move before the next. */
export const REPAIR_BATCH_CHUNKS_MAX = 32;
/** Chunks without a file that wait for their deletion; a walk finds the others again. */
export const GARBAGE_CANDIDATES_MAX = 100_000;
/** Changes of the settings of workers that wait for the store. */
export const WORKER_CHANGES_WAITING_MAX = 64;
/** What an operator may set for a worker. */
export const WORKER_INTERVAL_MS_MIN = 1_000;
export const WORKER_INTERVAL_MS_MAX = 20 * 86_400_000;
export const WORKER_RATE_BYTES_MIN = 4_096;
/** Time of rest for each unit of time of work. */
export const WORKER_TRANQUILITY_MAX = 1_000;
/** Chunks that older records do not know, which are put together to files at a time. */
export const LOST_CHUNKS_AT_A_TIME_MAX = 100_000;
/** A check: findings of one kind that are kept, and files whose references are summed at a time. */
export const FSCK_FINDINGS_MAX = 1_000;
export const FSCK_FILES_IN_MEMORY_MAX = 200_000;
/** Deleted chunks that are remembered while uploads are open; above it, deletion waits. */
export const CONDEMNED_CHUNKS_MAX = 100_000;

/** Store: a key, a value, the operations of a transaction (etcd's default), rows in a page. */
export const STORE_KEY_BYTES_MAX = 4608;
export const STORE_VALUE_BYTES_MAX = 1 << 20;
export const STORE_TXN_OPERATIONS_MAX = 128;
export const STORE_RANGE_ENTRIES_MAX = 10_000;
/** Writes that wait for one fsync together. */
export const STORE_GROUP_COMMIT_MAX = 1024;
/** Writes waiting in all; above it, `MESH_STORE_BUSY`. */
export const STORE_QUEUE_MAX = 16_384;
/** Bytes of keys and values of the writes that wait. */
export const STORE_QUEUE_BYTES_MAX = 64 << 20;
/** Bytes of keys and values in one transaction. */
export const STORE_TXN_BYTES_MAX = 8 << 20;
/** Bytes of keys and values in one page of a range; the page ends early with `more`. */
export const STORE_RANGE_BYTES_MAX = 32 << 20;
/**
 * History kept for watches and for reads in the past; the older half goes first when either is
 * passed. A watcher that lags further behind is cut with `MESH_STORE_COMPACTED`.
 */
export const STORE_HISTORY_REVISIONS_MAX = 65_536;
export const STORE_HISTORY_BYTES_MAX = 256 << 20;
/** Watches of one store that are open at a time. */
export const STORE_WATCHERS_MAX = 4096;
/** The database file; above it, `MESH_DISK_FULL`. */
export const STORE_DATABASE_BYTES_MAX = 64 * 2 ** 30;
/** Memory for pages of the database. */
export const STORE_CACHE_BYTES_MAX = 16 << 20;
/** Leases: open ones, keys of one lease, time to live. */
export const STORE_LEASES_MAX = 10_000;
export const STORE_LEASE_KEYS_MAX = 1024;
export const STORE_LEASE_TTL_MS_MAX = 31 * 86_400_000;

/** Invites: uses of one invite, open invites of a member, life. */
export const INVITE_USES_MAX = 1000;
export const INVITES_OPEN_MAX = 1000;
export const INVITE_VALIDITY_MS_MAX = 30 * 86_400_000;
export const INVITE_GRANTS_MAX = 64;
export const INVITE_TEXT_BYTES_MAX = 1024;
export const DESCRIPTION_BYTES_MAX = 256;
/** Redemption attempts from one address in a minute. */
export const ENROL_ATTEMPTS_PER_MINUTE_MAX = 30;
/** Redemption attempts from all addresses in a minute. */
export const ENROL_ATTEMPTS_TOTAL_PER_MINUTE_MAX = 600;

/** Pools of a member. */
export const POOLS_MAX = 16;
/** Pairing codes of a pool that are open at a time, their life, wrong proofs that end one. */
export const PAIRING_CODES_MAX = 16;
export const PAIRING_VALIDITY_MS = 600_000;
export const PAIRING_VALIDITY_MS_MAX = 86_400_000;
export const PAIRING_USES_MAX = 64;
export const PAIRING_FAILURES_MAX = 5;

/** Certificates. */
export const NODE_CERTIFICATE_VALIDITY_MS = 86_400_000;
export const PERSON_CERTIFICATE_VALIDITY_MS_MAX = 7 * 86_400_000;
export const CA_CERTIFICATE_VALIDITY_MS = 10 * 365 * 86_400_000;
/** Certificates are valid from this long ago, for clocks that are an hour behind, and then some. */
export const CERTIFICATE_BACKDATE_MS = 7_200_000;
export const CSR_BYTES_MAX = 16 * 1024;
/** Recoveries of one identity with an expired certificate before a person must allow more. */
export const RECOVERIES_MAX = 10;

/** Keys in one revocation list; entries go when their last certificate has expired. */
export const REVOCATIONS_MAX = 2000;
/** A proof for a recovery may be this old, or this far in the future. */
export const RECOVERY_PROOF_AGE_MS_MAX = 300_000;
/** People, nodes and coordinators of one member, revoked ones included. */
export const IDENTITIES_MAX = 10_000;
/** Grants of one identity, from all the invites that it redeemed. */
export const IDENTITY_GRANTS_MAX = 256;
/** Life of a right that a person, not the operator, gives on. */
export const SHARED_GRANT_VALIDITY_MS_MAX = 90 * 86_400_000;
/** Invites kept for lists, closed ones included; the oldest closed ones are forgotten above it. */
export const INVITES_KEPT_MAX = 4000;
/** Addresses that one invite may name. */
export const INVITE_ENDPOINTS_MAX = 8;
/** Changes of trust that wait for the one before them, and attempts of one that meets conflicts. */
export const AUTHORITY_QUEUE_MAX = 1024;
export const AUTHORITY_ATTEMPTS_MAX = 16;
/** Records in one page of the audit trail. */
export const AUDIT_PAGE_RECORDS_MAX = 1000;
/** Records of the audit trail; the oldest are forgotten above it. */
export const AUDIT_RECORDS_MAX = 100_000;
/** Client addresses that the enrolment port counts attempts of; the longest idle is forgotten. */
export const ENROL_ADDRESSES_MAX = 4096;

/** Grants in the book of a member: those that the operator gave, and all that people passed on. */
export const GRANTS_MAX = 10_000;
export const GRANTS_PASSED_ON_MAX = 5000;
/**
 * Of one subject, counted for the operator and for people apart; and those that one person gave.
 */
export const GRANTS_PER_SUBJECT_MAX = 256;
export const GRANTS_GIVEN_MAX = 256;
/** Callers whose grants are kept ready; the one that asked longest ago is forgotten. */
export const GRANTS_CACHED_MAX = 4096;
/** Keys that nodes are told to refuse the older tickets of; above it, all are refused. */
export const VOIDED_HOLDERS_MAX = 1024;
/** Tickets under way that the coordinator knows the reason of; above it, all end at a change. */
export const TICKETS_WATCHED_MAX = 65_536;

/** API keys of a member, and their life. */
export const API_KEYS_MAX = 1000;
export const API_KEY_VALIDITY_MS_MAX = 366 * 86_400_000;
/** Wrong keys from one address in a minute; more are not looked at. */
export const API_KEY_FAILURES_PER_MINUTE_MAX = 20;
/** Nodes of other meshes that were introduced here. */
export const INTRODUCTIONS_MAX = 1000;
/** Other members that are peers of this one. */
export const PEERS_MAX = 64;
/** Coordinators that a member names to its peers. */
export const PEER_COORDINATORS_MAX = 16;
/** Codes for peers that nobody has used yet. */
export const PEER_INVITES_OPEN_MAX = 64;
/** A member that is not heard of for this long is not believed any longer. */
export const PEER_BUNDLE_VALIDITY_MS = 7 * 86_400_000;
/** A trust bundle as JSON: CAs, addresses of coordinators, revoked keys. */
export const PEER_BUNDLE_BYTES_MAX = 512 * 1024;
/** What storage nodes are told of all peers together; it fits one message on a link. */
export const PEER_TRUST_BYTES_MAX = 768 * 1024;
/** Networks of one allow-list. */
export const ALLOWED_NETWORKS_MAX = 64;
/** Capabilities that one node or service names, and the length of each. */
export const CAPABILITIES_MAX = 32;
export const CAPABILITY_BYTES_MAX = 32;
/** Services that one node announces. */
export const SERVICES_PER_NODE_MAX = 64;

/** Body of a JSON request to an HTTP door. */
export const HTTP_JSON_BYTES_MAX = 1 << 20;
/** JSON of one answer that a client reads; a full page of a listing is the largest. */
export const HTTP_ANSWER_BYTES_MAX = 16 << 20;
/** Body of a request at the enrolment door, whose callers are strangers. */
export const HTTP_ENROL_BYTES_MAX = 64 * 1024;
/** Headers with the request line: a path of 4,096 bytes is three times as long percent-encoded. */
export const HTTP_HEADER_BYTES_MAX = 32 * 1024;
/** Requests under way at one HTTP door. */
export const HTTP_REQUESTS_IN_FLIGHT_MAX = 1024;
/** Connections open at one HTTP door. */
export const HTTP_CONNECTIONS_MAX = 2048;
/** A connection on which nothing moved for this long is closed. */
export const HTTP_IDLE_MS_MAX = 120_000;
/** Time to send a whole request to the enrolment or metrics door. */
export const HTTP_SMALL_REQUEST_MS_MAX = 10_000;
/** Bytes of an upload that are still taken after it was refused, so that the answer arrives. */
export const HTTP_REFUSED_UPLOAD_BYTES_MAX = 4 << 20;
/** Time that a stopping part has to finish what is under way. */
export const STOP_TIMEOUT_MS = 10_000;

/** What a sealed copy at a friend's says about its file; it is inside the first piece. */
export const COPY_HEADER_BYTES_MAX = 32 * 1024;
/** What one member may offer another: 1 PiB. */
export const QUOTA_BYTES_MAX = 2 ** 50;
/** An offer has room for one file or directory for so many of its bytes, and for these at least. */
export const QUOTA_ENTRY_BYTES = 1024;
export const QUOTA_ENTRIES_MIN = 1024;
/** Policies of copies of one member. */
export const COPY_POLICIES_MAX = 256;
/** Files whose copies are made at the same time. */
export const COPIES_AT_A_TIME_MAX = 4;
/** Chunks that no node of this home has and that are to be fetched from friends. */
export const CHUNKS_LOST_MAX = 10_000;
/** Files whose copies may have to be removed; a later walk finds the others again. */
export const COPIES_SUSPECT_MAX = 100_000;
/** Bytes of a chunk in one answer to `file.recall`. */
export const RECALL_BYTES_MAX = 512 * 1024;
/** A packed snapshot of a member's records at a friend's. */
export const SNAPSHOT_BYTES_MAX = 4 * 2 ** 30;

function mustHold(condition: boolean, relation: string): void {
  if (!condition) throw new Error(`limits.ts contradicts itself: ${relation}`);
}
mustHold(MANIFEST_SEGMENT_CHUNKS_MAX * 2 <= STORE_TXN_OPERATIONS_MAX, "a segment fits a txn");
mustHold(ENTRY_CHUNKS_MAX + 8 <= STORE_TXN_OPERATIONS_MAX, "an entry fits a txn");
mustHold(INLINE_FILE_BYTES_MAX < STORE_VALUE_BYTES_MAX, "an inline file fits a value");
mustHold(STORE_VALUE_BYTES_MAX + STORE_KEY_BYTES_MAX <= STORE_TXN_BYTES_MAX, "a value fits a txn");
mustHold(STORE_TXN_BYTES_MAX <= STORE_RANGE_BYTES_MAX, "what one txn wrote fits a page");
mustHold(STORE_TXN_BYTES_MAX <= STORE_QUEUE_BYTES_MAX, "a txn fits the queue");
mustHold(SMALL_FILE_BYTES_MAX <= CHUNK_BYTES_MAX, "a small file is one chunk");
mustHold(PATH_NAME_BYTES_MAX < STORE_KEY_BYTES_MAX, "a name fits a key");
mustHold(CHUNK_BYTES_MAX * 2 < PACK_BYTES_MAX, "a chunk fits a pack");
mustHold(
  CHUNK_STREAMS_OF_MEMBER_MAX * CHUNK_BYTES_MAX * 2 <= CHUNK_INTAKE_BYTES_MAX,
  "one peer's streams leave room for others",
);
