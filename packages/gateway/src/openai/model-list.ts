/** The models that can be asked: those of the library, and those of whole-request members. */
import { MeshError } from "@hearthmesh/core";
import type { EndpointService, ModelLibrary, ModelRecord } from "@hearthmesh/pool";

export interface ModelSources {
  readonly library: Pick<ModelLibrary, "list"> | undefined;
  readonly endpoints: EndpointService | undefined;
}

export interface ModelEntry {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly ownedBy: string;
}

export async function modelEntries(
  { library, endpoints }: ModelSources,
  signal: AbortSignal,
): Promise<readonly ModelEntry[]> {
  const [records, views] = await Promise.all([
    library?.list(signal) ?? [],
    endpoints?.list(signal) ?? [],
  ]);
  const entries = new Map<string, ModelEntry>();
  for (const { name, addedAtMs } of records) {
    const created = Math.floor(addedAtMs / 1000);
    entries.set(name, { id: name, created, ownedBy: "mesh" });
  }
  for (const view of views) {
    if (view.health === "failing") continue;
    for (const id of view.models) {
      if (!entries.has(id)) entries.set(id, { id, created: 0, ownedBy: view.name });
    }
  }
  return [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Where a model is: in the library, at whole-request members, or both. */
export interface ModelPlaces {
  readonly record: ModelRecord | undefined;
  /** The name by which whole-request members know it; undefined when none serves it. */
  readonly endpointModel: string | undefined;
}

/**
 * Without a name: the only model of the library, else its demo model, else its first; without any
 * there the only one of whole-request members. `MESH_MODEL_UNKNOWN` when there are several of these
 * and none was named.
 */
export async function findModel(
  { library, endpoints }: ModelSources,
  name: string | undefined,
  signal: AbortSignal,
): Promise<ModelPlaces> {
  const records = (await library?.list(signal)) ?? [];
  if (name !== undefined) {
    const record = records.find((one) => one.name === name || one.id === name);
    const endpointModel = (await servedModels(endpoints, signal)).has(name) ? name : undefined;
    return { record, endpointModel };
  }
  if (records.length > 0) {
    const chosen = records.length === 1 ? records[0] : (records.find(isDemo) ?? records[0]);
    return { record: chosen, endpointModel: undefined };
  }
  const [only, ...others] = await servedModels(endpoints, signal);
  if (others.length === 0) return { record: undefined, endpointModel: only };
  throw new MeshError("MESH_MODEL_UNKNOWN", {
    message: "there are several models: name one",
    hint: "GET /v1/models lists them.",
  });
}

function isDemo({ name }: ModelRecord): boolean {
  return name.startsWith("demo");
}

async function servedModels(
  endpoints: EndpointService | undefined,
  signal: AbortSignal,
): Promise<Set<string>> {
  const views = (await endpoints?.list(signal)) ?? [];
  return new Set(views.flatMap(({ models }) => models));
}
