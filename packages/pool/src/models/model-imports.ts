/**
 * Adds models: takes a file or downloads one, looks whether it is a model that can be run, and puts
 * it into the collective. A model is there when its record is written, as the last step; an import
 * that broke leaves the download, so that the next one goes on, and nothing else that anybody sees.
 *
 * Limits: `IMPORTS_RUNNING_MAX` at a time, one for a name; `IMPORTS_KEPT_MAX` are remembered.
 */
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  asWireError,
  type Clock,
  isMeshError,
  type Logger,
  MeshError,
  type Random,
} from "@hearthmesh/core";
import { type CollectiveLibrary, readOnlyError } from "./collective-library.js";
import { DEMO_MODEL_NAME, inspectModel } from "./demo-model.js";
import { diskError } from "./disk-errors.js";
import { Download, removeDownload } from "./download.js";
import { addressHash } from "./download-note.js";
import type { HttpRequest } from "./download-request.js";
import { parseModelUrl, sourceOf } from "./download-request.js";
import {
  IMPORTS_KEPT_MAX,
  IMPORTS_RUNNING_MAX,
  INCOMING_FILES_MAX,
  INCOMING_KEPT_MS,
  MODEL_CHUNK_BYTES,
  MODEL_FILE_BYTES_MAX,
  MODEL_SOURCE_LENGTH_MAX,
  MODELS_MAX,
} from "./limits.js";
import type { LocalModels } from "./local-models.js";
import type { ModelFilesWriter } from "./model-files.js";
import type { ModelRecord } from "./model-library.js";
import { checkModelName, isHash, modelNameFrom, modelRecordBytes } from "./model-record.js";

export type ImportState = "downloading" | "checking" | "storing" | "done" | "failed";

export interface ImportView {
  readonly id: string;
  readonly name: string;
  readonly source: string;
  readonly state: ImportState;
  readonly doneBytes: number;
  /** Undefined while nobody knows. */
  readonly totalBytes: number | undefined;
  readonly startedAtMs: number;
  readonly model: ModelRecord | undefined;
  readonly error: MeshError | undefined;
}

export interface AddOptions {
  /** Default: made of the file's name. */
  readonly name?: string | undefined;
  /** What the content must hash to. */
  readonly sha256?: string | undefined;
}

export interface ModelImportsOptions {
  readonly directory: string;
  readonly library: CollectiveLibrary;
  readonly local: LocalModels;
  readonly writer: ModelFilesWriter | undefined;
  readonly request: HttpRequest;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Import {
  view: ImportView;
  readonly abort: AbortController;
  readonly sha256: string | undefined;
  running: Promise<unknown>;
}

/** What is wrong with the file itself: else a whole download is kept for the next time. */
const FOR_GOOD: readonly string[] = [
  "MESH_MODEL_DAMAGED",
  "MESH_MODEL_UNSUPPORTED",
  "MESH_MODEL_EXISTS",
];
const MAGIC = Buffer.from("GGUF");

export class ModelImports {
  readonly #options: ModelImportsOptions;
  readonly #imports = new Map<string, Import>();

  constructor(options: ModelImportsOptions) {
    this.#options = options;
  }

