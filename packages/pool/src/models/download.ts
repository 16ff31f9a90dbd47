/**
 * One file over HTTP(S) into a local file, which goes on where it was: after a broken connection by
 * itself, after the process was killed by a note beside the file.
 *
 * It goes on with a range only when the server says that the file is the same (`If-Range` with its
 * strong ETag or date), or when the caller knows the hash of the whole anyway; else from the start.
 * Redirects are followed by hand: a few, never from https to http, and credentials of the address
 * go to its own host alone. What a server says of the size is never trusted: bytes are counted.
 * Source: RFC 9110, 13.1.5 (If-Range), 14 (ranges).
 */
import { type FileHandle, open, readFile, rm } from "node:fs/promises";
import { type Clock, errorFields, type Logger, MeshError, sleep } from "@hearthmesh/core";
import { diskError } from "./disk-errors.js";
import { type DownloadNote, readNote } from "./download-note.js";
import {
  type AskedRange,
  followRedirects,
  type HttpRequest,
  rangeOfAnswer,
} from "./download-request.js";
import {
  DOWNLOAD_ATTEMPTS_MAX,
  DOWNLOAD_NOTE_BYTES,
  DOWNLOAD_PAUSE_MAX_MS,
  DOWNLOAD_PAUSE_MS,
  DOWNLOAD_SILENCE_MS,
} from "./limits.js";
import { replaceFile } from "./local-model.js";

export interface DownloadOptions {
  readonly url: URL;
  /** Where it goes; the note lies beside it as `<path>.json`. */
  readonly path: string;
  readonly bytesMax: number;
  /** Whether somebody checks the hash of the whole afterwards. */
  readonly isHashKnown: boolean;
  readonly request: HttpRequest;
  /** The first bytes, as soon as they are there; throws when they are not what was wanted. */
  readonly checkHead: (head: Uint8Array) => void;
  /** Before the first byte, with the size that the server says; undefined when it says none. */
  readonly onSize: (sizeBytes: number | undefined) => Promise<void>;
  readonly onProgress: (doneBytes: number, totalBytes: number | undefined) => void;
  readonly silenceMs?: number;
  readonly pauseMs?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Bytes that the first look needs. */
const HEAD_BYTES = 4;

export class Download {
  readonly #options: DownloadOptions;
  #note: DownloadNote;
  #notedBytes = 0;

  private constructor(options: DownloadOptions, note: DownloadNote) {
    this.#options = options;
    this.#note = note;
    this.#notedBytes = note.doneBytes;
  }

