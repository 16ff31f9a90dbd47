/** How far a download is, as it is noted beside the file. No credentials stand in it. */
import { createHash } from "node:crypto";

export interface DownloadNote {
  readonly v: 1;
  /** Hash of the whole address: what lies there is not anybody's business. */
  readonly address: string;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly sizeBytes: number | undefined;
  /** Bytes that are on the disk. */
  readonly doneBytes: number;
}

const VALIDATOR_LENGTH_MAX = 512;

export function addressHash(url: URL): string {
  const plain = new URL(url);
  plain.hash = "";
  return createHash("sha256").update(plain.href).digest("hex");
}

/** A fresh note when there is none, or one of another address or of bytes that are not there. */
export function readNote(text: string | undefined, url: URL, presentBytes: number): DownloadNote {
  const address = addressHash(url);
  const none: DownloadNote = {
    v: 1,
    address,
    etag: undefined,
    lastModified: undefined,
    sizeBytes: undefined,
    doneBytes: 0,
  };
  try {
    const value = JSON.parse(text ?? "") as Partial<Record<keyof DownloadNote, unknown>>;
    const { doneBytes } = value;
    if (value.v !== 1 || value.address !== address || !isCount(doneBytes)) return none;
    if (doneBytes > presentBytes) return none;
    return {
      ...none,
      etag: validator(value.etag),
      lastModified: validator(value.lastModified),
      sizeBytes: isCount(value.sizeBytes) ? value.sizeBytes : undefined,
      doneBytes,
    };
  } catch {
    return none;
  }
}

export function validator(value: unknown): string | undefined {
  return typeof value === "string" && value.length <= VALIDATOR_LENGTH_MAX ? value : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
