/** Models as the doors of a node use them. */
import type {
  AddOptions,
  EqualShare,
  ImportView,
  ModelLibrary,
  ModelRecord,
} from "@hearthmesh/pool";

/** Errors are `MeshError`s: `MESH_MODEL_UNKNOWN`, `MESH_MODEL_EXISTS`, `MESH_FORBIDDEN`, ... */
export interface ModelService extends Pick<ModelLibrary, "list" | "get"> {
  /** What a share needs with the sizes that this node is configured for. */
  shares(model: ModelRecord): Promise<readonly EqualShare[]>;
  /** Bytes of each model, by id, that lie on this node. */
  localBytes(): Promise<ReadonlyMap<string, number>>;
  remove(nameOrId: string, signal: AbortSignal): Promise<ModelRecord>;
  /** Begins a download; `import` says how far it is. */
  addFrom(address: string, options: AddOptions, signal: AbortSignal): Promise<ImportView>;
  /** Returns when the model is there. */
  addStream(
    fileName: string,
    body: AsyncIterable<Uint8Array>,
    options: AddOptions,
    signal: AbortSignal,
  ): Promise<ModelRecord>;
  imports(): Promise<readonly ImportView[]>;
  import(id: string): Promise<ImportView>;
  cancelImport(id: string): Promise<ImportView>;
}