  /** `MESH_MODEL_DOWNLOAD`, `MESH_LIMIT`, `MESH_DISK_FULL`, and what the callbacks throw. */
  static async run(options: DownloadOptions, signal: AbortSignal): Promise<void> {
    const text = await readFile(`${options.path}.json`, "utf8").catch(() => undefined);
    const file = await open(options.path, "r+").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return open(options.path, "w+", 0o600);
      throw diskError(error, options.path);
    });
    try {
      const present = (await file.stat()).size;
      const note = readNote(text, options.url, present);
      await new Download(options, note).#run(file, signal);
    } catch (error) {
      // A server that refused leaves nothing behind.
      if ((await file.stat()).size === 0) await removeDownload(options.path);
      throw diskError(error, options.path);
    } finally {
      await file.close();
    }
  }

  async #run(file: FileHandle, signal: AbortSignal): Promise<void> {
    const { clock, log, pauseMs = DOWNLOAD_PAUSE_MS } = this.#options;
    for (let failures = 0; ; ) {
      signal.throwIfAborted();
      const before = this.#note.doneBytes;
      try {
        await this.#attempt(file, signal);
        await this.#save(file);
        return;
      } catch (error) {
        await this.#save(file);
        signal.throwIfAborted();
        if (error instanceof MeshError) throw error;
        const isDisk = diskError(error, this.#options.path);
        if (isDisk instanceof MeshError && isDisk.code === "MESH_DISK_FULL") throw isDisk;
        failures = this.#note.doneBytes > before ? 1 : failures + 1;
        if (failures >= DOWNLOAD_ATTEMPTS_MAX) throw this.#failed(error);
        const delayMs = Math.min(DOWNLOAD_PAUSE_MAX_MS, pauseMs * 2 ** (failures - 1));
        log.info("a download broke and goes on", { ...errorFields(error), delayMs });
        await sleep(clock, delayMs, signal);
      }
    }
  }

  async #attempt(file: FileHandle, signal: AbortSignal): Promise<void> {
    const { url, request, isHashKnown, silenceMs = DOWNLOAD_SILENCE_MS, clock } = this.#options;
    const silence = new AbortController();
    const either = AbortSignal.any([signal, silence.signal]);
    const listen = () =>
      clock.setTimeout(() => silence.abort(new Error("the server was silent")), silenceMs);
    let timer = listen();
    try {
      const asked: AskedRange = { note: this.#note, isHashKnown };
      const response = await followRedirects(url, asked, request, either);
      const from = await this.#begin(file, response);
      if (from === undefined) return;
      for await (const piece of response.body ?? []) {
        timer.cancel();
        timer = listen();
        await this.#take(file, piece as Uint8Array);
      }
      const { doneBytes, sizeBytes } = this.#note;
      if (sizeBytes !== undefined && doneBytes < sizeBytes) {
        throw new Error(`it ended after ${doneBytes} of ${sizeBytes} bytes`);
      }
      this.#note = { ...this.#note, sizeBytes: doneBytes };
    } finally {
      timer.cancel();
      silence.abort();
    }
  }

  /** Where the body belongs; undefined when there is nothing more to come. */
  async #begin(file: FileHandle, response: Response): Promise<number | undefined> {
    const { bytesMax, onSize, url } = this.#options;
    const answer = rangeOfAnswer(response, this.#note, url);
    if (answer.kind === "complete") return undefined;
    if (answer.kind === "restart") {
      this.#note = { ...this.#note, etag: undefined, lastModified: undefined, doneBytes: 0 };
      throw new Error("another file lies there now");
    }
    const { from, sizeBytes } = answer;
    if (sizeBytes !== undefined && sizeBytes > bytesMax) throw tooLarge(bytesMax);
    if (from !== this.#note.doneBytes) {
      await file.truncate(from);
      this.#notedBytes = from;
    }
    this.#note = { ...this.#note, ...answer.validators, doneBytes: from, sizeBytes };
    await onSize(sizeBytes);
    await this.#save(file);
    return from;
  }

  async #take(file: FileHandle, piece: Uint8Array): Promise<void> {
    const { bytesMax, onProgress, checkHead } = this.#options;
    const { doneBytes, sizeBytes } = this.#note;
    const after = doneBytes + piece.length;
    if (after > bytesMax) throw tooLarge(bytesMax);
    if (sizeBytes !== undefined && after > sizeBytes) {
      throw new MeshError("MESH_MODEL_DOWNLOAD", {
        message: `the server sends more than the ${sizeBytes} bytes that it said`,
      });
    }
    for (let done = 0; done < piece.length; ) {
      const left = piece.length - done;
      done += (await file.write(piece, done, left, doneBytes + done)).bytesWritten;
    }
    this.#note = { ...this.#note, doneBytes: after };
    if (doneBytes < HEAD_BYTES && after >= HEAD_BYTES) {
      const head = Buffer.alloc(HEAD_BYTES);
      await file.read(head, 0, HEAD_BYTES, 0);
      checkHead(head);
    }
    onProgress(after, sizeBytes);
    if (after - this.#notedBytes >= DOWNLOAD_NOTE_BYTES) await this.#save(file);
  }

  /** The bytes first, then how many there are. */
  async #save(file: FileHandle): Promise<void> {
    await file.datasync();
    await replaceFile(`${this.#options.path}.json`, `${JSON.stringify(this.#note)}\n`);
    this.#notedBytes = this.#note.doneBytes;
  }

  #failed(error: unknown): MeshError {
    const { host } = this.#options.url;
    const reason = error instanceof Error ? reasonOf(error) : String(error);
    return new MeshError("MESH_MODEL_DOWNLOAD", {
      message: `${host} does not give the file: ${reason}`,
      cause: error,
    });
  }
}

/** The file and its note. */
export async function removeDownload(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(`${path}.json`, { force: true });
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function tooLarge(bytesMax: number): MeshError {
  return new MeshError("MESH_LIMIT", { message: `a model may have at most ${bytesMax} bytes` });
}
