/**
 * What a node keeps on disk, and where:
 *
 *     node.json                       who this node is (below)
 *     certs/ca/<member>-ca.crt, .key  the member's CA; the key is on coordinators alone
 *     certs/ca/<member>-copies.key    what copies at friends are sealed with; coordinators alone
 *     certs/coordinators/<name>.crt, .key, or certs/nodes/<name>.crt, .key
 *     secrets/receipts.key            coordinator: the secret behind the receipts of storage nodes
 *     secrets/mesh.key                what hides the beacons of this mesh from others on the LAN
 *     seen.json                       storage: the furthest that its coordinator was
 *     membership.json                 where the other nodes were
 *     services.json                   what runs on this node for the mesh
 *     healing.json                    incidents and what helped, on a node without a store
 *     init.json                       name and network of a machine that was prepared for a pool
 *     pools/<pool id>.json            what the members of a pool agreed on
 *     ring_topology_<pool id>.json    the ring that follows from it, for people and scripts
 *     store/  chunks/  logs/  run/
 */
import { join } from "node:path";
import { readIfThere, readPrivate, writePrivate } from "@hearthmesh/client/private-files";
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { NodeRole } from "@hearthmesh/identity";
import type { Config } from "./config/config.js";

/** Who a node is; written once it was created or let in. */
export interface NodeRecord {
  v: 1;
  nodeId: NodeId;
  name: string;
  memberId: string;
  trustDomain: string;
  roles: readonly NodeRole[];
  /** The coordinator that let it in; absent on the first one itself. */
  coordinator?: NodeContact;
  /** Every coordinator, as last heard; absent while there was only that one. */
  coordinators?: readonly NodeContact[];
}

/** The coordinators that a node knows from its record; none on the first coordinator itself. */
export function knownCoordinators(
  record: Pick<NodeRecord, "coordinator" | "coordinators">,
): readonly NodeContact[] {
  return record.coordinators ?? (record.coordinator === undefined ? [] : [record.coordinator]);
}

/** Where a coordinator is: `host:port`, best first. */
export interface NodeContact {
  nodeId: NodeId;
  linkAddresses: readonly string[];
  apiAddresses: readonly string[];
  enrolmentAddresses: readonly string[];
}

export interface NodeFiles {
  record: string;
  caCertificate: string;
  caKey: string;
  certificate: string;
  key: string;
  receiptSecret: string;
  meshSecret: string;
  /** What copies and snapshots at friends are sealed with; see `recovery/store-key.ts`. */
  copiesKey: string;
  /** Of the supervised store; see `etcd/store-files.ts`. */
  storeCaKey: string;
  storeCaCertificate: string;
  /** How far the coordinator was; see `SeenMarkKeeper`. */
  seen: string;
  membership: string;
  services: string;
  /** What the healer of a node without a store remembers. */
  healing: string;
  store: string;
  chunks: string;
  /** Written while the daemon runs: where the CLI finds it. */
  running: string;
}

export function nodeFiles(
  config: Pick<Config, "home" | "certificatesDirectory">,
  who: Pick<NodeRecord, "memberId" | "name" | "roles">,
): NodeFiles {
  const certificates = config.certificatesDirectory;
  const kind = who.roles.includes("coordinator") ? "coordinators" : "nodes";
  return {
    record: join(config.home, "node.json"),
    caCertificate: join(certificates, "ca", `${who.memberId}-ca.crt`),
    caKey: join(certificates, "ca", `${who.memberId}-ca.key`),
    certificate: join(certificates, kind, `${who.name}.crt`),
    key: join(certificates, kind, `${who.name}.key`),
    receiptSecret: join(config.home, "secrets", "receipts.key"),
    meshSecret: join(config.home, "secrets", "mesh.key"),
    copiesKey: join(certificates, "ca", `${who.memberId}-copies.key`),
    storeCaKey: join(certificates, "ca", `${who.memberId}-store-ca.key`),
    storeCaCertificate: join(certificates, "ca", `${who.memberId}-store-ca.crt`),
    seen: join(config.home, "seen.json"),
    membership: join(config.home, "membership.json"),
    services: join(config.home, "services.json"),
    healing: join(config.home, "healing.json"),
    store: join(config.home, "store"),
    chunks: join(config.home, "chunks"),
    running: join(config.home, "run", "node.json"),
  };
}

/** The record of the node that lives in `home`, or undefined when none was made yet. */
export async function readNodeRecord(home: string): Promise<NodeRecord | undefined> {
  const path = join(home, "node.json");
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const record = parseRecord(text, path);
  if (record.v !== 1) {
    throw new MeshError("MESH_STORE_NEWER", {
      message: `${path} was written by a newer version`,
    });
  }
  return record;
}

function parseRecord(text: string, path: string): NodeRecord {
  try {
    return JSON.parse(text) as NodeRecord;
  } catch (cause) {
    throw new MeshError("MESH_STORE_CORRUPT", { message: `${path} is damaged`, cause });
  }
}

/** A node's key and certificates as PEM. */
export interface NodeCredentials {
  keyPem: string;
  certificatePem: string;
  caCertificatePem: string;
}

/** Throws `MESH_CONFIG_INVALID` that names the file when one is missing. */
export async function readCredentials(files: NodeFiles): Promise<NodeCredentials> {
  const [keyPem, certificatePem, caCertificatePem] = await Promise.all([
    readKey(files.key),
    readCertificate(files.certificate),
    readCertificate(files.caCertificate),
  ]);
  return { keyPem, certificatePem, caCertificatePem };
}

/** A private key. `MESH_HOME_UNSAFE` when others can read it. */
export async function readKey(path: string): Promise<string> {
  if ((await readIfThere(path)) === undefined) missing(path);
  return readPrivate(path);
}

export async function readCertificate(path: string): Promise<string> {
  return (await readIfThere(path)) ?? missing(path);
}

function missing(path: string): never {
  throw new MeshError("MESH_CONFIG_INVALID", {
    message: `${path} is missing`,
    hint: "Restore it from a backup, or remove MESH_HOME and start or join anew.",
  });
}

/**
 * Writes key and certificates, then the record: a crash in between leaves no record, and the next
 * start begins anew. The coordinator's own certificate comes later, from its authority.
 */
export async function writeNode(
  files: NodeFiles,
  record: NodeRecord,
  credentials: Omit<NodeCredentials, "certificatePem"> & { certificatePem?: string },
): Promise<void> {
  await writePrivate(files.key, credentials.keyPem);
  await writePrivate(files.caCertificate, credentials.caCertificatePem);
  if (credentials.certificatePem !== undefined) {
    await writePrivate(files.certificate, credentials.certificatePem);
  }
  await writePrivate(files.record, `${JSON.stringify(record, undefined, 2)}\n`);
}
