/** What can go wrong in the store, whichever engine it runs on, and in what users keep in it. */
import { define } from "./error-definition.js";

export const store = {
  MESH_STORE_UNAVAILABLE: define(
    503,
    6,
    "the store does not answer",
    "`mesh store members` shows which members run; more than half of them must.",
  ),
  MESH_STORE_RESULT_UNKNOWN: define(
    504,
    6,
    "the connection to the store broke before its answer: the write may have happened or not",
    "Read what is there now before you repeat it.",
  ),
  MESH_STORE_NO_SPACE: define(
    507,
    7,
    "the store has used up its space and takes deletions only",
    "Delete what is not needed, or start with a larger `store.quota`; `mesh store status` tells " +
      "the size.",
  ),
  MESH_STORE_MISMATCH: define(
    500,
    8,
    "the copy of the store is not the same as its source",
    "The source is untouched. Empty the target and try again.",
  ),
  MESH_NOT_LEADER: define(
    503,
    6,
    "this coordinator does not lead now",
    "Ask the coordinator that leads; `mesh store status` names it.",
  ),
  MESH_ETCD_MISSING: define(
    500,
    2,
    "etcd is not installed on this machine",
    "Debian and Ubuntu: `apt install etcd-server etcd-client`. Others: put `etcd` 3.4 or newer " +
      "into PATH. Or run on the embedded store: `mesh up --store sqlite`.",
  ),
  MESH_ETCD_FAILED: define(
    500,
    1,
    "etcd does not run",
    "Its own words are in logs/etcd.log in MESH_HOME.",
  ),
  MESH_KV_NOT_FOUND: define(404, 3, "there is no such key", "`mesh kv list` shows the keys."),
  MESH_KV_CHANGED: define(
    412,
    5,
    "the key is not as you expected it",
    "Read it again, and repeat with its new ETag.",
  ),
  MESH_LOCK_TAKEN: define(
    409,
    5,
    "somebody else holds the lock",
    "Wait for it with `--wait`, or look who holds it: `mesh lock list`.",
  ),
  MESH_LOCK_LOST: define(
    409,
    5,
    "the lock was lost",
    "Somebody else may hold it now; stop what it protected, and take it again.",
  ),
} as const;
