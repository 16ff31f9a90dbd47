/**
 * `mesh pool join`: this machine asks the admin of a pool to let it in, and becomes a node of that
 * member. A node that is of the member already asks with the key that it has.
 */
import type { PoolAnswer } from "@hearthmesh/client";
import {
  MeshError,
  parseNodeName,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import type { PoolJoinRequest } from "@hearthmesh/gateway/contracts";
import {
  createCertificateRequest,
  type Endpoint,
  type KeyPairPem,
  type NodeRole,
  pairingKeyOf,
  pairingProof,
  parsePairingCode,
  parsePoolId,
  parsePoolRoot,
  poolIdOf,
  poolRootOf,
} from "@hearthmesh/identity";
import type { Config } from "../config/config.js";
import { type ConfigSources, loadConfig } from "../config/load.js";
import { defaultNodeName } from "../create-member.js";
import {
  type NodeRecord,
  nodeFiles,
  readCertificate,
  readKey,
  readNodeRecord,
  writeNode,
} from "../home.js";
import { lockHome } from "../home-lock.js";
import { keyPairOf } from "../key-pair.js";
import { AdminSearch } from "./admin-search.js";
import { forgetJoinKey, joinKey } from "./join-key.js";
import { placeOf } from "./places.js";
import { writePoolFile } from "./pool-files.js";
import { readPreparation, withPreparation } from "./preparation.js";

export interface JoinPoolOptions extends ConfigSources {
  readonly poolId: string;
  readonly rootPublicKey: string;
  /** Checked against the id when it is given. */
  readonly poolName: string | undefined;
  /** `host:port` of enrolment; `host` alone is port 9001. Without any, the LAN is asked. */
  readonly peers: readonly string[];
  readonly code: string | undefined;
  /** `storage`, `gateway`; both when left out. `ai` comes by itself. */
  readonly roles: readonly string[] | undefined;
  readonly waitMs: number;
  /** Called once, when the admin has the question and has not decided. */
  onWords(words: string): void;
  readonly signal: AbortSignal;
}

export interface JoinedPool {
  readonly poolId: string;
  readonly poolName: string;
  readonly networkId: string;
  readonly memberId: string;
  readonly nodeId: string;
  readonly nodeName: string;
  /** It was no node before. */
  readonly isNew: boolean;
  /** Its node has the role `ai` from its next start on. */
  readonly isToRestart: boolean;
}

const ROLES: readonly NodeRole[] = ["storage", "gateway", "ai"];
const DEFAULT_ROLES: readonly NodeRole[] = ["storage", "gateway"];

/**
 * Throws `MESH_POOL_PENDING` when nobody decided in time, `MESH_POOL_REFUSED`,
 * `MESH_PAIRING_INVALID`, `MESH_UNREACHABLE` when no admin of the pool was found,
 * `MESH_PIN_MISMATCH` when only others answered, `MESH_ALREADY_MEMBER` for a node of another
 * member.
 */
export async function joinPool(options: JoinPoolOptions): Promise<JoinedPool> {
  checkCredentials(options);
  const loaded = loadConfig(options).config;
  const config = await withPreparation(loaded);
  const present = await readNodeRecord(config.home);
  if (present !== undefined) return joinAsNode(config, present, options);
  const lock = await lockHome(config.home);
  try {
    return await joinAsNewcomer(config, options);
  } finally {
    await lock.release();
  }
}

async function joinAsNewcomer(config: Config, options: JoinPoolOptions): Promise<JoinedPool> {
  const name = parseNodeName(config.nodeName ?? defaultNodeName());
  const keyPair = await joinKey(config.home);
  const answer = await ask(config, name, keyPair, options, []);
  const { enrolment, roster } = answer;
  const { memberId, trustDomain, roles, coordinator } = enrolment;
  const nodeName = enrolment.spiffeId.split("/").at(-1) ?? name;
  const who = { nodeId: keyPair.nodeId, name: nodeName, memberId, trustDomain, roles };
  const record: NodeRecord = { v: 1, ...who, coordinator };
  await writePoolFile(config.home, { v: 1, roster, statements: [] });
  await writeNode(nodeFiles(config, record), record, {
    keyPem: keyPair.privateKeyPem,
    certificatePem: enrolment.certificatePem,
    caCertificatePem: enrolment.caCertificatePem,
  });
  await forgetJoinKey(config.home);
  return joined(answer, record, true);
}

/** The daemon may run meanwhile: it hears of its place in the ring over its links. */
async function joinAsNode(
  config: Config,
  record: NodeRecord,
  options: JoinPoolOptions,
): Promise<JoinedPool> {
  const files = nodeFiles(config, record);
  const isSame = poolRootOf(await readCertificate(files.caCertificate)) === options.rootPublicKey;
  if (!isSame || record.roles.includes("coordinator")) {
    throw new MeshError("MESH_ALREADY_MEMBER", {
      message: isSame
        ? `${record.name} is a coordinator of this member, and asks nobody to join a pool`
        : `${config.home} holds the node ${record.name} of ${record.memberId}, another member`,
      hint: isSame
        ? "Make a pool with `mesh pool create`; other machines join it."
        : "Join with another directory: MESH_HOME.",
    });
  }
  const keyPair = keyPairOf(await readKey(files.key));
  const known = (record.coordinator?.enrolmentAddresses ?? []).flatMap(
    (text) => placeOf(text) ?? [],
  );
  const answer = await ask(config, record.name, keyPair, options, known);
  const isToRestart = await addRole(config, record);
  return { ...joined(answer, record, false), isToRestart };
}

/** What the certificate allows is the authority's; this is what the node does by itself. */
async function addRole(config: Config, record: NodeRecord): Promise<boolean> {
  if (record.roles.includes("ai")) return false;
  const files = nodeFiles(config, record);
  const { writePrivate } = await import("@hearthmesh/client/private-files");
  const roles = ROLES.filter((role) => role === "ai" || record.roles.includes(role));
  await writePrivate(files.record, `${JSON.stringify({ ...record, roles }, undefined, 2)}\n`);
  return true;
}

type Joined = Extract<PoolAnswer, { state: "joined" }>;

async function ask(
  config: Config,
  name: string,
  keyPair: KeyPairPem,
  options: JoinPoolOptions,
  known: readonly Endpoint[],
): Promise<Joined> {
  const { poolId, rootPublicKey: root, peers, waitMs, onWords, signal } = options;
  const search = new AdminSearch({
    poolId,
    root,
    name,
    keyPair,
    request: await requestOf(config, name, keyPair, options),
    places: peers.length > 0 ? peers.map(peerPlace) : known,
    beaconPort:
      peers.length === 0 && config.mesh.beacon.enabled ? config.mesh.beacon.port : undefined,
    waitMs,
    onWords,
    clock: systemClock(),
    random: systemRandom(),
    log: silentLogger,
  });
  return search.run(signal);
}

async function requestOf(
  config: Config,
  name: string,
  keyPair: KeyPairPem,
  { poolId, rootPublicKey: root, code, roles }: JoinPoolOptions,
): Promise<PoolJoinRequest> {
  const networkId = (await readPreparation(config.home))?.networkId;
  const wanted = ROLES.filter((role) => role === "ai" || (roles ?? DEFAULT_ROLES).includes(role));
  const request = { poolId, name, roles: wanted, csrPem: await createCertificateRequest(keyPair) };
  const network = networkId === undefined ? {} : { networkId };
  if (code === undefined) return { ...request, ...network };
  const pairing = parsePairingCode(code);
  const proof = pairingProof(pairingKeyOf(pairing, poolId), root, keyPair.nodeId);
  return { ...request, ...network, pairing: { id: pairing.id, proof } };
}

function peerPlace(text: string): Endpoint {
  const place = placeOf(text);
  if (place !== undefined) return place;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(text.slice(0, 80))} is not an address`,
    hint: "Write the address of the admin's machine: host, or host:port of its enrolment (9001).",
  });
}

/** Id, root key and name prove each other, so that a slip of the hand is found here. */
function checkCredentials({ poolId, rootPublicKey, poolName, roles }: JoinPoolOptions): void {
  parsePoolId(poolId);
  parsePoolRoot(rootPublicKey);
  const wrong = roles?.find((role) => !ROLES.includes(role as NodeRole));
  if (wrong !== undefined) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${JSON.stringify(wrong.slice(0, 40))} is not a role that a pool gives`,
      hint: `There are: ${ROLES.join(", ")}.`,
    });
  }
  if (poolName === undefined || poolIdOf(rootPublicKey, poolName) === poolId) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: "the pool's id, its root public key and its name do not belong together",
    hint: "Copy all three from one `mesh pool create` or `mesh pool status`.",
  });
}

function joined(answer: Joined, record: NodeRecord, isNew: boolean): JoinedPool {
  const { roster } = answer;
  const { poolId, networkId, name: poolName } = roster;
  const { memberId, nodeId, name: nodeName } = record;
  const who = { poolId, poolName, networkId, memberId, nodeId, nodeName };
  return { ...who, isNew, isToRestart: false };
}
