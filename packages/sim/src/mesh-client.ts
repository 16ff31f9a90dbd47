/** What a simulated person does with files. `sim-mesh.ts` makes it from the real `FileClient`. */
export interface MeshClient {
  readonly name: string;
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** The whole file, or the bytes from `start` to `endInclusive`. */
  read(path: string, range?: { start: number; endInclusive: number }): Promise<Uint8Array>;
  /** Names of a directory in order; directories end with `/`. */
  list(path: string): Promise<string[]>;
  stat(path: string): Promise<{ kind: "file" | "directory"; sizeBytes: number }>;
  makeDirectory(path: string): Promise<void>;
  move(from: string, to: string): Promise<void>;
  remove(path: string, options?: { recursive?: boolean }): Promise<void>;
}