  list(): readonly ImportView[] {
    return [...this.#imports.values()].map(({ view }) => view);
  }

  /** `MESH_NOT_FOUND`. */
  get(id: string): ImportView {
    const found = this.#imports.get(id);
    if (found !== undefined) return found.view;
    throw new MeshError("MESH_NOT_FOUND", { message: "this node adds no such model" });
  }

  /** Ends it; what was downloaded stays for the next time. `MESH_NOT_FOUND`. */
  async cancel(id: string): Promise<ImportView> {
    this.get(id);
    const one = this.#imports.get(id);
    one?.abort.abort(new MeshError("MESH_CANCELLED", { message: "the import was cancelled" }));
    await one?.running.catch(() => undefined);
    return this.get(id);
  }

  /** Begins a download and returns at once; `get` says how far it is. */
  async addFrom(address: string, options: AddOptions, signal: AbortSignal): Promise<ImportView> {
    const url = parseModelUrl(address);
    const source = sourceOf(url).slice(0, MODEL_SOURCE_LENGTH_MAX);
    const one = await this.#begin(source, url.pathname, options, signal);
    one.running = this.#download(one, url);
    one.running.catch(() => undefined);
    return one.view;
  }

  /** Takes a file as it comes; returns when the model is there. */
  async addStream(
    fileName: string,
    body: AsyncIterable<Uint8Array>,
    options: AddOptions,
    signal: AbortSignal,
  ): Promise<ModelRecord> {
    const source = `file ${fileName.slice(0, 256)}`;
    const one = await this.#begin(source, fileName, options, signal);
    const either = AbortSignal.any([signal, one.abort.signal]);
    const work = this.#take(one, body, either);
    one.running = work;
    return work;
  }

  async close(): Promise<void> {
    const all = [...this.#imports.values()];
    for (const { abort } of all) abort.abort(new MeshError("MESH_STOPPING"));
    await Promise.allSettled(all.map(({ running }) => running));
  }

  async #begin(
    source: string,
    fileName: string,
    options: AddOptions,
    signal: AbortSignal,
  ): Promise<Import> {
    const { library, writer, random, clock, directory } = this.#options;
    if (writer === undefined) throw readOnlyError();
    const name = nameFor(fileName, options.name);
    const sha256 = options.sha256?.toLowerCase();
    if (sha256 !== undefined && !isHash(sha256)) {
      throw new MeshError("MESH_BAD_REQUEST", { message: "a SHA-256 has 64 hexadecimal digits" });
    }
    const models = await library.list(signal);
    if (models.length >= MODELS_MAX && !models.some((one) => one.name === name)) {
      throw new MeshError("MESH_LIMIT", { message: `there are ${MODELS_MAX} models already` });
    }
    this.#checkRunning(name);
    this.#forgetOld();
    const id = Buffer.from(random.bytes(8)).toString("hex");
    const view: ImportView = {
      ...{ id, name, source, state: "downloading", doneBytes: 0, totalBytes: undefined },
      ...{ startedAtMs: clock.nowMs(), model: undefined, error: undefined },
    };
    const running = Promise.resolve();
    const one: Import = { view, abort: new AbortController(), sha256, running };
    this.#imports.set(id, one);
    await mkdir(join(directory, "incoming"), { recursive: true, mode: 0o700 });
    await removeOld(join(directory, "incoming"), clock.nowMs() - INCOMING_KEPT_MS);
    return one;
  }

  #checkRunning(name: string): void {
    const running = this.list().filter(({ state }) => state !== "done" && state !== "failed");
    if (running.some((one) => one.name === name)) {
      throw new MeshError("MESH_MODEL_EXISTS", { message: `${name} is being added already` });
    }
    if (running.length < IMPORTS_RUNNING_MAX) return;
    throw new MeshError("MESH_LIMIT", {
      message: `${IMPORTS_RUNNING_MAX} models are being added already; wait for one of them`,
    });
  }

  #forgetOld(): void {
    for (const [id, { view }] of this.#imports) {
      if (this.#imports.size < IMPORTS_KEPT_MAX) return;
      if (view.state === "done" || view.state === "failed") this.#imports.delete(id);
    }
  }

