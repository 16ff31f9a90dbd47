/** What the library needs of the collective, and of the disk of this machine. */

export interface StoredRecord {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Everything of the models that is kept in the collective. What fails is a `MeshError`; a model
 * that is not there is `MESH_PATH_NOT_FOUND`.
 */
export interface ModelFiles {
  records(signal: AbortSignal): Promise<readonly StoredRecord[]>;
  /** SHA-256 of every chunk, one after the other. */
  hashes(name: string, signal: AbortSignal): Promise<Uint8Array>;
  /** The bytes `from` to `to` (half open) of the content. */
  read(
    name: string,
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
  /** Undefined on a node that may only read. */
  readonly writer: ModelFilesWriter | undefined;
}

export interface ModelFilesWriter {
  /** Replaces what is there. Returns when every byte is safe. */
  writeContent(
    name: string,
    source: AsyncIterable<Uint8Array>,
    onBytesSafe: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void>;
  writeHashes(name: string, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** The model is there from now on. */
  writeRecord(name: string, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Record first, then the rest; what is not there is no error. */
  remove(name: string, signal: AbortSignal): Promise<void>;
}

/** Room on the disk of the local copies. */
export interface DiskRoom {
  freeBytes(directory: string): Promise<number>;
}
