/**
 * The worker that keeps sealed snapshots of the records at every friend who gives room.
 *
 * A run reads all rows at one revision into a packed file on this machine, seals it for each friend
 * and writes it into the slot of its number there. Nothing is written while nothing has changed,
 * and nothing where a snapshot of a higher epoch lies: then this member was restored elsewhere, and
 * this coordinator is the one that was replaced.
 */
import { createHash } from "node:crypto";
import { type Clock, errorFields, type Logger, MeshError, type Random } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import type { Progress, WorkerDefinition } from "../coordinator/workers/worker-definition.js";
import type { FriendsPort } from "../copies/friends.js";
import type { CopyKeys } from "../copies/index.js";
import {
  type BackupRecord,
  type FriendBackup,
  NO_BACKUP,
  readBackup,
  writeBackup,
} from "./backup-records.js";
import { newestAtFriend, writeSnapshot } from "./friend-snapshots.js";
import { encodeSnapshot, type SnapshotHead, type SnapshotRow } from "./snapshot-format.js";
import { epochOf, snapshotRows } from "./snapshot-rows.js";
import { compareMarks, measured, type PackedSnapshot, type SnapshotMark } from "./snapshot-seal.js";

/** Reading all rows again because history went meanwhile. */
const READ_ATTEMPTS_MAX = 3;
/** How often is looked for a friend who gives room and has no snapshot yet. */
const LOOK_EVERY_MS = 60_000;
/** Rows that change without anything being different for a restore. */
const VOLATILE = ["n/", "w/", "recovery/", "authority/key-use/"] as const;

/** Of a run that a person waits for. */
export const UNHURRIED: Progress = {
  done: () => undefined,
  error: () => undefined,
  bytes: () => undefined,
  at: () => undefined,
  portion: () => undefined,
  pace: async () => undefined,
  asked: true,
  settings: { paused: false },
};

export interface BackupOptions {
  readonly store: Store;
  readonly keys: CopyKeys;
  readonly memberId: string;
  readonly ownDomain: string;
  /** SPIFFE id of this coordinator. */
  readonly owner: string;
  readonly friends: FriendsPort;
  /** Files of the home that a restored coordinator needs; read for each snapshot. */
  home(): Promise<Readonly<Record<string, string>>>;
  /** Where a packed snapshot lies until the friends have it; each call replaces the one before. */
  spool(source: AsyncIterable<Uint8Array>): Promise<() => AsyncIterable<Uint8Array>>;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** How the last look at a friend ended. */
export interface FriendBackupStatus {
  readonly member: string;
  readonly newest: FriendBackup | undefined;
  /** Why it has no newer one. */
  readonly failure: string | undefined;
}

export class Backup {
  readonly #options: BackupOptions;
  readonly #failures = new Map<string, string>();
  #record: BackupRecord = NO_BACKUP;
  #wanted = false;
  /** Steady clock: the last run that looked at the records. */
  #lastMs = Number.NEGATIVE_INFINITY;
  #tail: Promise<void> = Promise.resolve();

  constructor(options: BackupOptions) {
    this.#options = options;
  }

