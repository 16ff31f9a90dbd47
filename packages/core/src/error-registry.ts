/**
 * The one list of everything that can go wrong. `docs/errors.md` and the exit codes of the CLI are
 * made from it. A code is never reused for another meaning.
 *
 * `exit` groups: 1 internal, 2 wrong use, 3 not found, 4 not allowed, 5 conflict, 6 unreachable,
 * 7 resource or limit, 8 damaged data, 9 trust.
 */
import { define } from "./error-definition.js";
import { federation } from "./error-registry-federation.js";
import { mesh } from "./error-registry-mesh.js";
import { pool } from "./error-registry-pool.js";
import { store } from "./error-registry-store.js";

export type { ErrorDefinition } from "./error-definition.js";

const general = {
  MESH_INTERNAL: define(
    500,
    1,
    "something went wrong inside the program",
    "Look at the log; if it happens again, report it with the lines around it.",
  ),
  MESH_BAD_REQUEST: define(
    400,
    2,
    "the request is not of the right form",
    "Compare it with the documentation.",
  ),
  MESH_CONFIG_INVALID: define(
    400,
    2,
    "the configuration is not valid",
    "`mesh config show --effective --origin` tells where each value comes from.",
  ),
  MESH_NOT_FOUND: define(404, 3, "there is no such thing", "Check the name."),
  MESH_NOT_IMPLEMENTED: define(
    501,
    2,
    "this is not built yet",
    "See CHANGELOG.md for what is there.",
  ),
  MESH_TIMEOUT: define(
    504,
    6,
    "no answer came in time",
    "Try again; `mesh status` shows who is reachable.",
  ),
  MESH_CANCELLED: define(499, 1, "the request was cancelled", "Nothing needs to be done."),
  MESH_STOPPING: define(503, 6, "the node is stopping", "Try again when it runs."),
  MESH_LIMIT: define(
    429,
    7,
    "a limit was reached",
    "docs/limits.md lists the limits; wait and try again.",
  ),
  MESH_BODY_TOO_LARGE: define(
    413,
    7,
    "the body of the request is too large",
    "docs/limits.md lists the limits; the content of files goes to /api/files/content.",
  ),
  MESH_UNREACHABLE: define(
    503,
    6,
    "the other side cannot be reached",
    "Check that it runs and that its address and port are right.",
  ),
  MESH_PROTOCOL: define(
    502,
    6,
    "the other side does not speak this protocol",
    "Check the port, and that both sides run versions that fit.",
  ),
} as const;

const daemon = {
  MESH_PORT_TAKEN: define(
    500,
    7,
    "a port is in use",
    "Stop the other program, or shift every port with `--port-base 100`.",
  ),
  MESH_HOME_IN_USE: define(
    500,
    5,
    "another node uses this directory",
    "Stop it first, or choose another directory with MESH_HOME.",
  ),
  MESH_HOME_UNSAFE: define(
    500,
    9,
    "a secret file can be read by other users",
    "Make it private: chmod 600 on the file that is named.",
  ),
  MESH_NOT_RUNNING: define(
    503,
    6,
    "no node runs here",
    "Start one with `mesh up`, or join with `mesh join`.",
  ),
  MESH_ALREADY_MEMBER: define(
    409,
    5,
    "this machine is already a node of a member",
    "Use another MESH_HOME to run a second node.",
  ),
  MESH_DISK_FULL: define(
    507,
    7,
    "the disk is full",
    "Free some space or add a storage node; `mesh trash empty` lets removed files go for good.",
  ),
  MESH_DISK_FAILED: define(
    500,
    8,
    "the disk failed",
    "Look at the system's log; replace the disk if it repeats.",
  ),
} as const;

const trust = {
  MESH_UNAUTHENTICATED: define(
    401,
    9,
    "the caller did not prove who it is",
    "Redeem an invite first: `mesh invite redeem CODE`.",
  ),
  MESH_FORBIDDEN: define(403, 4, "not allowed", "Ask the owner of the path for a grant."),
  MESH_CERT_UNTRUSTED: define(
    401,
    9,
    "the certificate was not issued by this member",
    "Join this member with an invite of its own.",
  ),
  MESH_CERT_EXPIRED: define(
    401,
    9,
    "the certificate has expired",
    "`mesh identity renew` proves the old key and gets a new one.",
  ),
  MESH_CERT_REVOKED: define(
    401,
    9,
    "the certificate was revoked",
    "Ask the operator for a new invite.",
  ),
  MESH_CERT_INVALID: define(
    400,
    9,
    "the certificate or request for one is not valid",
    "Make a new one: `mesh identity init`.",
  ),
  MESH_INVITE_INVALID: define(
    400,
    2,
    "Invalid invite code",
    "A character is missing or mistyped: copy the whole code again.",
  ),
  MESH_INVITE_UNKNOWN: define(
    404,
    3,
    "Invalid invite code: this member does not know it",
    "Ask for a new invite; `mesh invite list` shows the open ones.",
  ),
  MESH_INVITE_USED: define(
    409,
    5,
    "Invalid invite code: it has been used up",
    "Invites are for one use by default: ask for a new one.",
  ),
  MESH_INVITE_EXPIRED: define(
    410,
    5,
    "Invalid invite code: it has expired",
    "Ask for a new one; `--validity 7d` lasts longer.",
  ),
  MESH_INVITE_REVOKED: define(
    410,
    5,
    "Invalid invite code: it was revoked",
    "Ask the operator for a new one.",
  ),
  MESH_INVITE_WRONG_MEMBER: define(
    409,
    5,
    "the invite is for another member",
    "Check the address in the code; each member makes its own invites.",
  ),
  MESH_INVITE_WRONG_KIND: define(
    409,
    2,
    "the invite is for something else",
    "Nodes join with `mesh join CODE`, people with `mesh invite redeem CODE`.",
  ),
  MESH_PIN_MISMATCH: define(
    401,
    9,
    "the server's CA is not the one that the invite names",
    "Do not go on: somebody may be between you and the server. Ask for the invite again.",
  ),
  MESH_NAME_TAKEN: define(
    409,
    5,
    "the name belongs to another key",
    "Choose another: `mesh join --name NAME`, " +
      "or `mesh identity init --force --global-id NAME@DOMAIN`.",
  ),
  MESH_RECOVERY_EXHAUSTED: define(
    403,
    9,
    "this identity was let back in too often",
    "Ask the operator for a new invite.",
  ),
} as const;

