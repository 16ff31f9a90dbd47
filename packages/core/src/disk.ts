/**
 * The disk as the storage engine needs it. The daemon hands in the real one, the simulator one that
 * fails, tears writes and forgets what was not synced. Paths use `/` and are relative to a root
 * that the implementation was given. A full disk is `MESH_DISK_FULL`, any other failure
 * `MESH_DISK_FAILED`.
 */
export interface Disk {
  /** Opens a file for reading and writing; makes it when it is missing and `create` is set. */
  open(path: string, options?: { create?: boolean }): Promise<DiskFile>;
  exists(path: string): Promise<boolean>;
  /** Names in a directory, sorted; empty when the directory is missing. */
  list(directory: string): Promise<string[]>;
  makeDirectory(directory: string): Promise<void>;
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Makes new names, renames and removals in the directory durable. */
  syncDirectory(directory: string): Promise<void>;
  /** Bytes that may still be written. */
  freeBytes(): Promise<number>;
}

export interface DiskFile {
  /**
   * Reads up to `length` bytes; fewer at the end of the file. With `into`, of at least `length`
   * bytes, the answer may be a view of it: then nobody may use it until the promise has settled.
   */
  read(position: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Writes all the pieces one after the other from `position`. */
  write(position: number, pieces: readonly Uint8Array[]): Promise<void>;
  /** Returns when everything written so far would survive a loss of power. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}
