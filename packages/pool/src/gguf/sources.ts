/** Random access to bytes in memory and to a local file. */
import { open } from "node:fs/promises";
import { MeshError } from "@hearthmesh/core";
import type { RandomAccess } from "./gguf.js";

/** Views of the same memory, not copies. */
export function bytesSource(bytes: Uint8Array): RandomAccess {
  return {
    sizeBytes: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

export interface FileSource extends RandomAccess {
  close(): Promise<void>;
}

/** A local file. A read beyond its end, when it shrank, is `MESH_MODEL_DAMAGED`. */
export async function openFileSource(path: string): Promise<FileSource> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    return {
      sizeBytes: size,
      async read(offset, length) {
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
          if (bytesRead === 0) {
            const message = `the model's file ended ${length - done} bytes early`;
            throw new MeshError("MESH_MODEL_DAMAGED", { message });
          }
          done += bytesRead;
        }
        return bytes;
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
