/** The keys of the store: which engine, where etcd is, how the coordinators elect a leader. */
import { z } from "zod";
import { duration, host, key, port, size, whole } from "./key-forms.js";

const endpoints = z.preprocess(
  (value) => (typeof value === "string" ? value.split(",").map((item) => item.trim()) : value),
  z.array(z.string().regex(/^https?:\/\/[^/\s]+:\d+$/, "use https://host:port")).max(16),
);
const path = z.string().min(1);

export const STORE_KEYS = {
  "store.engine": key(
    z.enum(["sqlite", "etcd"]),
    "",
    "store",
    ["MESH_STORE"],
    "What the member's records are kept in. sqlite: embedded, one coordinator. etcd: several " +
      "coordinators, of which one leads. Default: what the home holds, else sqlite.",
  ),
  "store.endpoints": key(
    endpoints,
    "",
    "store-endpoint",
    ["MESH_STORE_ENDPOINTS"],
    "An etcd cluster that is there already: https://host:port of its members. Without them this " +
      "node starts and supervises the etcd of this machine.",
  ),
  "store.ca": key(
    path,
    "",
    "store-ca",
    ["MESH_STORE_CA"],
    "Certificate of the authority that an existing etcd cluster is verified with (PEM file).",
  ),
  "store.certificate": key(
    path,
    "",
    "store-cert",
    ["MESH_STORE_CERT"],
    "Certificate that this node shows to an existing etcd cluster (PEM file).",
  ),
  "store.key": key(
    path,
    "",
    "store-key",
    ["MESH_STORE_KEY"],
    "File of the private key of that certificate (PEM, readable by its owner alone).",
  ),
  "store.user": key(
    z.string().min(1).max(128),
    "",
    "store-user",
    ["MESH_STORE_USER"],
    "User name at an existing etcd cluster with authentication.",
  ),
  "store.passwordFile": key(
    path,
    "",
    "store-password-file",
    ["MESH_STORE_PASSWORD_FILE"],
    "File that holds the password of that user, readable by its owner alone.",
  ),
  "store.host": key(
    host,
    "0.0.0.0",
    "store-host",
    ["MESH_STORE_HOST"],
    "Address where the supervised etcd listens (mutual TLS, coordinators of this member alone).",
  ),
  "store.clientPort": key(
    port,
    "9002",
    "store-port",
    ["MESH_STORE_PORT"],
    "Port where the supervised etcd serves the coordinators of this member.",
  ),
  "store.peerPort": key(
    port,
    "9003",
    "store-peer-port",
    ["MESH_STORE_PEER_PORT"],
    "Port where the supervised etcd speaks with the etcd of the other coordinators.",
  ),
  "store.members": key(
    whole(1, 5).refine((count) => [1, 3, 5].includes(count), "use 1, 3 or 5"),
    "3",
    "store-members",
    ["MESH_STORE_MEMBERS"],
    "Coordinators that run a voting etcd at most; further ones use it and stand by.",
  ),
  "store.electionTimeout": key(
    duration,
    "1s",
    "store-election-timeout",
    ["MESH_STORE_ELECTION_TIMEOUT"],
    "How long the supervised etcd waits for its leader before it elects another; a tenth of it " +
      "is the heartbeat. At least ten times the round trip between the coordinators.",
  ),
  "store.leaseTime": key(
    duration,
    "3s",
    "store-lease-time",
    ["MESH_STORE_LEASE_TIME"],
    "How long a coordinator leads after its last renewal; it stops acting earlier by itself.",
  ),
  "store.memberLost": key(
    duration,
    "15m",
    "store-member-lost",
    ["MESH_STORE_MEMBER_LOST"],
    "A supervised etcd that does not answer for this long is given up: a coordinator that stands " +
      "by takes its place. Longer than a restart takes.",
  ),
  "store.quota": key(
    size,
    "2GiB",
    "store-quota",
    ["MESH_STORE_QUOTA"],
    "Size of the supervised etcd's database at which only deletions are taken.",
  ),
  "store.snapshotInterval": key(
    duration,
    "24h",
    "store-snapshot-interval",
    ["MESH_STORE_SNAPSHOT_INTERVAL"],
    "Time between two snapshots of the supervised etcd, kept in MESH_HOME; 0s for none.",
  ),
  "store.snapshotsKept": key(
    whole(1, 100),
    "7",
    "store-snapshots-kept",
    ["MESH_STORE_SNAPSHOTS_KEPT"],
    "Scheduled snapshots that are kept; the oldest go first.",
  ),
} as const;
