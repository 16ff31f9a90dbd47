/**
 * Looks after the space of the store and takes snapshots. Space is the business of the leader's
 * node alone; every node takes snapshots of its own etcd, so that they lie on several machines.
 */
import { join } from "node:path";
import {
  type Clock,
  errorFields,
  formatBytes,
  type Logger,
  type Random,
  sleep,
} from "@hearthmesh/core";
import type { EtcdAdmin } from "@hearthmesh/store";
import type { StoreConfig } from "../config/config.js";
import type { Observation } from "./cluster-observer.js";
import { DEFRAGMENT_PAUSE_MS, HISTORY_REVISIONS_WHEN_SHORT, UPKEEP_LOOK_MS } from "./limits.js";
import {
  listSnapshots,
  pruneSnapshots,
  snapshotName,
  snapshotTimeMs,
  writeSnapshot,
} from "./snapshot-file.js";
import { snapshotPieces } from "./snapshot-pieces.js";
import type { StoreFiles } from "./store-files.js";
import { type MemberSize, planSpace } from "./upkeep-plan.js";

export interface StoreUpkeepOptions {
  /** For this part alone: it is pointed at one member after the other. */
  admin: EtcdAdmin;
  files: Pick<StoreFiles, "snapshots">;
  store: Pick<StoreConfig, "quotaBytes" | "snapshotIntervalMs" | "snapshotsKept">;
  seen: () => Observation;
  ownEndpoint: string;
  ownMemberId: () => string | undefined;
  lookMs?: number;
  clock: Clock;
  random: Random;
  log: Logger;
}

export class StoreUpkeep {
  readonly #options: StoreUpkeepOptions;
  readonly #defragmentedMs = new Map<string, number>();
  #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: StoreUpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopping = new AbortController();
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#options.admin.close();
  }

  /** One look; never throws. */
  async look(): Promise<void> {
    const { log } = this.#options;
    for (const work of [() => this.#space(), () => this.#snapshot()]) {
      await work().catch((error: unknown) => {
        log.warn("the upkeep of the store failed; trying again", errorFields(error));
      });
    }
  }

  async #run(): Promise<void> {
    const { clock, lookMs = UPKEEP_LOOK_MS } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(clock, lookMs, signal).catch(() => undefined);
      if (!signal.aborted) await this.look();
    }
  }

  async #space(): Promise<void> {
    const { admin, store, seen, ownMemberId, log } = this.#options;
    const { cluster, statuses } = seen();
    if (cluster === undefined || cluster.leaderId !== ownMemberId()) return;
    // A member that does not answer would be the second one that is away.
    if (!cluster.members.every(({ isReachable }) => isReachable)) return;
    const endpoints = statuses.map(({ endpoint }) => endpoint);
    admin.setEndpoints([this.#options.ownEndpoint]);
    const isFull = (await admin.alarms()).some(({ type }) => type === "noSpace");
    const { quotaBytes } = store;
    const members = await this.#sizes(endpoints, cluster.leaderId);
    const plan = planSpace({ members, quotaBytes, isFull });
    if (isFull) {
      log.error("the store is full: it takes deletions only", {
        code: "MESH_STORE_NO_SPACE",
        bytes: Math.max(...members.map(({ sizeBytes }) => sizeBytes)),
      });
    }
    if (plan.compact) await this.#compact(statuses, isFull);
    for (const endpoint of plan.defragment) await this.#defragment(endpoint, isFull);
    if (plan.disarmBelowBytes !== undefined) {
      await this.#disarm(endpoints, cluster.leaderId, plan.disarmBelowBytes);
    }
  }

  async #sizes(endpoints: readonly string[], leaderId: string): Promise<MemberSize[]> {
    const { admin } = this.#options;
    const statuses = await Promise.all(endpoints.map((endpoint) => admin.statusOf(endpoint)));
    return statuses.map(({ endpoint, memberId, dbSizeBytes, dbSizeInUseBytes }) => ({
      endpoint,
      memberId,
      isLeader: memberId === leaderId,
      sizeBytes: dbSizeBytes,
      inUseBytes: dbSizeInUseBytes,
    }));
  }

  /** Some history is left for those who follow it; in a full store nothing but the present. */
  async #compact(statuses: Observation["statuses"], isFull: boolean): Promise<void> {
    const { admin, log } = this.#options;
    const present = Math.max(...statuses.map((status) => status.revision));
    const revision = present - (isFull ? 0 : HISTORY_REVISIONS_WHEN_SHORT);
    if (revision <= 1) return;
    await admin.compactPhysical(revision);
    log.warn("space in the store is short: its history was cut", { revision });
  }

  /** The member answers nothing meanwhile. Not again within an hour, unless the store is full. */
  async #defragment(endpoint: string, isFull: boolean): Promise<void> {
    const { admin, clock, log } = this.#options;
    const lastMs = this.#defragmentedMs.get(endpoint) ?? Number.NEGATIVE_INFINITY;
    const startMs = clock.monotonicMs();
    if (!isFull && startMs - lastMs < DEFRAGMENT_PAUSE_MS) return;
    this.#defragmentedMs.set(endpoint, startMs);
    const { dbSizeBytes } = await admin.statusOf(endpoint);
    await admin.defragment(endpoint);
    const after = await admin.statusOf(endpoint);
    log.info(`the store gave back ${formatBytes(dbSizeBytes - after.dbSizeBytes)}`, {
      peerAddress: endpoint,
      durationMs: Math.round(clock.monotonicMs() - startMs),
    });
  }

  async #disarm(endpoints: readonly string[], leaderId: string, belowBytes: number) {
    const { admin, log } = this.#options;
    const sizes = await this.#sizes(endpoints, leaderId);
    if (sizes.some(({ sizeBytes }) => sizeBytes >= belowBytes)) {
      log.error(
        "the store stays full: delete what is not needed, or start with a larger store.quota",
        { code: "MESH_STORE_NO_SPACE" },
      );
      return;
    }
    for (const alarm of await admin.alarms()) {
      if (alarm.type === "noSpace") await admin.disarm(alarm);
    }
    log.warn("the store has room again and takes writes");
  }

  async #snapshot(): Promise<void> {
    const { admin, files, store, seen, ownEndpoint, clock, log } = this.#options;
    if (store.snapshotIntervalMs === 0) return;
    const own = seen().statuses.find(({ endpoint }) => endpoint === ownEndpoint);
    if (own?.leaderId === undefined) return;
    const nowMs = clock.nowMs();
    const newest = (await listSnapshots(files.snapshots)).at(-1);
    if (newest !== undefined && nowMs - snapshotTimeMs(newest) < store.snapshotIntervalMs) return;
    const path = join(files.snapshots, snapshotName(nowMs));
    const { bytes } = await writeSnapshot(path, snapshotPieces(admin, ownEndpoint));
    await pruneSnapshots(files.snapshots, store.snapshotsKept);
    log.info("snapshot of the store taken", { path, bytes });
  }
}
