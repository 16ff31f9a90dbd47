/**
 * Fetches chunks of one model into its local copy: what is missing, once, however many ask.
 *
 * Whoever asks first for a chunk claims it; others wait. A claim ends when the chunk is there or
 * the claimant gave up (cancelled, failed): then whoever still waits claims it itself. Invariants:
 * a chunk is fetched by one claimant at a time; no byte is written that does not have the hash of
 * its chunk; what a run fetched before it broke is kept.
 */
import { type Clock, MeshError, sleep } from "@hearthmesh/core";
import { chunkBytesAt, runsOf } from "./chunk-set.js";
import {
  MODEL_CHUNK_BYTES,
  PULL_ATTEMPTS_MAX,
  PULL_PAUSE_MS,
  PULL_RUN_CHUNKS_MAX,
  PULL_RUNS_MAX,
} from "./limits.js";
import type { LocalModel } from "./local-model.js";

export interface PullOptions {
  readonly local: LocalModel;
  /** The bytes `from` to `to` of the model's file. */
  readonly read: (
    from: number,
    to: number,
    signal: AbortSignal,
  ) => Promise<AsyncIterable<Uint8Array>>;
  /** Before so many bytes are fetched; `MESH_DISK_FULL`. */
  readonly makeRoom: (bytes: number) => Promise<void>;
  readonly onPulled: (bytes: number) => void;
  readonly clock: Clock;
}

/** Away for a moment: the same may work a little later. */
const PASSING = ["MESH_UNREACHABLE", "MESH_TIMEOUT", "MESH_CHUNK_UNAVAILABLE", "MESH_NOT_LEADER"];

interface Claim {
  readonly done: Promise<void>;
  release(): void;
}

export class ModelPull {
  readonly local: LocalModel;
  readonly #options: PullOptions;
  readonly #claims = new Map<number, Claim>();

  constructor(options: PullOptions) {
    this.local = options.local;
    this.#options = options;
  }

  /** Returns when all chunks are there and right. `onBytes`: bytes of them that are there. */
  async ensure(
    chunks: readonly number[],
    onBytes: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const progress = new Progress(this.#options.local.model.sizeBytes, onBytes);
    let left = chunks;
    for (let failures = 0; left.length > 0; ) {
      signal.throwIfAborted();
      const free = left.filter((index) => !this.#claims.has(index));
      if (free.length === 0) {
        await withSignal(this.#someOther(left), signal);
      } else {
        try {
          await this.#obtain(free, progress, signal);
        } catch (error) {
          signal.throwIfAborted();
          failures += 1;
          if (!isPassing(error) || failures >= PULL_ATTEMPTS_MAX) throw error;
          await sleep(this.#options.clock, PULL_PAUSE_MS * failures, signal);
        }
      }
      left = left.filter((index) => this.#claims.has(index) || !progress.has(index));
    }
  }

  /** Until one of the claims of others ended. */
  async #someOther(chunks: readonly number[]): Promise<void> {
    const first = chunks.map((index) => this.#claims.get(index)).find((claim) => claim);
    await first?.done;
  }

  async #obtain(chunks: readonly number[], progress: Progress, signal: AbortSignal): Promise<void> {
    const { local, makeRoom } = this.#options;
    for (const index of chunks) this.#claims.set(index, newClaim());
    const release = (index: number) => {
      this.#claims.get(index)?.release();
      this.#claims.delete(index);
    };
    try {
      const missing: number[] = [];
      let missingBytes = 0;
      for (const index of chunks) {
        signal.throwIfAborted();
        if (await local.has(index)) {
          progress.add(index);
          release(index);
        } else {
          missing.push(index);
          missingBytes += chunkBytesAt(index, local.model.sizeBytes);
        }
      }
      if (missingBytes > 0) await makeRoom(missingBytes);
      const runs = runsOf(missing, PULL_RUN_CHUNKS_MAX);
      const take = async () => {
        for (let run = runs.shift(); run !== undefined; run = runs.shift()) {
          await this.#pullRun(run.first, run.count, progress, signal, release);
        }
      };
      await allSettled(Array.from({ length: PULL_RUNS_MAX }, take));
    } finally {
      for (const index of chunks) release(index);
    }
  }

  async #pullRun(
    first: number,
    count: number,
    progress: Progress,
    signal: AbortSignal,
    release: (index: number) => void,
  ): Promise<void> {
    const { local, read, onPulled } = this.#options;
    const { name, sizeBytes } = local.model;
    const from = first * MODEL_CHUNK_BYTES;
    const written: number[] = [];
    let chunk = Buffer.alloc(chunkBytesAt(first, sizeBytes));
    let filled = 0;
    try {
      const to = Math.min(sizeBytes, (first + count) * MODEL_CHUNK_BYTES);
      for await (const piece of await read(from, to, signal)) {
        onPulled(piece.length);
        for (let at = 0; at < piece.length; ) {
          if (written.length === count) throw damaged(name, "is longer than its record says");
          const part = piece.subarray(at, at + chunk.length - filled);
          chunk.set(part, filled);
          filled += part.length;
          at += part.length;
          if (filled < chunk.length) continue;
          const index = first + written.length;
          if (!local.isRight(index, chunk)) throw damaged(name, `has a wrong chunk ${index}`);
          await local.write(index, chunk);
          written.push(index);
          progress.count(index);
          chunk = Buffer.alloc(Math.max(0, chunkBytesAt(index + 1, sizeBytes)));
          filled = 0;
        }
      }
      if (written.length < count) throw damaged(name, "ended before its size");
    } finally {
      if (written.length > 0) {
        await local.note(written);
        for (const index of written) {
          progress.add(index);
          release(index);
        }
      }
    }
  }
}

class Progress {
  readonly #there = new Set<number>();
  readonly #counted = new Set<number>();
  readonly #sizeBytes: number;
  readonly #onBytes: (bytes: number) => void;
  #bytes = 0;

  constructor(sizeBytes: number, onBytes: (bytes: number) => void) {
    this.#sizeBytes = sizeBytes;
    this.#onBytes = onBytes;
  }

  has(index: number): boolean {
    return this.#there.has(index);
  }

  /** It is there and noted. */
  add(index: number): void {
    this.#there.add(index);
    this.count(index);
  }

  /** Its bytes are written. They are noted with those of the whole run, which may be long. */
  count(index: number): void {
    if (this.#counted.has(index)) return;
    this.#counted.add(index);
    this.#bytes += chunkBytesAt(index, this.#sizeBytes);
    this.#onBytes(this.#bytes);
  }
}

function damaged(name: string, what: string): MeshError {
  return new MeshError("MESH_MODEL_DAMAGED", {
    message: `the file of ${name} in the collective ${what}`,
    hint: `Somebody replaced it: remove the model with \`mesh model rm ${name}\` and add it again.`,
  });
}

function isPassing(error: unknown): boolean {
  return error instanceof MeshError && PASSING.includes(error.code);
}

function newClaim(): Claim {
  let release: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { done, release: () => release() };
}

/** Waits for all, then throws what the first one threw. */
async function allSettled(work: readonly Promise<void>[]): Promise<void> {
  for (const one of await Promise.allSettled(work)) {
    if (one.status === "rejected") throw one.reason;
  }
}

function withSignal(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
