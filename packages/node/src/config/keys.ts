/**
 * Every configuration key, once: its form, default, flag, variables and meaning. The loader, the
 * example file, `docs/configuration.md` and `mesh config show` are all made from this table.
 */
import { MeshError } from "@hearthmesh/core";
import { z } from "zod";
import { AI_KEYS } from "./ai-keys.js";
import { BACKUP_KEYS } from "./backup-keys.js";
import { HEALING_KEYS } from "./healing-keys.js";
import {
  type ConfigKey,
  duration,
  endpoints,
  flag,
  host,
  key,
  list,
  logLevel,
  port,
  size,
  whole,
} from "./key-forms.js";
import { capabilities, MESH_KEYS } from "./mesh-keys.js";
import { OVERLAY_KEYS } from "./overlay-keys.js";
import { POOL_KEYS } from "./pool-keys.js";
import { STORE_KEYS } from "./store-keys.js";
import { viewers } from "./viewers.js";

export type { ConfigKey } from "./key-forms.js";

/** Below it every lost link would make a node count as lost. */
const NODE_LOST_MS_MIN = 1_000;

export const CONFIG_KEYS = {
  "member.id": key(
    z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, "use a-z, 0-9 and -, up to 32"),
    "",
    "member",
    ["MESH_MEMBER", "COLLECTIVE_MEMBER_ID"],
    "Name of the member that a first start creates. Default: the name of the user who starts it.",
  ),
  "member.domain": key(
    z.string().min(3).max(253),
    "",
    "domain",
    ["MESH_DOMAIN", "COLLECTIVE_FEDERATION_DOMAIN"],
    "Trust domain of the member. Default: `home.` and the member's name.",
  ),
  "node.name": key(
    z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "use a-z, 0-9 and -, up to 63"),
    "",
    "name",
    ["MESH_NODE_NAME", "COLLECTIVE_COMPONENT_ID", "NODE_ID"],
    "Name of this node, for people. Default: the machine's host name.",
  ),
  "node.roles": key(
    z.preprocess(
      (value) => (typeof value === "string" ? value.split(",").map((item) => item.trim()) : value),
      z.array(z.enum(["coordinator", "storage", "gateway", "ai"])).min(1),
    ),
    "",
    "role",
    ["MESH_ROLES", "COLLECTIVE_COMPONENT_TYPE"],
    "What this node does. Default: all roles for the first node, " +
      "the invite's roles for one that joined.",
  ),
  "node.site": key(
    z.string().min(1).max(64),
    "home",
    "site",
    ["MESH_SITE"],
    "Place of this machine. Copies go to different sites when there are several.",
  ),
  "node.advertise": key(
    list,
    "",
    "advertise",
    ["MESH_ADVERTISE"],
    "Hosts under which others reach this machine. Default: the addresses of its network cards.",
  ),
  "node.capabilities": key(
    capabilities,
    "",
    "capability",
    ["MESH_CAPABILITIES"],
    "What this node offers, such as storage, compute, ai, gateway, archive. " +
      "Default: storage when it has that role.",
  ),
  "http.host": key(
    host,
    "127.0.0.1",
    "http-host",
    ["MESH_HTTP_HOST", "LISTEN_HOST"],
    "Address of the page and the local API. Default: this machine alone; 0.0.0.0 when " +
      "MESH_ENABLED is true, and then callers from other machines need an API key.",
  ),
  "http.port": key(
    port,
    "3000",
    "http-port",
    ["MESH_HTTP_PORT", "LISTEN_PORT"],
    "Port of the page and the local API.",
  ),
  "http.viewers": key(
    viewers,
    "",
    "http-viewer",
    ["MESH_HTTP_VIEWERS"],
    "Addresses and networks whose programs may read /mesh/status, /mesh/peers and /mesh/routes " +
      "without a key, and nothing else; `gateway` is this machine's default gateway: for a " +
      "container the machine that it runs on.",
  ),
  "api.host": key(
    host,
    "0.0.0.0",
    "api-host",
    ["MESH_API_HOST"],
    "Address of the API under mutual TLS.",
  ),
  "api.port": key(port, "8001", "api-port", ["MESH_API_PORT"], "Port of the API under mutual TLS."),
  "api.advertise": key(
    endpoints,
    "",
    "api-advertise",
    ["MESH_API_ADVERTISE"],
    "Addresses, host:port, under which others reach this door too, told before its own: where a " +
      "container or a router publishes it under another port.",
  ),
  "links.host": key(
    host,
    "0.0.0.0",
    "link-host",
    ["MESH_LINK_HOST"],
    "Address for links between nodes.",
  ),
  "links.port": key(port, "9000", "link-port", ["MESH_LINK_PORT"], "Port for links between nodes."),
  "links.advertise": key(
    endpoints,
    "",
    "link-advertise",
    ["MESH_LINK_ADVERTISE"],
    "The same for links between nodes.",
  ),
  "enrolment.host": key(
    host,
    "0.0.0.0",
    "enrol-host",
    ["MESH_ENROL_HOST"],
    "Address where invites are redeemed (TLS; the invite pins the CA).",
  ),
  "enrolment.port": key(
    port,
    "9001",
    "enrol-port",
    ["MESH_ENROL_PORT"],
    "Port where invites are redeemed.",
  ),
  "enrolment.advertise": key(
    endpoints,
    "",
    "enrol-advertise",
    ["MESH_ENROL_ADVERTISE"],
    "The same for the door where invites are redeemed; invites name these addresses.",
  ),
  "enrolment.nodeInviteFile": key(
    z.string().min(1),
    "",
    "node-invite-file",
    ["MESH_NODE_INVITE_FILE"],
    "File in which a coordinator keeps a valid invite for storage nodes (mode 0600). Whoever can " +
      "read it can add storage nodes to this member.",
  ),
  "metrics.host": key(
    host,
    "127.0.0.1",
    "metrics-host",
    ["MESH_METRICS_HOST"],
    "Address of the Prometheus metrics. " +
      "They tell sizes and names: open it to a trusted network only.",
  ),
  "metrics.port": key(
    port,
    "9090",
    "metrics-port",
    ["MESH_METRICS_PORT"],
    "Port of the Prometheus metrics.",
  ),
  portBase: key(
    whole(0, 50_000),
    "0",
    "port-base",
    ["MESH_PORT_BASE"],
    "Added to every default port, so that several nodes run on one machine.",
  ),
  "storage.capacity": key(
    size,
    "",
    "capacity",
    ["MESH_CAPACITY", "COLLECTIVE_STORAGE_CAPACITY"],
    "How much this node keeps for the collective. " +
      "Default: half of the free space at the first start.",
  ),
  "storage.packSize": key(
    size,
    "256MiB",
    "pack-size",
    ["MESH_PACK_SIZE"],
    "Size of one pack file of chunks. " +
      "Small ones give space back sooner, large ones keep fewer files open.",
  ),
  "collective.replicas": key(
    whole(1, 16),
    "3",
    "replicas",
    ["MESH_REPLICAS"],
    "Copies of every chunk.",
  ),
  "collective.acks": key(
    whole(1, 16),
    "2",
    "acks",
    ["MESH_ACKS"],
    "Copies in distinct zones that must be on disk before a write is acknowledged.",
  ),
  "collective.repairInterval": key(
    duration,
    "10m",
    "repair-interval",
    ["MESH_REPAIR_INTERVAL"],
    "Time between two walks that compare what should be stored with what is. " +
      "Changes start one at once.",
  ),
  "collective.nodeLost": key(
    duration.refine((timeMs) => timeMs >= NODE_LOST_MS_MIN, "use at least 1s"),
    "15m",
    "node-lost",
    ["MESH_NODE_LOST"],
    "A storage node that is away for longer counts as lost: others take over its chunks. " +
      "Longer than a restart takes, or much is copied for nothing.",
  ),
  "collective.garbageGrace": key(
    duration,
    "1h",
    "garbage-grace",
    ["MESH_GARBAGE_GRACE"],
    "How long a chunk without a file is kept. Longer than the longest upload pause.",
  ),
  "files.trashRetention": key(
    z.preprocess((value) => (value === "0" || value === 0 ? "0s" : value), duration),
    "7d",
    "trash-retention",
    ["MESH_TRASH_RETENTION"],
    "How long what was removed can be had back from the trash. 0: removed files are gone.",
  ),
  "layout.autoJoin": key(
    flag,
    "true",
    "layout-auto-join",
    ["MESH_LAYOUT_AUTO_JOIN"],
    "Whether a new storage node gets its share at once. Otherwise that is staged, " +
      "for `mesh layout show` and `mesh layout apply`.",
  ),
  ...MESH_KEYS,
  ...OVERLAY_KEYS,
  ...BACKUP_KEYS,
  ...STORE_KEYS,
  ...AI_KEYS,
  ...POOL_KEYS,
  ...HEALING_KEYS,
  "log.level": key(
    logLevel,
    "info",
    "log-level",
    ["MESH_LOG_LEVEL", "COLLECTIVE_LOG_LEVEL", "LOG_LEVEL"],
    "The least important lines that are written: debug, info, warn (or warning) or error.",
  ),
  certificates: key(
    z.string().min(1),
    "",
    "cert-dir",
    ["MESH_CERT_DIR", "COLLECTIVE_CERT_DIR"],
    "Directory of keys and certificates. Default: `certs` in MESH_HOME.",
  ),
} as const satisfies Record<string, ConfigKey>;

export type ConfigKeyName = keyof typeof CONFIG_KEYS;

/**
 * Variables that hold `host:port` for two keys at once, under the names of the homelab guide.
 */
export const ADDRESS_VARIABLES: Readonly<Record<string, readonly [ConfigKeyName, ConfigKeyName]>> =
  {
    COLLECTIVE_COORDINATOR_ADDRESS: ["api.host", "api.port"],
    COLLECTIVE_BOOTSTRAP_ADDRESS: ["enrolment.host", "enrolment.port"],
    COLLECTIVE_METRICS_ADDRESS: ["metrics.host", "metrics.port"],
  };

/** Ports that `portBase` shifts while they have their default. */
export const DEFAULT_PORT_KEYS = [
  "http.port",
  "api.port",
  "links.port",
  "enrolment.port",
  "metrics.port",
  "membership.port",
  "store.clientPort",
  "store.peerPort",
] as const satisfies readonly ConfigKeyName[];

/** Throws one error that lists all that is wrong. */
export function refuseConfig(problems: readonly string[]): never {
  throw new MeshError("MESH_CONFIG_INVALID", {
    message: `the configuration is not valid: ${problems.join("; ")}`,
  });
}
