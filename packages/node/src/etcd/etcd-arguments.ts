/**
 * The command line of etcd. It holds paths, addresses and numbers, never a secret. Everything that
 * etcd can do without mutual TLS is switched off.
 */
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { limits } from "@hearthmesh/core";
import type { HostPort, StoreConfig } from "../config/config.js";
import type { EtcdProgram } from "./find-etcd.js";
import type { StoreFiles } from "./store-files.js";

/** How etcd comes to its data. */
export type EtcdStart =
  /** Alone, or with the data directory that is there; then the rest does not matter. */
  | { kind: "new"; token: string }
  | { kind: "existing" }
  /** With the members that the cluster has now, this one included, by their peer URLs. */
  | { kind: "join"; token: string; initialCluster: readonly InitialMember[] };

export interface InitialMember {
  name: string;
  peerUrls: readonly string[];
}

export interface EtcdSettings {
  program: EtcdProgram;
  files: Pick<StoreFiles, "data" | "caCertificate" | "serverCertificate" | "serverKey">;
  store: Pick<StoreConfig, "client" | "peer" | "electionTimeoutMs" | "quotaBytes">;
  /** The name of the member in the cluster: `<node name>.<node id>`. */
  memberName: string;
  /** Hosts under which clients and peers reach this node. */
  hosts: readonly string[];
  /** Flags of the limits that the store promises. */
  limitFlags: readonly string[];
}

export function etcdArguments(settings: EtcdSettings, start: EtcdStart): string[] {
  const { store, hosts, files, memberName, limitFlags, program } = settings;
  const peerUrls = urlsOf(hosts, store.peer.port);
  return [
    `--name=${memberName}`,
    `--data-dir=${files.data}`,
    `--listen-client-urls=${listenUrls(store.client).join(",")}`,
    `--advertise-client-urls=${urlsOf(hosts, store.client.port).join(",")}`,
    `--listen-peer-urls=${listenUrls(store.peer).join(",")}`,
    `--initial-advertise-peer-urls=${peerUrls.join(",")}`,
    ...startFlags(start, { name: memberName, peerUrls }),
    ...tlsFlags(files),
    `--election-timeout=${store.electionTimeoutMs}`,
    `--heartbeat-interval=${Math.max(1, Math.round(store.electionTimeoutMs / 10))}`,
    // A member that comes back from a partition does not depose the leader.
    "--pre-vote=true",
    "--strict-reconfig-check=true",
    `--quota-backend-bytes=${store.quotaBytes}`,
    // etcd looks every five minutes and keeps this many revisions, as docs/store.md promises.
    "--auto-compaction-mode=revision",
    `--auto-compaction-retention=${limits.STORE_HISTORY_REVISIONS_MAX}`,
    "--logger=zap",
    "--log-outputs=stderr",
    ...limitFlags,
    ...changingFlags(program),
  ];
}

/** A host and port as etcd and its clients write it. */
function storeUrl(host: string, port: number): string {
  return `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

export function urlsOf(hosts: readonly string[], port: number): string[] {
  return hosts.map((host) => storeUrl(host, port));
}

/** Where the daemon reaches the etcd of its own machine. */
export function ownEndpoint({ host, port }: HostPort): string {
  if (host === "0.0.0.0") return storeUrl("127.0.0.1", port);
  return storeUrl(host === "::" ? "::1" : host, port);
}

/** etcd takes addresses, and `localhost` as the one name. */
function listenUrls({ host, port }: HostPort): string[] {
  const everywhere = host === "0.0.0.0" || host === "::";
  const loopback = ["127.0.0.1", "localhost", "::1"].includes(host);
  const own = storeUrl(host, port);
  return everywhere || loopback ? [own] : [own, storeUrl("127.0.0.1", port)];
}

function startFlags(start: EtcdStart, self: InitialMember): string[] {
  if (start.kind === "existing") return [];
  const members = start.kind === "new" ? [self] : start.initialCluster;
  const cluster = members.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`));
  return [
    `--initial-cluster=${cluster.join(",")}`,
    `--initial-cluster-state=${start.kind === "new" ? "new" : "existing"}`,
    `--initial-cluster-token=${start.token}`,
  ];
}

function tlsFlags(files: EtcdSettings["files"]): string[] {
  const both = (prefix: string) => [
    `--${prefix}cert-file=${files.serverCertificate}`,
    `--${prefix}key-file=${files.serverKey}`,
    `--${prefix}trusted-ca-file=${files.caCertificate}`,
    `--${prefix}client-cert-auth=true`,
  ];
  return [...both(""), ...both("peer-")];
}

/** Each by the first of its names that this etcd knows. */
const CHANGING_FLAGS: readonly (readonly string[])[] = [
  // Peers may speak from other addresses than they are reached at; their certificate counts.
  ["peer-skip-client-san-verification", "experimental-peer-skip-client-san-verification"],
  // A member whose disk changed its data finds out by comparing with the others.
  ["initial-corrupt-check", "experimental-initial-corrupt-check"],
];

function changingFlags({ flags }: EtcdProgram): string[] {
  const known = CHANGING_FLAGS.map((names) => names.find((name) => flags.has(name)));
  return known.flatMap((name) => (name === undefined ? [] : [`--${name}=true`]));
}

/** What etcd makes inside its data directory; its absence means that there is no data. */
export function memberFolder(dataDirectory: string): string {
  return join(dataDirectory, "member");
}
