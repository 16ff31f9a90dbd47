/** The flags of `mesh up` and `mesh join`: the same names as the configuration keys of the node. */
import { collect, type MeshCommand } from "./command.js";

export type DaemonFlags = Record<string, string | string[] | boolean | undefined>;

/** Long name, placeholder, meaning. */
const DAEMON_FLAGS: readonly (readonly [name: string, value: string, about: string])[] = [
  ["home", "<directory>", "data directory instead of MESH_HOME"],
  ["config", "<file>", "configuration file instead of mesh.yaml in the data directory"],
  ["name", "<name>", "name of this node; default: the machine's host name"],
  ["member", "<name>", "name of the member that a first start creates"],
  ["domain", "<domain>", "trust domain of that member; default: home.<member>"],
  ["site", "<name>", "place of this machine; copies go to different sites"],
  ["capacity", "<size>", "how much to keep for the collective, such as 512MB"],
  ["pack-size", "<size>", "size of one file of chunks on the disk"],
  ["replicas", "<number>", "copies of every chunk"],
  ["acks", "<number>", "copies that must be on disk before a write is acknowledged"],
  ["repair-interval", "<time>", "time between two walks of the repairer"],
  ["node-lost", "<time>", "a storage node that is away for longer counts as lost"],
  ["backup-interval", "<time>", "time between two snapshots of the records at friends"],
  ["garbage-grace", "<time>", "how long a chunk without a file is kept"],
  ["trash-retention", "<time>", "how long removed files can be had back; 0 is not at all"],
  ["layout-auto-join", "<yes|no>", "whether a new storage node gets its share at once"],
  ["port-base", "<number>", "added to every default port"],
  ["listen", "<host>", "host of the API, link and enrolment ports"],
  ["http-host", "<host>", "address of the page and the local API"],
  ["http-port", "<port>", "port of the page and the local API"],
  ["api-host", "<host>", "host of the API under mutual TLS"],
  ["api-port", "<port>", "port of the API under mutual TLS"],
  ["link-host", "<host>", "host for links between nodes"],
  ["link-port", "<port>", "port for links between nodes"],
  ["enrol-host", "<host>", "host where invites are redeemed"],
  ["enrol-port", "<port>", "port where invites are redeemed"],
  ["node-invite-file", "<file>", "where a coordinator keeps an invite for storage nodes"],
  ["token-file", "<file>", "file with the invite of a machine that is no node yet"],
  ["metrics-host", "<host>", "host of the Prometheus metrics"],
  ["metrics-port", "<port>", "port of the Prometheus metrics"],
  ["mesh", "<mode>", "auto, true (others may be introduced, port 3000 opens for keys) or false"],
  ["profile", "<name>", "times of the failure detector: lan, wan or loopback"],
  ["serve-as-hub", "<yes|no>", "whether others keep a link to this node; default: a coordinator"],
  ["beacon", "<yes|no>", "whether to call for the own nodes on the LAN"],
  ["beacon-port", "<port>", "UDP port of the beacons, the same for all nodes of a LAN"],
  ["membership-host", "<host>", "host for the datagrams of the failure detector"],
  ["membership-port", "<port>", "UDP port for the datagrams of the failure detector"],
  ["udp", "<yes|no>", "whether datagrams are used; without them all goes over links"],
  ["relay", "<yes|no>", "whether to pass streams on between nodes that cannot reach each other"],
  ["relay-streams", "<number>", "streams that are passed on for one peer at a time"],
  ["relay-rate", "<size>", "bytes per second that are passed on for one peer; 0 is no limit"],
  ["relay-bytes", "<size>", "bytes after which a passed-on stream ends; 0 is no limit"],
  ["relay-time", "<time>", "time after which a passed-on stream ends; 0 is no limit"],
  ["overlay", "<type>", "overlay network of this node: auto, none or yggdrasil"],
  ["overlay-interface", "<name>", "network interface that it makes; none for no interface"],
  ["overlay-multicast", "<yes|no>", "whether it looks for any of its nodes on the LAN"],
  ["overlay-config", "<file>", "where its configuration is written"],
  ["overlay-admin", "<unix:///path>", "admin socket of its daemon"],
  ["store", "<engine>", "where the member's records are: sqlite, or etcd for several coordinators"],
  ["store-host", "<host>", "host of the etcd that this node supervises"],
  ["store-port", "<port>", "port of that etcd for the coordinators of this member"],
  ["store-peer-port", "<port>", "port of that etcd for the etcd of the other coordinators"],
  ["store-members", "<number>", "coordinators that run a voting etcd at most: 1, 3 or 5"],
  ["store-election-timeout", "<time>", "how long etcd waits for its leader"],
  ["store-lease-time", "<time>", "how long a coordinator leads after its last renewal"],
  ["store-member-lost", "<time>", "how long an etcd may be away before another takes its place"],
  ["store-quota", "<size>", "size of etcd's database at which only deletions are taken"],
  ["store-snapshot-interval", "<time>", "time between two snapshots of etcd; 0s for none"],
  ["store-snapshots-kept", "<number>", "scheduled snapshots that are kept"],
  ["store-ca", "<file>", "certificate of the authority of an existing etcd cluster"],
  ["store-cert", "<file>", "certificate to show to an existing etcd cluster"],
  ["store-key", "<file>", "file with the private key of that certificate"],
  ["store-user", "<name>", "user at an existing etcd cluster"],
  ["store-password-file", "<file>", "file with the password of that user"],
  ["ai", "<mode>", "whether this node runs models: auto, true or false"],
  ["ai-engine", "<name>", "what computes models: auto, ggml or reference"],
  ["ai-threads", "<number>", "threads of an engine"],
  ["ai-memory", "<size>", "memory for models on this node"],
  ["ai-context", "<tokens>", "tokens of prompt and answer of one request"],
  ["ai-sequences", "<number>", "requests that one model answers at a time"],
  ["ai-idle-unload", "<time>", "how long a model stays loaded that nobody asks for"],
  ["ai-model-cache", "<size>", "room for local copies of models"],
  ["ai-tensor-host", "<host>", "host where engines of a split model reach each other"],
  ["ai-tensor-port", "<port>", "first port for that; 0 is any"],
  ["pool-capacity", "<number>", "share of this node in its pools, against that of the others"],
  ["healing", "<mode>", "acting, dry-run (only say what would be done) or off"],
  ["cert-dir", "<directory>", "directory of keys and certificates"],
  ["log-level", "<level>", "debug, info, warn or error"],
];

