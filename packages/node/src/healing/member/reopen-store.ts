/** Leaves the connections to the member's store and dials anew. */
import { MeshError } from "@hearthmesh/core";
import type { Remedy } from "@hearthmesh/healing";
import type { MemberStore } from "../../coordinators/member-store.js";

const VERIFY_MS = 15_000;

export interface ReopenStoreOptions {
  readonly memberStore: Pick<MemberStore, "engine" | "redial">;
  /** Sets a key and reads it back. */
  probe(): Promise<void>;
}

export function reopenStore({ memberStore, probe }: ReopenStoreOptions): Remedy {
  const { engine, redial } = memberStore;
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
    apply: async () => {
      if (redial === undefined) throw new MeshError("MESH_STORE_UNAVAILABLE");
      const endpoints = redial();
      await probe();
      const members = endpoints.length === 1 ? "1 member" : `${endpoints.length} members`;
      return { did: `dialled ${members} of etcd anew, set a key and read it back` };
    },
  };
}
