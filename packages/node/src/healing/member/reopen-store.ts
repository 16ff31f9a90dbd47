/** Leaves the connections to the member's store and dials anew. */
import { type Clock, MeshError, sleep } from "@hearthmesh/core";
import type { Remedy } from "@hearthmesh/healing";
import type { MemberStore } from "../../coordinators/member-store.js";
import { STORE_BACK_MS } from "./limits.js";

const VERIFY_MS = 15_000;

export interface ReopenStoreOptions {
  readonly memberStore: Pick<MemberStore, "engine" | "redial">;
  /** Sets a key and reads it back; `name` tells those apart that are under way at once. */
  probe(name: "before" | "after"): Promise<void>;
  readonly clock: Clock;
}

export function reopenStore({ memberStore, probe, clock }: ReopenStoreOptions): Remedy {
  const { engine, redial } = memberStore;
  /** Whether it works over the connections that there are. */
  const isBack = async (signal: AbortSignal): Promise<boolean> => {
    const works = probe("before").then(
      () => true,
      () => false,
    );
    return Promise.race([works, sleep(clock, STORE_BACK_MS, signal).then(() => false)]);
  };
  return {
    name: "reopen-store",
    handles: ["store-failing"],
    cost: 0.1,
    risk: 0.05,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 6, windowMs: 600_000 },
    describe: () => "leaves the connections to etcd, dials its members anew, and tries a key",
    blockedBy: () =>
      redial === undefined
        ? `the ${engine} store is a file of this process: it works again when its disk does`
        : undefined,
    apply: async (_symptom, signal) => {
      if (redial === undefined) throw new MeshError("MESH_STORE_UNAVAILABLE");
      if (await isBack(signal)) {
        const did = "the store took a key by then; its connections were left as they are";
        return { did, changedNothing: true };
      }
      const endpoints = redial();
      await probe("after");
      const members = endpoints.length === 1 ? "1 member" : `${endpoints.length} members`;
      return { did: `dialled ${members} of etcd anew, set a key and read it back` };
    },
  };
}