/** Flags that may be given several times. */
const LISTS: readonly (readonly [name: string, value: string, about: string])[] = [
  ["role", "<role>", "coordinator, storage or gateway; may be repeated; default: all"],
  ["capability", "<name>", "what this node offers, such as ai; may be repeated"],
  ["http-viewer", "<network>", "who may read /mesh/... without a key; may be repeated"],
  ["hub", "<address>", "hub to dial out to: https://host or host:port; may be repeated"],
  ["peer", "<address>", "link address of another node, host:port; may be repeated"],
  ["store-endpoint", "<url>", "an existing etcd: https://host:port; may be repeated"],
  ["overlay-peer", "<uri>", "overlay peer to dial, tcp://host:port; may be repeated"],
  ["overlay-listen", "<uri>", "where overlay peers may dial this node; may be repeated"],
  ["overlay-allow", "<key>", "public key of such a peer; may be repeated; default: any"],
  ["advertise", "<host>", "host under which others reach this machine; may be repeated"],
  ["api-advertise", "<host:port>", "where the API is published for others; may be repeated"],
  ["link-advertise", "<host:port>", "where links are published for others; may be repeated"],
  ["enrol-advertise", "<host:port>", "where enrolment is published for others; may be repeated"],
];

export function withDaemonOptions(command: MeshCommand): MeshCommand {
  for (const [name, value, about] of DAEMON_FLAGS) command.option(`--${name} ${value}`, about);
  for (const [name, value, about] of LISTS) command.option(`--${name} ${value}`, about, collect);
  return command;
}

/** Commander's names (`portBase`) back to those of the flags (`port-base`). */
export function daemonFlags(options: Record<string, unknown>): DaemonFlags {
  const flags: DaemonFlags = {};
  for (const [name] of [...DAEMON_FLAGS, ...LISTS]) {
    const camel = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const value = options[camel];
    if (value !== undefined) flags[name] = value as string | string[];
  }
  return flags;
}