  worker(): WorkerDefinition {
    return {
      name: "backup",
      purpose: "keeps sealed snapshots of the member's records at friends",
      intervalMs: Math.min(this.#options.intervalMs, LOOK_EVERY_MS),
      runsAtStart: true,
      run: (signal, progress) => this.run(signal, progress),
    };
  }

  async status(): Promise<FriendBackupStatus[]> {
    const { store, friends } = this.#options;
    const record = await readBackup(store);
    return friends.list().map(({ trustDomain }) => ({
      member: trustDomain,
      newest: record.friends.find(({ member }) => member === trustDomain),
      failure: this.#failures.get(trustDomain),
    }));
  }

  /** One at a time, whoever asks. */
  run(signal: AbortSignal, progress: Progress): Promise<void> {
    const run = this.#tail.then(() => this.#run(signal, progress));
    this.#tail = run.catch(() => undefined);
    return run;
  }

  /** Writes a snapshot now, also when nothing has changed. How it went is in `status`. */
  runNow(signal: AbortSignal): Promise<void> {
    this.#wanted = true;
    return this.run(signal, UNHURRIED);
  }

  async #run(signal: AbortSignal, progress: Progress): Promise<void> {
    const { store, clock } = this.#options;
    const isAsked = progress.asked || this.#wanted;
    this.#record = await readBackup(store);
    const able = await this.#friendsWithRoom(signal);
    if (able.length === 0 || !(isAsked || this.#isDue(able))) return;
    this.#lastMs = clock.monotonicMs();
    const { revision } = await store.status();
    const isCovered = revision === this.#record.coveredRevision && this.#allHaveIt(able);
    if (isCovered && !isAsked) return;
    const epoch = await epochOf(store);
    const known = await this.#look(able, epoch, signal);
    const mark = { epoch, sequence: nextSequence(this.#record, known, epoch) };
    const { packed, rowsHash, readAt } = await this.#pack(mark, signal);
    const isSame = rowsHash === this.#record.rowsHash && this.#allHaveIt(able);
    const members = [...known.keys()];
    if (isSame && !isAsked) {
      return this.#save(this.#record, members.length === able.length ? readAt : undefined);
    }
    this.#wanted = false;
    const written = await this.#writeAll(packed, members, progress, signal);
    const isEverywhere = written.length === able.length;
    const record = this.#recordWith(written, { sequence: mark.sequence, rowsHash });
    await this.#save(record, isEverywhere ? readAt : undefined);
  }

  /** Its time has come, or a friend has none at all. */
  #isDue(able: readonly string[]): boolean {
    const { clock, intervalMs } = this.#options;
    const hasNone = able.some(
      (domain) => !this.#record.friends.some((one) => one.member === domain),
    );
    return hasNone || clock.monotonicMs() - this.#lastMs >= intervalMs;
  }

  /** Friends that give room now. A failure is noted and the friend left out of this run. */
  async #friendsWithRoom(signal: AbortSignal): Promise<string[]> {
    const { friends } = this.#options;
    const able: string[] = [];
    for (const { trustDomain } of friends.list()) {
      try {
        const { bytes, withdrawn } = await friends.askOffer(trustDomain, signal);
        if (bytes > 0 && !withdrawn) able.push(trustDomain);
        else this.#failures.set(trustDomain, "it gives no room");
      } catch (error) {
        signal.throwIfAborted();
        this.#failed(trustDomain, error);
      }
    }
    return able;
  }

  #allHaveIt(able: readonly string[]): boolean {
    const { sequence, friends } = this.#record;
    return able.every((domain) =>
      friends.some((one) => one.member === domain && one.sequence === sequence),
    );
  }

  /** What the friends have. `MESH_EPOCH_OLD` when one has a snapshot of a later epoch. */
  async #look(
    able: readonly string[],
    epoch: number,
    signal: AbortSignal,
  ): Promise<Map<string, SnapshotMark | undefined>> {
    const known = new Map<string, SnapshotMark | undefined>();
    for (const domain of able) {
      try {
        known.set(domain, await newestAtFriend(this.#options, domain, signal));
      } catch (error) {
        signal.throwIfAborted();
        this.#failed(domain, error);
      }
    }
    for (const [domain, mark] of known) {
      if (mark === undefined || mark.epoch <= epoch) continue;
      const failure = `${domain} has a snapshot of epoch ${mark.epoch}, and this is ${epoch}`;
      this.#failures.set(domain, failure);
      throw new MeshError("MESH_EPOCH_OLD", {
        message: `this member was restored elsewhere: ${failure}`,
        hint: "Stop this coordinator: another one has taken its place.",
      });
    }
    return known;
  }

  async #pack(
    mark: SnapshotMark,
    signal: AbortSignal,
  ): Promise<{ packed: PackedSnapshot; rowsHash: string; readAt: number }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#packOnce(mark, signal);
      } catch (error) {
        const isCompacted = error instanceof MeshError && error.code === "MESH_STORE_COMPACTED";
        if (!isCompacted || attempt === READ_ATTEMPTS_MAX) throw error;
      }
    }
  }

  async #packOnce(mark: SnapshotMark, signal: AbortSignal) {
    const { store, memberId, ownDomain, owner, clock, home, spool } = this.#options;
    const { revision } = await store.status();
    const takenAtMs = clock.nowMs();
    const identity = { memberId, trustDomain: ownDomain };
    const head: SnapshotHead = {
      ...{ v: 1, ...identity, ...mark, revision, takenAtMs },
      home: await home(),
    };
    const digest = createHash("sha256");
    const rows = counted(snapshotRows(store, revision, signal), digest);
    const size = { sizeBytes: 0, contentHash: "" };
    const read = await spool(measured(encodeSnapshot(head, rows), size));
    const packed: PackedSnapshot = { mark, takenAtMs, owner, ...size, read };
    return { packed, rowsHash: digest.digest("hex"), readAt: revision };
  }

  async #writeAll(
    packed: PackedSnapshot,
    members: readonly string[],
    progress: Progress,
    signal: AbortSignal,
  ): Promise<FriendBackup[]> {
    const { clock, log } = this.#options;
    const written: FriendBackup[] = [];
    for (const member of members) {
      progress.at(member);
      try {
        const sealedBytes = await writeSnapshot(this.#options, packed, member, progress, signal);
        written.push({ member, ...packed.mark, writtenAtMs: clock.nowMs(), sealedBytes });
        this.#failures.delete(member);
        progress.done(1);
      } catch (error) {
        signal.throwIfAborted();
        this.#failed(member, error);
        progress.error(1);
      }
    }
    if (written.length > 0) {
      log.info("a snapshot of the records is at friends", { count: written.length });
    }
    return written;
  }

  #recordWith(
    written: readonly FriendBackup[],
    present: Pick<BackupRecord, "sequence" | "rowsHash">,
  ): BackupRecord {
    const others = this.#record.friends.filter(
      ({ member }) => !written.some((one) => one.member === member),
    );
    return { ...this.#record, ...present, friends: [...others, ...written] };
  }

  /**
   * `readAt`: the revision at which the rows were read that every friend has; its own row is the
   * next one, unless somebody wrote in between.
   */
  async #save(record: BackupRecord, readAt: number | undefined): Promise<void> {
    const coveredRevision = readAt === undefined ? 0 : readAt + 1;
    this.#record = { ...record, coveredRevision };
    await writeBackup(this.#options.store, this.#record);
  }

  #failed(member: string, error: unknown): void {
    this.#failures.set(member, (error as Error).message);
    const fields = { trustDomain: member, ...errorFields(error) };
    this.#options.log.warn("a friend has no new snapshot of the records", fields);
  }
}

function nextSequence(
  record: BackupRecord,
  known: ReadonlyMap<string, SnapshotMark | undefined>,
  epoch: number,
): number {
  const marks = [...known.values()].flatMap((mark) => mark ?? []);
  const newest = marks.sort(compareMarks).at(-1);
  const seen = newest?.epoch === epoch ? newest.sequence : 0;
  return Math.max(record.sequence, seen) + 1;
}

async function* counted(
  rows: AsyncIterable<SnapshotRow>,
  digest: ReturnType<typeof createHash>,
): AsyncGenerator<SnapshotRow, void, undefined> {
  for await (const row of rows) {
    yield row;
    if (VOLATILE.some((prefix) => row.key.startsWith(prefix))) continue;
    const lengths = `${Buffer.byteLength(row.key)} ${row.value.length}\n`;
    digest.update(lengths).update(row.key).update(row.value);
  }
}
