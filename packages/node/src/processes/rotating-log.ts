/**
 * A log file of another program: bounded, with a few older ones beside it (`etcd.log`,
 * `etcd.log.1`, ...). Writing never fails the caller: a full disk loses lines, not the store.
 */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

export interface RotatingLogOptions {
  path: string;
  bytesMax: number;
  /** Older files; the oldest is removed when a new one is begun. */
  filesKept: number;
}

export class RotatingLog {
  readonly #options: RotatingLogOptions;
  #file: number | undefined;
  #bytes = 0;
  #lost = 0;

  constructor(options: RotatingLogOptions) {
    this.#options = options;
  }

  /** Writes that failed since the file was made. */
  get lost(): number {
    return this.#lost;
  }

  write(bytes: Uint8Array): void {
    try {
      if (this.#bytes + bytes.length > this.#options.bytesMax) this.#rotate();
      this.#bytes += writeSync(this.#open(), bytes);
    } catch {
      this.#lost += 1;
    }
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
  }

  #open(): number {
    if (this.#file !== undefined) return this.#file;
    const { path, bytesMax } = this.#options;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#file = openSync(path, "a", 0o600);
    this.#bytes = fstatSync(this.#file).size;
    if (this.#bytes < bytesMax) return this.#file;
    this.#rotate();
    return this.#open();
  }

  #rotate(): void {
    const { path, filesKept } = this.#options;
    this.close();
    this.#bytes = 0;
    rmSync(`${path}.${filesKept}`, { force: true });
    for (let at = filesKept - 1; at >= 1; at--) moveIfThere(`${path}.${at}`, `${path}.${at + 1}`);
    if (filesKept > 0) moveIfThere(path, `${path}.1`);
    else rmSync(path, { force: true });
  }
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
