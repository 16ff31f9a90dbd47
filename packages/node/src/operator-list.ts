/**
 * A list that an operator has put on this node, such as its services, in one file. A damaged file
 * is `MESH_STORE_CORRUPT`: nothing else knows what was in it.
 */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { MeshError } from "@hearthmesh/core";
import type { NamedRecordStorage } from "@hearthmesh/membership";

/** `noun` is the plural for errors, `command` the one that adds to the list. */
export function operatorList<T>(
  path: string,
  { noun, command }: { noun: string; command: string },
): NamedRecordStorage<T> {
  return {
    async load() {
      const text = await readIfThere(path);
      if (text === undefined) return [];
      const list = parse(text);
      if (Array.isArray(list)) return list;
      throw new MeshError("MESH_STORE_CORRUPT", {
        message: `${path}, the list of this node's ${noun}, is damaged`,
        hint: `Remove it and add the ${noun} again: \`${command}\`.`,
      });
    },
    save: (list) => writePrivate(path, `${JSON.stringify(list, undefined, 2)}\n`),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
