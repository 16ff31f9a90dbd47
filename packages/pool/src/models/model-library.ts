/** The models that a member has, as the runtime and the doors use them. */
import type { ModelShape } from "../model/model-shape.js";

export interface ModelRecord {
  readonly v: 1;
  /** As people call it: `[a-z0-9][a-z0-9._-]*`. */
  readonly name: string;
  /** SHA-256 of the file, hexadecimal: what a page with models shows too. */
  readonly id: string;
  readonly sizeBytes: number;
  readonly shape: ModelShape;
  /** Type of most of the weights, such as `Q4_0`. */
  readonly quantisation: string;
  readonly addedAtMs: number;
  /** Where it came from, without credentials. */
  readonly source: string;
}

/** Half open, in bytes of the file. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

export interface PullProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ModelLibrary {
  list(signal: AbortSignal): Promise<readonly ModelRecord[]>;
  /** By name or id. `MESH_MODEL_UNKNOWN`. */
  get(nameOrId: string, signal: AbortSignal): Promise<ModelRecord>;
  /**
   * A local file of the model's size in which at least these ranges are present and verified; what
   * is missing is pulled once, and a pull that broke goes on where it was.
   */
  ensure(
    model: ModelRecord,
    ranges: readonly ByteRange[],
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<string>;
}
