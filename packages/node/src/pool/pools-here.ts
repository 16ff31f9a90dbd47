/**
 * `mesh pool create` and `mesh pool pair` while no node runs from this home: the member is made
 * when there is none, and its records are written straight.
 */
import { writePrivate } from "@hearthmesh/client/private-files";
import type { Authority } from "@hearthmesh/collective";
import { MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import type { PoolPairResponse } from "@hearthmesh/gateway/contracts";
import type { PoolRoster } from "@hearthmesh/identity";
import type { Config } from "../config/config.js";
import { type ConfigSources, loadConfig } from "../config/load.js";
import { createMember } from "../create-member.js";
import { type NodeRecord, nodeFiles, readKey, readNodeRecord } from "../home.js";
import { lockHome } from "../home-lock.js";
import { coordinatorCertificate, openMember } from "../member-authority.js";
import type { Tools } from "../tools.js";
import { NETWORK_ID_DEFAULT, readPreparation, withPreparation } from "./preparation.js";

interface PairingWish {
  readonly validityMs: number;
  readonly uses: number;
}

export interface CreatePoolOptions extends ConfigSources {
  name: string;
  /** A pool of that name which is there already is shown, and is no error. */
  isExistingFine: boolean;
  /** Make a code too. */
  pairing: PairingWish | undefined;
}

export interface CreatedPool {
  readonly poolId: string;
  readonly name: string;
  readonly networkId: string;
  readonly rootPublicKey: string;
  readonly pairingCode?: string;
}

/** `MESH_HOME_IN_USE` while a node runs; `MESH_POOL_NOT_ADMIN` for a node without the authority. */
export async function createPoolHere(options: CreatePoolOptions): Promise<CreatedPool> {
  const { config } = loadConfig(options);
  return withAuthority(config, "make", async ({ pools, localOperator }, record) => {
    const present = pools.list().find(({ name }) => name === options.name);
    const { nodeId, name: nodeName } = record;
    const networkId = (await readPreparation(config.home))?.networkId ?? NETWORK_ID_DEFAULT;
    const pool =
      present !== undefined && options.isExistingFine
        ? present
        : await pools.create(localOperator, {
            name: options.name,
            networkId,
            admin: { nodeId, name: nodeName },
          });
    const { poolId, name } = pool;
    const created = { poolId, name, networkId: pool.networkId, rootPublicKey: pools.root };
    if (options.pairing === undefined) return created;
    const { text } = await pools.makeCode(localOperator, { poolId, ...options.pairing });
    return { ...created, pairingCode: text };
  });
}

export interface PairPoolOptions extends ConfigSources, PairingWish {
  /** Id or name; undefined: the only one. */
  pool: string | undefined;
}

/** `MESH_POOL_UNKNOWN`, and the errors of `createPoolHere`. */
export async function pairPoolHere(options: PairPoolOptions): Promise<PoolPairResponse> {
  const { validityMs, uses } = options;
  const { config } = loadConfig(options);
  return withAuthority(config, "need", async ({ pools, localOperator }) => {
    const { poolId } = onlyPool(pools.list(), options.pool, (text) => pools.find(text));
    const made = await pools.makeCode(localOperator, { poolId, validityMs, uses });
    return { code: made.text, notAfter: new Date(made.notAfterMs).toISOString(), uses };
  });
}

function onlyPool(
  all: readonly PoolRoster[],
  wanted: string | undefined,
  find: (text: string) => PoolRoster,
): PoolRoster {
  if (wanted !== undefined) return find(wanted);
  const [only, ...more] = all;
  if (only === undefined) throw new MeshError("MESH_POOL_UNKNOWN");
  if (more.length === 0) return only;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `there are ${all.length} pools`,
    hint: "Say which with --pool-id.",
  });
}

interface OpenAuthority {
  readonly pools: Authority["pools"];
  readonly localOperator: ReturnType<Authority["localOperator"]>;
}

async function withAuthority<Result>(
  config: Config,
  member: "make" | "need",
  work: (authority: OpenAuthority, record: NodeRecord) => Promise<Result>,
): Promise<Result> {
  const tools: Tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
  const lock = await lockHome(config.home);
  try {
    const record = (await readNodeRecord(config.home)) ?? (await newMember(config, member, tools));
    if (!record.roles.includes("coordinator")) throw new MeshError("MESH_POOL_NOT_ADMIN");
    const files = nodeFiles(config, record);
    const { authority, memberStore } = await openMember(config, record, files, tools);
    try {
      const keyPem = await readKey(files.key);
      const certificatePem = await coordinatorCertificate(authority, config, record, keyPem);
      await writePrivate(files.certificate, certificatePem);
      const { pools } = authority;
      return await work({ pools, localOperator: authority.localOperator() }, record);
    } finally {
      await authority.close();
      await memberStore.close();
    }
  } finally {
    await lock.release();
  }
}

async function newMember(config: Config, wish: "make" | "need", tools: Tools): Promise<NodeRecord> {
  if (wish === "make") return createMember(await withPreparation(config), tools);
  throw new MeshError("MESH_POOL_UNKNOWN", { message: `${config.home} holds no node yet` });
}
