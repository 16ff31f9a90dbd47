/** The files of models in the collective, by a client that may read them and perhaps write. */
import type { Entry, FileClient } from "@hearthmesh/collective";
import { isMeshError, MeshError } from "@hearthmesh/core";
import {
  MODEL_HASHES_BYTES_MAX,
  MODEL_RECORD_BYTES_MAX,
  MODELS_MAX,
  type ModelFiles,
  type ModelFilesWriter,
  type StoredRecord,
} from "@hearthmesh/pool";
import {
  contentPath,
  hashesPath,
  nameOfRecord,
  RECORDS_DIRECTORY,
  recordPath,
} from "./model-paths.js";

export interface CollectiveModelsOptions {
  readonly files: Pick<FileClient, "read" | "list" | "write" | "remove" | "makeDirectory">;
  readonly mayWrite: boolean;
}

export class CollectiveModels implements ModelFiles {
  readonly writer: ModelFilesWriter | undefined;
  readonly #files: CollectiveModelsOptions["files"];
  /** Records as they were read last, by the etag of their file. */
  #seen = new Map<string, StoredRecord>();

  constructor({ files, mayWrite }: CollectiveModelsOptions) {
    this.#files = files;
    this.writer = mayWrite ? modelsWriter(files) : undefined;
  }

  async records(signal: AbortSignal): Promise<readonly StoredRecord[]> {
    const seen = new Map<string, StoredRecord>();
    for (const { name, entry } of await this.#entries(signal)) {
      const key = `${name} ${entry.etag}`;
      const bytes = this.#seen.get(key)?.bytes ?? (await this.#small(entry.path, signal));
      if (bytes !== undefined) seen.set(key, { name, bytes });
    }
    this.#seen = seen;
    return [...seen.values()];
  }

  async hashes(name: string, signal: AbortSignal): Promise<Uint8Array> {
    return collect(
      (await this.#files.read(hashesPath(name), { signal })).stream,
      MODEL_HASHES_BYTES_MAX,
    );
  }

  async read(
    name: string,
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const range = { start: from, endInclusive: to - 1, signal };
    return (await this.#files.read(contentPath(name), range)).stream;
  }

  async #entries(signal: AbortSignal): Promise<{ name: string; entry: Entry }[]> {
    const found: { name: string; entry: Entry }[] = [];
    try {
      for await (const entry of this.#files.list(RECORDS_DIRECTORY, signal)) {
        const name = entry.kind === "file" ? nameOfRecord(entry.name) : undefined;
        if (name === undefined || entry.sizeBytes > MODEL_RECORD_BYTES_MAX) continue;
        found.push({ name, entry });
        if (found.length === MODELS_MAX) break;
      }
    } catch (error) {
      // Before the first model there is no directory.
      if (!isMeshError(error, "MESH_PATH_NOT_FOUND")) throw error;
    }
    return found;
  }

  /** Undefined when it was removed in the meantime. */
  async #small(path: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    try {
      const { stream } = await this.#files.read(path, { signal });
      return await collect(stream, MODEL_RECORD_BYTES_MAX);
    } catch (error) {
      if (isMeshError(error, "MESH_PATH_NOT_FOUND")) return undefined;
      throw error;
    }
  }
}

function modelsWriter(files: CollectiveModelsOptions["files"]): ModelFilesWriter {
  const writeSmall = async (path: string, bytes: Uint8Array, signal: AbortSignal) => {
    await files.makeDirectory(RECORDS_DIRECTORY, { parents: true, signal });
    await files.write(path, onePiece(bytes), { signal });
  };
  return {
    async writeContent(name, source, onBytesSafe, signal) {
      await files.makeDirectory(RECORDS_DIRECTORY, { parents: true, signal });
      const onProgress = ({ bytesSafe }: { bytesSafe: number }) => onBytesSafe(bytesSafe);
      await files.write(contentPath(name), source, { onProgress, signal });
    },
    writeHashes: (name, bytes, signal) => writeSmall(hashesPath(name), bytes, signal),
    writeRecord: (name, bytes, signal) => writeSmall(recordPath(name), bytes, signal),
    async remove(name, signal) {
      for (const path of [recordPath(name), hashesPath(name), contentPath(name)]) {
        try {
          // Into no trash: who removes a model wants the room.
          await files.remove(path, { permanent: true, signal });
        } catch (error) {
          if (!isMeshError(error, "MESH_PATH_NOT_FOUND")) throw error;
        }
      }
    },
  };
}

async function collect(source: AsyncIterable<Uint8Array>, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    length += piece.length;
    if (length > most) {
      throw new MeshError("MESH_MODEL_DAMAGED", {
        message: `a file of the model library has more than ${most} bytes`,
      });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