const storage = {
  MESH_STORE_BUSY: define(
    503,
    7,
    "too many writes are waiting",
    "Send fewer at a time and try again.",
  ),
  MESH_STORE_COMPACTED: define(
    410,
    5,
    "the revision is no longer kept",
    "Read the present state and watch from its revision.",
  ),
  MESH_STORE_FUTURE_REVISION: define(
    400,
    2,
    "the revision is not there yet",
    "Use a revision that was answered.",
  ),
  MESH_STORE_KEY_INVALID: define(
    400,
    2,
    "the key is not allowed",
    "See the limits of keys in docs/limits.md.",
  ),
  MESH_STORE_VALUE_TOO_LARGE: define(
    413,
    7,
    "the value is too large",
    "Values may have up to 1 MiB.",
  ),
  MESH_STORE_TXN_TOO_LARGE: define(
    413,
    7,
    "the transaction has too many operations",
    "Split it in parts.",
  ),
  MESH_STORE_LEASE_UNKNOWN: define(404, 3, "the lease has ended", "Take a new lease."),
  MESH_STORE_NEWER: define(
    500,
    5,
    "the database was written by a newer version",
    "Run that version or a later one; nothing was changed.",
  ),
  MESH_STORE_CORRUPT: define(500, 8, "the database is damaged", "Restore it from a backup."),
  MESH_STORE_CLOSED: define(503, 6, "the store is closed", "Start the node again."),
} as const;

const files = {
  MESH_PATH_INVALID: define(
    400,
    2,
    "the path is not allowed",
    "Paths start with `/` and have no `..`, no empty part and no control characters.",
  ),
  MESH_PATH_TOO_LONG: define(
    400,
    2,
    "the path is too long",
    "A name has up to 255 bytes, a path up to 4096.",
  ),
  MESH_PARENT_MISSING: define(
    404,
    3,
    "Parent directory does not exist",
    "Create parent directories first: `mesh mkdir -p PATH`.",
  ),
  MESH_PATH_NOT_FOUND: define(
    404,
    3,
    "there is no such file or directory",
    "`mesh ls` shows what is there.",
  ),
  MESH_PATH_EXISTS: define(409, 5, "the path exists", "Choose another name, or remove it first."),
  MESH_NOT_A_DIRECTORY: define(
    409,
    5,
    "a part of the path is a file",
    "Choose a path below a directory.",
  ),
  MESH_IS_A_DIRECTORY: define(409, 5, "the path is a directory", "Name a file in it, or use `-r`."),
  MESH_DIRECTORY_NOT_EMPTY: define(
    409,
    5,
    "the directory is not empty",
    "Remove it with `mesh rm -r`.",
  ),
  MESH_PATH_CHANGED: define(
    412,
    5,
    "somebody else changed the path in the meantime",
    "Read it again, then repeat your change.",
  ),
  MESH_UPLOAD_UNKNOWN: define(404, 3, "the upload has ended", "Start it again."),
  MESH_RANGE_INVALID: define(
    416,
    2,
    "the range lies outside the file",
    "`mesh stat` shows the size.",
  ),
  MESH_FILE_TOO_LARGE: define(413, 7, "the file is too large", "A file may have up to 64 TiB."),
  MESH_CHUNK_MISMATCH: define(
    422,
    8,
    "the bytes of a chunk do not match its name",
    "They were damaged on the way or on a disk: try again.",
  ),
  MESH_CHUNK_NOT_FOUND: define(
    404,
    3,
    "the node does not have this chunk",
    "Another replica is asked.",
  ),
  MESH_CHUNK_UNAVAILABLE: define(
    503,
    8,
    "no reachable node has a good copy of a part of this file",
    "`mesh status` shows which nodes are away; start them and try again.",
  ),
  MESH_NO_STORAGE: define(
    503,
    6,
    "too few storage nodes are there for a safe write",
    "`mesh status` shows which nodes are away.",
  ),
  MESH_TICKET_INVALID: define(
    403,
    9,
    "the ticket for this chunk operation is not valid",
    "Ask the coordinator for a new one; check that the clocks agree.",
  ),
  MESH_EPOCH_OLD: define(
    409,
    5,
    "the order comes from a leader that was replaced",
    "Ask the present leader.",
  ),
  MESH_LAYOUT_CHANGED: define(
    409,
    5,
    "the layout has changed",
    "Fetch the new layout and try again.",
  ),
} as const;

export const ERROR_REGISTRY = {
  ...general,
  ...daemon,
  ...trust,
  ...storage,
  ...files,
  ...federation,
  ...pool,
  ...mesh,
  ...store,
} as const;

export type ErrorCode = keyof typeof ERROR_REGISTRY;
