/**
 * One watch: a stream of its own to whichever endpoint serves, made again where it was when that
 * one is lost. The next answer is asked for when the reader has taken the one before, so a slow
 * reader costs no memory here; etcd then reads the history for it, and cuts it when that has been
 * compacted.
 */
import { type Clock, MeshError, type Random, sleep } from "@hearthmesh/core";
import type { WatchBatch } from "../types.js";
import { compactedError } from "../validate.js";
import type { CompactionHorizon } from "./compaction.js";
import type { RpcStream } from "./connection.js";
import type { EtcdClient } from "./etcd-client.js";
import { RETRY_FIRST_MS, WATCH_RETRY_LONGEST_MS } from "./etcd-limits.js";
import { type KeySpace, safe, type WireRange } from "./key-space.js";
import type { WatchRequest, WatchResponse } from "./messages.js";
import { GRPC, judge, RpcFailure } from "./rpc-failure.js";
import { WatchJoiner } from "./watch-joiner.js";

export interface WatchContext {
  readonly client: EtcdClient;
  readonly keys: KeySpace;
  readonly horizon: CompactionHorizon;
  readonly clock: Clock;
  readonly random: Random;
  /** There is a user whose token may have expired. */
  readonly hasUser: boolean;
}

/** Goes on until `end` is aborted; an outage is waited for. */
export async function* watchBatches(
  context: WatchContext,
  range: WireRange,
  fromRevision: number,
  end: AbortSignal,
): AsyncGenerator<WatchBatch, void, void> {
  const joiner = new WatchJoiner(context.keys, fromRevision);
  for (let failures = 0; !end.aborted; failures++) {
    const answers = new Answers(context, range, end);
    try {
      if (failures > 0) await pauseBefore(context, failures, end);
      await answers.open(joiner.restart());
      for (;;) {
        const answer = await answers.next();
        if (answer === undefined) return;
        if (answer.canceled) throw cancelled(answer, joiner.restart());
        failures = 0;
        for (const batch of joiner.add(answer)) {
          if (end.aborted) return;
          yield batch;
        }
      }
    } catch (error) {
      if (end.aborted) return;
      await answers.judgeFailure(error, failures);
    } finally {
      answers.close();
    }
  }
}

async function pauseBefore(
  { clock, random }: WatchContext,
  failures: number,
  end: AbortSignal,
): Promise<void> {
  const longestMs = Math.min(WATCH_RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 10));
  await sleep(clock, longestMs * (0.5 + random.float() / 2), end);
}

function cancelled(answer: WatchResponse, next: number): unknown {
  if (answer.compactRevision > 0) return compactedError(next, safe(answer.compactRevision));
  return new RpcFailure(GRPC.unavailable, answer.cancelReason || "etcd ended the watch");
}

/** The answers of one stream, one at a time. */
class Answers {
  readonly #context: WatchContext;
  readonly #range: WireRange;
  readonly #end: AbortSignal;
  readonly #onEnd = () => this.#settle({ ended: undefined });
  #stream: RpcStream<WatchRequest> | undefined;
  #outcome: { answer: WatchResponse } | { ended: RpcFailure | undefined } | undefined;
  #wake: (() => void) | undefined;
  #leave: ((reason: string) => void) | undefined;

  constructor(context: WatchContext, range: WireRange, end: AbortSignal) {
    this.#context = context;
    this.#range = range;
    this.#end = end;
  }

  /** Resolves when etcd has accepted the watch. */
  async open(startRevision: number): Promise<void> {
    const { client, horizon } = this.#context;
    const connection = await client.pool.connect();
    this.#leave = (reason) => client.pool.leave(connection, reason);
    if (this.#end.aborted) return;
    this.#end.addEventListener("abort", this.#onEnd);
    this.#stream = connection.stream(client.protocol.methods.watch, client.metadata, {
      message: (answer) => this.#settle({ answer }),
      ended: (failure) => {
        const lost = failure ?? new RpcFailure(GRPC.unavailable, "etcd ended the stream");
        this.#settle({ ended: lost });
      },
    });
    this.#stream.send({
      create: {
        ...this.#range,
        startRevision,
        progressNotify: true,
        prevKv: true,
        fragment: true,
      },
    });
    const created = await this.next();
    if (created === undefined) return;
    if (created.canceled) throw cancelled(created, startRevision);
    // etcd takes a start at the very revision that it is compacted to, where deletions are gone.
    const inThePast = startRevision <= safe(created.header?.revision ?? 0);
    if (inThePast && startRevision > 1 && !(await horizon.isReadable(startRevision - 1))) {
      throw compactedError(startRevision, await horizon.revision());
    }
  }

  /** Nothing when the watch was ended by this side. */
  async next(): Promise<WatchResponse | undefined> {
    if (this.#end.aborted) return undefined;
    if (this.#outcome === undefined) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#stream?.read();
      await woken;
    }
    const outcome = this.#outcome;
    if (outcome === undefined || this.#end.aborted) return undefined;
    if ("ended" in outcome) {
      if (outcome.ended === undefined) return undefined;
      throw outcome.ended;
    }
    this.#outcome = undefined;
    return outcome.answer;
  }

  /** Throws what another try does not help with. */
  async judgeFailure(error: unknown, failures: number): Promise<void> {
    if (error instanceof MeshError) {
      if (error.code === "MESH_STORE_UNAVAILABLE") return;
      if (error.code !== "MESH_STORE_COMPACTED") throw error;
      const { revision } = error.details ?? {};
      throw await this.#explainCompaction(error, Number(revision));
    }
    if (!(error instanceof RpcFailure)) throw error;
    const verdict = judge(error);
    if (verdict.leave) this.#leave?.(error.message);
    if (verdict.kind !== "refused" && !verdict.login) return;
    // An expired token looks like a missing permission here.
    if (!this.#context.hasUser || failures > 0) throw verdict.error;
    await this.#context.client.login();
  }

  close(): void {
    this.#end.removeEventListener("abort", this.#onEnd);
    this.#stream?.cancel();
  }

  async #explainCompaction(error: MeshError, revision: number): Promise<MeshError> {
    try {
      return compactedError(revision, await this.#context.horizon.revision());
    } catch {
      return error;
    }
  }

  #settle(outcome: { answer: WatchResponse } | { ended: RpcFailure | undefined }): void {
    this.#outcome ??= outcome;
    this.#wake?.();
    this.#wake = undefined;
  }
}
