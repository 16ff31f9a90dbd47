/**
 * Moves everything from one store into another, empty one, such as from the embedded engine to
 * etcd, and proves that it is there. The source is only read. Nobody else may use either meanwhile.
 *
 * Steps: mark the target as unfinished; raise its revision above the source's; copy what has no
 * lease, in order; compare key by key; copy what has a lease; take the mark away; compact, so that
 * a watch from before is told to read anew. What breaks off leaves the mark: the next migration
 * empties such a target first, and nobody should run on it (`isMigrationUnfinished`).
 *
 * Not moved: the leader's key, the history, and the revisions of the entries, which are new ones.
 */
import { type Logger, limits, MeshError, silentLogger } from "@hearthmesh/core";
import { put, remove } from "../operations.js";
import type { Store } from "../types.js";
import { copyLasting, copyLeased, type Rebind } from "./copy.js";
import { MIGRATION_KEY, pagesOfStore } from "./entries.js";
import { raiseRevision } from "./raise-revision.js";
import { type Verified, verifySame } from "./verify.js";

export interface MigrationProgress {
  readonly step: "empty" | "revisions" | "copy" | "verify";
  readonly done: number;
  /** As far as it is known; keys with a lease are among them. */
  readonly total: number;
}

export interface MigrateStoreOptions {
  readonly from: Store;
  readonly to: Store;
  /** What an entry with a lease becomes under its new one; by default it stays as it is. */
  readonly rebind?: Rebind;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MigrationProgress) => void;
  readonly log?: Logger;
}

/** What was compared and is the same, and what lives with leases besides. */
export interface MigrationResult extends Verified {
  readonly leases: number;
  readonly leasedKeys: number;
  /** Of the source at the beginning; every revision of the target's entries is above it. */
  readonly revision: number;
}

/**
 * `MESH_CONFIG_INVALID` when the target holds something already or the source is no whole store,
 * `MESH_STORE_MISMATCH` when the copy is not the same, which also says that somebody wrote
 * meanwhile; the errors of both stores; the signal's reason.
 */
export async function migrateStore(options: MigrateStoreOptions): Promise<MigrationResult> {
  const { from, to, signal, log = silentLogger, rebind = (entry) => entry } = options;
  if (await isMigrationUnfinished(from)) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: "the source of the migration is itself the target of one that was broken off",
      hint: "Migrate from the store that it was copied from.",
    });
  }
  const source = await from.status();
  const say = (step: MigrationProgress["step"], total: number) => (done: number) =>
    options.onProgress?.({ step, done, total: Math.max(done, total) });
  await emptyUnfinished(to, signal, say("empty", 0));
  const raised = (done: number, total: number) => say("revisions", total)(done);
  await raiseRevision(to, source.revision, { signal, onProgress: raised });
  const walk = { revision: source.revision, signal };
  await copyLasting(from, to, { ...walk, onProgress: say("copy", source.keys) });
  const verified = await verifySame(from, to, { signal, onProgress: say("verify", source.keys) });
  const leased = await copyLeased(from, to, rebind, signal);
  const { revision } = await to.transact({ success: [remove(MIGRATION_KEY)] });
  await to.compact(revision);
  log.info("moved the store", { count: verified.keys, bytes: verified.bytes, revision });
  return {
    ...verified,
    leases: leased.leases,
    leasedKeys: leased.keys,
    revision: source.revision,
  };
}

/** A migration into this store was broken off: what it holds is not complete. */
export async function isMigrationUnfinished(store: Store): Promise<boolean> {
  return (await store.get(MIGRATION_KEY)) !== undefined;
}

/** Refuses a target that is in use; empties one that an earlier migration has left unfinished. */
async function emptyUnfinished(
  to: Store,
  signal: AbortSignal | undefined,
  onProgress: (done: number) => void,
): Promise<void> {
  const unfinished = await isMigrationUnfinished(to);
  const { keys } = await to.status();
  if (!unfinished && keys > 0) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `the target of a migration must be empty; this one has ${keys} keys`,
      hint: "Migrate into a new store, or empty this one first.",
    });
  }
  await to.transact({ success: [put(MIGRATION_KEY, new Uint8Array(0))] });
  let deleted = 0;
  const page = { limit: limits.STORE_TXN_OPERATIONS_MAX, signal };
  for await (const entries of pagesOfStore(to, page)) {
    const rest = entries.filter(({ key }) => key !== MIGRATION_KEY);
    if (rest.length === 0) continue;
    await to.transact({ success: rest.map(({ key }) => remove(key)) });
    deleted += rest.length;
    onProgress(deleted);
  }
}
