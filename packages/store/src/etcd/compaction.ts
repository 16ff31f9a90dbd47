/**
 * Up to where the cluster is compacted. etcd does not tell it, except to a watch that starts before
 * it. So the last known answer is tried with a read at that revision, and only when that has been
 * compacted meanwhile, by whomever, a watch is asked.
 */
import { MeshError } from "@hearthmesh/core";
import { compactedError, validateReadable } from "../validate.js";
import type { EtcdClient } from "./etcd-client.js";
import { type KeySpace, safe } from "./key-space.js";
import { GRPC, RpcFailure, unavailable } from "./rpc-failure.js";

export class CompactionHorizon {
  readonly #client: EtcdClient;
  readonly #keys: KeySpace;
  #known = 0;

  constructor(client: EtcdClient, keys: KeySpace) {
    this.#client = client;
    this.#keys = keys;
  }

  /** A compaction of our own that was answered. */
  learn(revision: number): void {
    this.#known = Math.max(this.#known, revision);
  }

  /** 0 when nothing was ever compacted. */
  async revision(): Promise<number> {
    if (!(await this.isReadable(Math.max(1, this.#known)))) {
      this.learn(await this.#askWatch(Math.max(1, this.#known)));
    }
    return this.#known;
  }

  async isReadable(revision: number): Promise<boolean> {
    try {
      const request = { ...this.#keys.nothing, revision, limit: 1 };
      await this.#client.call(this.#client.protocol.methods.range, request, "repeatable");
      return true;
    } catch (error) {
      if (error instanceof MeshError && error.code === "MESH_STORE_COMPACTED") return false;
      throw error;
    }
  }

  /** The error for a revision that etcd refused to read, with the numbers that it left out. */
  async explain(error: unknown, revision: number): Promise<unknown> {
    if (!(error instanceof MeshError)) return error;
    if (error.code === "MESH_STORE_COMPACTED") {
      return compactedError(revision, await this.revision());
    }
    if (error.code !== "MESH_STORE_FUTURE_REVISION") return error;
    const { range } = this.#client.protocol.methods;
    const answer = await this.#client.call(range, { ...this.#keys.nothing }, "repeatable");
    try {
      validateReadable(revision, 0, answer.header?.revision ?? 0);
    } catch (explained) {
      return explained;
    }
    return error;
  }

  async #askWatch(startRevision: number): Promise<number> {
    const connection = await this.#client.pool.connect();
    const { watch } = this.#client.protocol.methods;
    const work = new Promise<number>((resolve, reject) => {
      const stream = connection.stream(watch, this.#client.metadata, {
        message: ({ canceled, compactRevision }) => {
          if (compactRevision > 0) resolve(safe(compactRevision));
          if (compactRevision > 0 || canceled) stream.cancel();
          else stream.read();
        },
        ended: (failure) => {
          stopTimer();
          reject(unavailable(failure ?? new RpcFailure(GRPC.unavailable, "the watch ended")));
        },
      });
      const stopTimer = this.#client.after(this.#client.requestTimeoutMs, () => stream.cancel());
      stream.send({
        create: {
          ...this.#keys.nothing,
          startRevision,
          progressNotify: false,
          prevKv: false,
          fragment: false,
        },
      });
      stream.read();
    });
    return await work;
  }
}
