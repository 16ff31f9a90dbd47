/** What a node keeps of its mesh: services, and where the others were. */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { MeshError } from "@hearthmesh/core";
import type { ServiceStorage, SnapshotStore, SwimSnapshot } from "@hearthmesh/membership";

/** A damaged file is `MESH_STORE_CORRUPT`: an operator put the services there by hand. */
export function serviceStorage(path: string): ServiceStorage {
  return {
    async load() {
      const text = await readIfThere(path);
      if (text === undefined) return [];
      const value = parse(text);
      if (Array.isArray(value)) return value;
      throw new MeshError("MESH_STORE_CORRUPT", {
        message: `${path}, the list of this node's services, is damaged`,
        hint: "Remove it and add the services again: `mesh service add`.",
      });
    },
    save: (services) => writePrivate(path, `${JSON.stringify(services, undefined, 2)}\n`),
  };
}

/** A damaged file is as good as none: everything in it is learnt again. */
export function snapshotStore(path: string): SnapshotStore {
  return {
    async load() {
      const text = await readIfThere(path);
      return text === undefined ? undefined : (parse(text) as SwimSnapshot | undefined);
    },
    save: (snapshot) => writePrivate(path, JSON.stringify(snapshot)),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
