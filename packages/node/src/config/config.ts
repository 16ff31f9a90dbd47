/** The configuration as the daemon uses it: every value checked, typed and with its unit. */
import type { NodeRole } from "@hearthmesh/identity";

export interface HostPort {
  host: string;
  port: number;
  /** `host:port` under which others reach it too, told before its own addresses. */
  published?: readonly string[];
  /** Hosts of an overlay network at which it is reached too, told after its own addresses. */
  overlayHosts?: () => readonly string[];
}

export interface Config {
  /** Directory of everything that the node keeps. */
  home: string;
  certificatesDirectory: string;
  /** Undefined: taken from what is on disk, or chosen at the first start. */
  memberId: string | undefined;
  trustDomain: string | undefined;
  nodeName: string | undefined;
  roles: readonly NodeRole[] | undefined;
  site: string;
  advertise: readonly string[];
  http: HostPort;
  /** Who may read the views of the mesh without a key: networks, and `gateway`. */
  httpViewers: readonly string[];
  api: HostPort;
  links: HostPort;
  enrolment: HostPort;
  /** Where a coordinator keeps an invite for storage nodes; undefined: nowhere. */
  nodeInviteFile: string | undefined;
  metrics: HostPort;
  capacityBytes: number | undefined;
  packBytesMax: number;
  replicas: number;
  acks: number;
  repairIntervalMs: number;
  /** A storage node that is away for longer counts as lost. */
  nodeLostMs: number;
  garbageGraceMs: number;
  /** Between two snapshots of the records at friends. */
  backupIntervalMs: number;
  /** How long what was removed stays in the trash; 0: there is none. */
  trashRetentionMs: number;
  /** New storage nodes become part of the layout by themselves. */
  layoutAutoJoin: boolean;
  mesh: MeshConfig;
  overlay: OverlayConfig;
  store: StoreConfig;
  ai: AiConfig;
  /** Share of this node in the rings of its pools. */
  poolCapacity: number;
  healingMode: "acting" | "dry-run" | "off";
  logLevel: "debug" | "info" | "warn" | "error";
}

export interface MeshConfig {
  /** `true`: port 3000 answers other machines, and nodes of others may be introduced. */
  enabled: "auto" | "true" | "false";
  /** As configured; see `hub-address.ts`. */
  hubs: readonly string[];
  /** An invite for a machine that is no node yet. Secret. */
  token: string | undefined;
  /** A file that holds one. */
  tokenFile: string | undefined;
  /** Link addresses, `host:port`. */
  peers: readonly string[];
  /** Undefined: a coordinator is a hub, others are not. */
  serveAsHub: boolean | undefined;
  profile: "lan" | "wan" | "loopback";
  /** Undefined: `storage` for a node with that role. */
  capabilities: readonly string[] | undefined;
  beacon: { enabled: boolean; port: number };
  membership: HostPort & { udp: boolean };
  /** 0 is no limit. */
  relay: {
    enabled: boolean;
    streamsPerPeerMax: number;
    bytesPerSecond: number;
    streamBytesMax: number;
    streamTimeMsMax: number;
  };
}

export interface OverlayConfig {
  type: "none" | "yggdrasil";
  /** URIs; see `overlay/peer-uri.ts`. */
  peers: readonly string[];
  listen: readonly string[];
  /** Public keys, hexadecimal; empty: anybody may dial. */
  allowedKeys: readonly string[];
  /** `auto`, `none` or a name. */
  interfaceName: string;
  multicast: boolean;
  /** Undefined: in the home. */
  configFile: string | undefined;
  adminSocket: string | undefined;
}

export interface AiConfig {
  /** `auto`: when the node has the role `ai`. */
  enabled: "auto" | "true" | "false";
  engine: "auto" | "ggml" | "reference";
  /** Undefined: one less than the machine's cores. */
  threads: number | undefined;
  /** For all models together; undefined: what is free. */
  memoryBytesMax: number | undefined;
  contextTokens: number;
  sequencesMax: number;
  idleUnloadMs: number;
  /** Local copies of models that are not in use go beyond this. */
  modelCacheBytes: number;
  /** Port 0: any. */
  tensor: HostPort;
}

export interface StoreConfig {
  /** Undefined: what the home holds, else `sqlite`. */
  engine: "sqlite" | "etcd" | undefined;
  /** Of an etcd cluster that is there already; empty: this node supervises its own. */
  endpoints: readonly string[];
  /** Paths of PEM files, and the user, for such a cluster. */
  caFile: string | undefined;
  certificateFile: string | undefined;
  keyFile: string | undefined;
  user: string | undefined;
  passwordFile: string | undefined;
  /** Where the supervised etcd listens. */
  client: HostPort;
  peer: HostPort;
  votersMax: number;
  electionTimeoutMs: number;
  /** How long a coordinator leads after its last renewal. */
  leaseTimeMs: number;
  /** A member of the supervised etcd that is away for longer is replaced. */
  memberLostMs: number;
  quotaBytes: number;
  /** 0: none. */
  snapshotIntervalMs: number;
  snapshotsKept: number;
}
