/**
 * Which engine the records of this home are kept in: `store.json`, `{ v: 1, engine }`. A home from
 * before that file has the embedded store. Another engine is never taken just because a flag says
 * so: the records would seem to be gone. `mesh store migrate` moves them, and the choice with them.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { MeshError } from "@hearthmesh/core";
import { hasEtcdData } from "./etcd-data.js";
import type { StoreFiles } from "./store-files.js";

export type StoreEngine = "sqlite" | "etcd";

type ChoiceFiles = Pick<StoreFiles, "home" | "choice" | "data">;

/** What the home holds; undefined when it holds no records yet. */
export async function presentEngine(files: ChoiceFiles): Promise<StoreEngine | undefined> {
  const text = await readIfThere(files.choice);
  if (text !== undefined) return parseChoice(text, files.choice);
  if (existsSync(join(files.home, "store", "store.db"))) return "sqlite";
  return (await hasEtcdData(files.data)) ? "etcd" : undefined;
}

/**
 * The engine to run on: what the home holds, else what the configuration asks for, else sqlite.
 * `MESH_CONFIG_INVALID` that names the command when they contradict each other. The caller records
 * the choice with `recordEngine` once the store is open.
 */
export async function chooseEngine(
  files: ChoiceFiles,
  wanted: StoreEngine | undefined,
): Promise<StoreEngine> {
  const present = await presentEngine(files);
  if (present === undefined || wanted === undefined || present === wanted) {
    return present ?? wanted ?? "sqlite";
  }
  throw new MeshError("MESH_CONFIG_INVALID", {
    message: `the records of ${files.home} are kept in ${present}, and ${wanted} was asked for`,
    hint:
      `Move them first: \`mesh store migrate --from ${present} --to ${wanted}\`, ` +
      "while the node does not run.",
  });
}

/** Written whole or not at all. */
export async function recordEngine(
  files: Pick<StoreFiles, "choice">,
  engine: StoreEngine,
): Promise<void> {
  const text = `${JSON.stringify({ v: 1, engine })}\n`;
  if ((await readIfThere(files.choice)) !== text) await writePrivate(files.choice, text);
}

function parseChoice(text: string, path: string): StoreEngine {
  const { v, engine } = parseObject(text);
  if (typeof v === "number" && v > 1) {
    throw new MeshError("MESH_STORE_NEWER", { message: `${path} was written by a newer version` });
  }
  if (v === 1 && (engine === "sqlite" || engine === "etcd")) return engine;
  throw new MeshError("MESH_STORE_CORRUPT", {
    message: `${path} is damaged: it does not say which engine the records are kept in`,
    hint: `It holds {"v":1,"engine":"sqlite"} or {"v":1,"engine":"etcd"}.`,
  });
}

function parseObject(text: string): { v?: unknown; engine?: unknown } {
  try {
    return (JSON.parse(text) ?? {}) as { v?: unknown; engine?: unknown };
  } catch {
    return {};
  }
}
