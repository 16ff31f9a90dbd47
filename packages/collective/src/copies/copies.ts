/**
 * Copies at friends' homes, put together: what the namespace notes for them, the two workers that
 * keep them, and the way back when the home has lost its own.
 *
 *     file.put, file.commit, file.move --c/ row--> worker `copies` --sealed--> friends --k/ row-->
 *     worker `copies-walk`: policies against files, copies against friends, content that is gone
 */
import {
  type ChunkId,
  type Clock,
  type FileId,
  type Logger,
  MeshError,
  type Random,
} from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Operation, Store } from "@hearthmesh/store";
import type { NodeLinks } from "../client/ports.js";
import type { Directories } from "../coordinator/directories.js";
import type { Progress, WorkerDefinition } from "../coordinator/workers/worker-definition.js";
import type { CopyKeys } from "./copy-keys.js";
import { CopyMaker } from "./copy-maker.js";
import { CopyNotes, wanted } from "./copy-notes.js";
import { CopyQueue, type WaitingCopies } from "./copy-queue.js";
import { CopyWalk } from "./copy-walk.js";
import type { FriendsPort, HomeFiles } from "./friends.js";
import { type CopyIntervals, DEFAULT_COPY_INTERVALS, KeptScan } from "./kept-scan.js";
import { type Friend, OfferBook } from "./offer-book.js";
import { type CopyPolicy, friendTarget, type PolicyRequest } from "./policy.js";
import { PolicyBook } from "./policy-book.js";
import { type LostChunk, Recall } from "./recall.js";

/** What the node hands in; see `CoordinatorOptions.copies`. */
export interface CopiesOptions {
  readonly keys: CopyKeys;
  readonly ownDomain: string;
  readonly friends: FriendsPort;
  readonly home: HomeFiles;
  /** To this home's storage nodes. */
  readonly links: NodeLinks;
  readonly intervals?: Partial<CopyIntervals>;
}

/** What the coordinator adds. */
export interface CopiesGround {
  readonly store: Store;
  readonly directories: Directories;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  inTrash(fileIds: ReadonlySet<FileId>): Promise<ReadonlySet<FileId>>;
  restore(chunk: LostChunk, owner: string, bytes: Uint8Array): Promise<void>;
  /** Runs a worker soon. */
  wake(worker: string): void;
}

export interface CopiesStatus extends WaitingCopies {
  /** Copies at friends; undefined until they were counted. */
  readonly kept: number | undefined;
  /** Chunks that no node of this home has, found so far and not mended. */
  readonly lostChunks: number;
  readonly friends: readonly Friend[];
}

export class Copies {
  readonly policies: PolicyBook;
  readonly offers: OfferBook;
  readonly recall: Recall;
  readonly #options: CopiesOptions & CopiesGround;
  readonly #intervals: CopyIntervals;
  readonly #queue: CopyQueue;
  readonly #walk: CopyWalk;
  readonly #scan: KeptScan;

  constructor(options: CopiesOptions & CopiesGround) {
    this.#options = options;
    const { store, friends, clock } = options;
    this.#intervals = { ...DEFAULT_COPY_INTERVALS, ...options.intervals };
    this.policies = new PolicyBook(store);
    this.offers = new OfferBook(friends, clock);
    const notes = new CopyNotes(store);
    const maker = new CopyMaker(options);
    const { policies, offers } = this;
    const shared = { ...options, policies, offers, notes, maker };
    const onWanted = (files: number) => this.#grew(files);
    this.#queue = new CopyQueue({ ...shared, onMade: () => this.#scan.changed(1) });
    this.#walk = new CopyWalk({ ...shared, onWanted });
    this.#scan = new KeptScan({ ...shared, intervals: this.#intervals, onWanted });
    this.recall = new Recall(shared);
  }

  load(): Promise<void> {
    return this.policies.load();
  }

  stop(): void {
    this.recall.stop();
  }

  /** What a transaction that puts a content at a path writes for its copies. */
  linking(path: string, fileId: FileId): Operation[] {
    return this.#needsFriends(path) ? [wanted(fileId, path)] : [];
  }

  /** That transaction was written. */
  linked(path: string): void {
    if (this.#needsFriends(path)) this.#grew(1);
  }

  /** Policies that move with a directory, in the transaction of the move. */
  moving(from: string, to: string): Operation[] {
    return this.policies.moving(from, to);
  }

  moved(from: string, to: string): void {
    this.policies.moved(from, to);
  }

  /** A walk over all chunks found this one nowhere at home. */
  lost(id: ChunkId): void {
    if (this.recall.lost(id)) this.#options.wake("copies");
  }

  async setPolicy(by: Principal, request: PolicyRequest): Promise<CopyPolicy> {
    const { path, strategy, replicas, members } = request;
    const setAtMs = this.#options.clock.nowMs();
    const facts = { strategy, replicas, members, setAtMs, setBy: by.spiffeId };
    const policy: CopyPolicy = { v: 1, path: path.text, ...facts };
    await this.policies.set(policy);
    this.#options.wake("copies-walk");
    return policy;
  }

  async removePolicy(path: string): Promise<CopyPolicy> {
    const policy = await this.policies.remove(path);
    this.#options.wake("copies-walk");
    return policy;
  }

  status(): CopiesStatus {
    return {
      ...this.#queue.waiting,
      kept: this.#scan.kept,
      lostChunks: this.recall.waiting,
      friends: this.offers.friends(),
    };
  }

  workers(): WorkerDefinition[] {
    return [
      {
        name: "copies",
        purpose: "brings sealed copies to friends, and lost chunks back from them",
        intervalMs: this.#intervals.queueMs,
        runsAtStart: true,
        run: (signal, progress) => this.#work(signal, progress),
        queue: () => (this.#queue.waiting.files ?? 0) + this.recall.waiting,
      },
      {
        name: "copies-walk",
        purpose: "compares files with their policies, and asks friends for their copies",
        intervalMs: this.#intervals.walkMs,
        runsAtStart: true,
        run: (signal, progress) => this.#lookAtAll(signal, progress),
      },
    ];
  }

  async #work(signal: AbortSignal, progress: Progress): Promise<void> {
    await this.offers.refresh(signal);
    await this.recall.mend(signal, progress);
    await this.#queue.run(signal, progress);
  }

  async #lookAtAll(signal: AbortSignal, progress: Progress): Promise<void> {
    await this.offers.refresh(signal);
    await this.#walk.run(signal, progress);
    await this.#scan.run(signal, progress);
  }

  #needsFriends(path: string): boolean {
    return !this.policies.isEmpty && friendTarget(this.policies.nearest(path)).wanted > 0;
  }

  #grew(files: number): void {
    this.#queue.grew(files);
    this.#options.wake("copies");
  }
}

/** For a coordinator without a store key: everything about copies is refused by this. */
export function noCopies(): MeshError {
  return new MeshError("MESH_NOT_IMPLEMENTED", {
    message: "this coordinator keeps no copies at friends",
  });
}
