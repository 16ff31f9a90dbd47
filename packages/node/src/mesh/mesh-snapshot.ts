/** Where the other nodes were, so that a node that starts finds them without being told. */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import type { SnapshotStore, SwimSnapshot } from "@hearthmesh/membership";

/** A damaged file is as good as none: everything in it is learnt again. */
export function snapshotStore(path: string): SnapshotStore {
  return {
    async load() {
      try {
        return JSON.parse((await readIfThere(path)) ?? "") as SwimSnapshot;
      } catch (error) {
        if (error instanceof SyntaxError) return undefined;
        throw error;
      }
    },
    save: (snapshot) => writePrivate(path, JSON.stringify(snapshot)),
  };
}
