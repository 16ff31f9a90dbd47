/**
 * Group commit: what arrives in the same turn of the event loop shares one SQLite transaction and
 * one fsync. The jobs run one after the other inside it, so each sees those before it and the
 * outcome is that of a serial order. Nobody is answered before COMMIT has returned.
 *
 * A job that fails before its first write fails alone. After a first write the whole batch is
 * rolled back and every job in it gets the error. A disk that failed ends all writing until the
 * store is opened again, because what it holds is not known any more; a full disk does not.
 */
import { isMeshError, limits, MeshError } from "@hearthmesh/core";
import type { SqlDatabase, SqlStatement } from "./driver.js";
import type { WriteBatch } from "./write-batch.js";

interface Job {
  readonly bytes: number;
  readonly work: (batch: WriteBatch) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What a job came to, kept until COMMIT. */
type Outcome = { readonly value: unknown } | { readonly error: unknown };

export interface GroupCommitOptions {
  readonly database: SqlDatabase;
  readonly newBatch: () => WriteBatch;
  /** Last work of a batch that writes, in the same SQLite transaction. */
  readonly beforeCommit: (batch: WriteBatch) => void;
  readonly committed: (batch: WriteBatch) => void;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #begin: SqlStatement;
  readonly #commit: SqlStatement;
  readonly #rollback: SqlStatement;
  #queue: Job[] = [];
  #queuedBytes = 0;
  #scheduled = false;
  #failure: MeshError | undefined;
  #whenEmpty: (() => void)[] = [];

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#begin = options.database.prepare("BEGIN IMMEDIATE");
    this.#commit = options.database.prepare("COMMIT");
    this.#rollback = options.database.prepare("ROLLBACK");
  }

  get idle(): boolean {
    return this.#queue.length === 0;
  }

  /** Resolves after COMMIT; `MESH_STORE_BUSY` when too much waits already. */
  submit<T>(bytes: number, work: (batch: WriteBatch) => T): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (
      this.#queue.length >= limits.STORE_QUEUE_MAX ||
      this.#queuedBytes + bytes > limits.STORE_QUEUE_BYTES_MAX
    ) {
      return Promise.reject(new MeshError("MESH_STORE_BUSY"));
    }
    return new Promise<T>((resolve, reject) => {
      this.#queuedBytes += bytes;
      this.#queue.push({ bytes, work, resolve: (value) => resolve(value as T), reject });
      this.#schedule();
    });
  }

  /** Resolves when everything submitted so far was answered. */
  drained(): Promise<void> {
    if (this.idle) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const jobs = this.#queue.splice(0, limits.STORE_GROUP_COMMIT_MAX);
    for (const job of jobs) this.#queuedBytes -= job.bytes;
    this.#answer(jobs);
    if (!this.idle) {
      this.#schedule();
      return;
    }
    for (const resolve of this.#whenEmpty) resolve();
    this.#whenEmpty = [];
  }

  #answer(jobs: readonly Job[]): void {
    let outcomes: readonly Outcome[];
    try {
      if (this.#failure !== undefined) throw this.#failure;
      outcomes = this.#runTogether(jobs);
    } catch (error) {
      for (const job of jobs) job.reject(error);
      return;
    }
    jobs.forEach((job, index) => {
      const outcome = outcomes[index];
      if (outcome !== undefined && "value" in outcome) job.resolve(outcome.value);
      else job.reject(outcome?.error);
    });
  }

  #runTogether(jobs: readonly Job[]): readonly Outcome[] {
    const batch = this.#options.newBatch();
    let outcomes: readonly Outcome[];
    try {
      this.#begin.run();
      outcomes = jobs.map((job) => this.#runOne(job, batch));
      if (batch.writes > 0) this.#options.beforeCommit(batch);
      this.#commit.run();
    } catch (error) {
      this.#undo();
      if (isMeshError(error, "MESH_DISK_FAILED")) this.#failure = error;
      throw error;
    }
    this.#options.committed(batch);
    return outcomes;
  }

  #runOne(job: Job, batch: WriteBatch): Outcome {
    const writesBefore = batch.writes;
    try {
      return { value: job.work(batch) };
    } catch (error) {
      if (batch.writes > writesBefore || !this.#options.database.inTransaction) throw error;
      return { error };
    }
  }

  /** SQLite has rolled back by itself after some errors. */
  #undo(): void {
    if (!this.#options.database.inTransaction) return;
    try {
      this.#rollback.run();
    } catch (cause) {
      this.#failure = new MeshError("MESH_DISK_FAILED", { cause });
    }
  }
}