  async #download(one: Import, url: URL): Promise<ModelRecord> {
    const { directory, local, request, clock, log } = this.#options;
    const path = join(directory, "incoming", `${addressHash(url)}.part`);
    const { signal } = one.abort;
    return this.#finishing(one, async () => {
      await Download.run(
        {
          ...{ url, path, bytesMax: MODEL_FILE_BYTES_MAX, request, clock, log },
          isHashKnown: one.sha256 !== undefined,
          checkHead,
          onSize: (sizeBytes) => local.makeRoom(sizeBytes ?? 0, ""),
          onProgress: (doneBytes, totalBytes) => update(one, { doneBytes, totalBytes }),
        },
        signal,
      );
      try {
        const model = await this.#store(one, path, signal);
        await removeDownload(path);
        return model;
      } catch (error) {
        if (isMeshError(error) && FOR_GOOD.includes(error.code)) await removeDownload(path);
        throw error;
      }
    });
  }

  async #take(
    one: Import,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<ModelRecord> {
    const path = join(this.#options.directory, "incoming", `${one.view.id}.part`);
    return this.#finishing(one, async () => {
      try {
        await receive(path, body, (doneBytes) => update(one, { doneBytes }), signal);
        return await this.#store(one, path, signal);
      } finally {
        await removeDownload(path);
      }
    });
  }

  async #finishing(one: Import, work: () => Promise<ModelRecord>): Promise<ModelRecord> {
    try {
      const model = await work();
      update(one, { state: "done", model });
      return model;
    } catch (error) {
      const failure = diskError(error, this.#options.directory);
      const wire = asWireError(failure);
      const known = failure instanceof MeshError ? failure : new MeshError("MESH_INTERNAL");
      update(one, { state: "failed", error: known });
      this.#options.log.info("a model was not added", { reason: wire.message, code: known.code });
      throw failure;
    }
  }

  /** From a whole local file to a record. */
  async #store(one: Import, path: string, signal: AbortSignal): Promise<ModelRecord> {
    const { library, local, writer, clock } = this.#options;
    if (writer === undefined) throw readOnlyError();
    const { name, source } = one.view;
    update(one, { state: "checking" });
    const { model: inspected, hashes } = await inspectModel(path, signal);
    if (one.sha256 !== undefined && one.sha256 !== inspected.id) {
      throw new MeshError("MESH_MODEL_DAMAGED", {
        message: `the file hashes to ${inspected.id}, and not to ${one.sha256}`,
      });
    }
    const present = (await library.list(signal)).find((known) => known.name === name);
    if (present?.id === inspected.id) return present;
    if (present !== undefined) {
      throw new MeshError("MESH_MODEL_EXISTS", {
        message: `there is another model with the name ${name}`,
      });
    }
    const model = { ...inspected, name, source, addedAtMs: clock.nowMs() };
    update(one, { state: "storing", doneBytes: 0, totalBytes: model.sizeBytes });
    const onBytesSafe = (doneBytes: number) => update(one, { doneBytes });
    const content = createReadStream(path, { highWaterMark: MODEL_CHUNK_BYTES });
    await writer.writeContent(name, content, onBytesSafe, signal);
    await writer.writeHashes(name, hashes.chunks, signal);
    await writer.writeRecord(name, modelRecordBytes(model), signal);
    await local.adopt(path, model, hashes.chunks);
    return model;
  }
}

function nameFor(fileName: string, wanted: string | undefined): string {
  const last = fileName.split(/[/\\]/).at(-1) ?? "";
  const name = wanted === undefined ? modelNameFrom(last) : checkModelName(wanted);
  if (name === undefined) {
    const message = "no name can be made of the file's name";
    throw new MeshError("MESH_BAD_REQUEST", { message, hint: "Give one with `--name`." });
  }
  if (name !== DEMO_MODEL_NAME) return name;
  throw new MeshError("MESH_MODEL_EXISTS", {
    message: `${DEMO_MODEL_NAME} is the model that comes with the program`,
  });
}

function update(one: Import, change: Partial<ImportView>): void {
  one.view = { ...one.view, ...change };
}

function checkHead(head: Uint8Array): void {
  if (MAGIC.equals(head.subarray(0, MAGIC.length))) return;
  throw new MeshError("MESH_MODEL_DAMAGED", {
    message: "this is not a GGUF file: it does not begin with the four letters",
    hint: "Perhaps the address is of a page about the file, and not of the file itself.",
  });
}

async function receive(
  path: string,
  body: AsyncIterable<Uint8Array>,
  onBytes: (doneBytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, "w", 0o600);
  let doneBytes = 0;
  try {
    for await (const piece of body) {
      signal.throwIfAborted();
      if (doneBytes + piece.length > MODEL_FILE_BYTES_MAX) throw new MeshError("MESH_LIMIT");
      if (doneBytes < MAGIC.length) {
        const begun = MAGIC.subarray(doneBytes, doneBytes + piece.length);
        if (!begun.equals(piece.subarray(0, begun.length))) checkHead(new Uint8Array(MAGIC.length));
      }
      await file.write(piece, 0, piece.length, doneBytes);
      doneBytes += piece.length;
      onBytes(doneBytes);
    }
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Downloads that nobody went on with. */
async function removeOld(directory: string, beforeMs: number): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.slice(0, INCOMING_FILES_MAX)) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < beforeMs) await rm(path, { force: true });
  }
}
