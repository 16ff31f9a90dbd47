/** Small records of the AI pool in the home: `ai/<name>.json`, replaced as a whole. */
import { join } from "node:path";
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";

export interface AiRecords<Name extends string> {
  /** Undefined when it is absent or damaged: all of it is measured or counted anew. */
  read(name: Name): Promise<unknown>;
  write(name: Name, value: object): Promise<void>;
}

export function aiRecords<Name extends string>(home: string): AiRecords<Name> {
  const pathOf = (name: Name) => join(home, "ai", `${name}.json`);
  return {
    read: async (name) => {
      const text = await readIfThere(pathOf(name));
      if (text === undefined) return undefined;
      try {
        return JSON.parse(text);
      } catch {
        return undefined;
      }
    },
    write: (name, value) => writePrivate(pathOf(name), `${JSON.stringify(value)}\n`),
  };
}
