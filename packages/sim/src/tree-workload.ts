/**
 * One person who keeps a directory tree: random operations one after the other, each answer
 * compared with a model. A person works alone in their tree, so there is one right answer to
 * everything; sharing is tested by `register-workload.ts`.
 */
import { type Clock, isMeshError, sleep } from "@hearthmesh/core";
import { contentOf, fingerprint } from "./content.js";
import type { MeshClient } from "./mesh-client.js";
import { isAllowedFailure } from "./outcomes.js";
import type { SeededRandom } from "./seeded-random.js";
import type { Trace } from "./trace.js";
import {
  type Alternative,
  directory,
  moveChange,
  type PathState,
  removeChange,
  TreeModel,
} from "./tree-model.js";
import type { Violations } from "./violations.js";

export interface TreeWorkloadOptions {
  client: MeshClient;
  clock: Clock;
  random: SeededRandom;
  trace: Trace;
  violations: Violations;
  /** A directory that exists and that only this client touches. */
  root: string;
  operations: number;
  /** Largest file; sizes hit the inline, the small and the chunked way. */
  fileBytesMax: number;
  /** Contents written so far by anybody: some are written again, which shares their chunks. */
  contents: FileContent[];
  /** False: any failure of an operation that should work is a violation. */
  faultsExpected: boolean;
  thinkMsMax?: number;
}

export interface FileContent {
  readonly version: string;
  readonly sizeBytes: number;
}

const FILES_MAX = 24;
/** How often a write repeats a content, and among how many of the last ones it chooses. */
const REPEATED_CONTENT = 0.4;
const REPEATABLE_CONTENTS = 8;

type Action = "write" | "read" | "readRange" | "list" | "makeDirectory" | "move" | "remove";

const actions: readonly Action[] = [
  ...["write", "write", "write", "write", "write"],
  ...["read", "read", "read", "readRange", "list"],
  ...["makeDirectory", "move", "remove"],
] as Action[];

export class TreeWorkload {
  readonly model: TreeModel;
  readonly #options: TreeWorkloadOptions;
  #nextNumber = 0;
  /** Operations that were answered with success. */
  succeeded = 0;
  failed = 0;

  constructor(options: TreeWorkloadOptions) {
    this.#options = options;
    this.model = new TreeModel(options.root);
  }

  async run(): Promise<void> {
    const { clock, random, operations, thinkMsMax = 500 } = this.#options;
    for (let index = 0; index < operations; index++) {
      await sleep(clock, random.integer(0, thinkMsMax));
      await this.#act(random.pick(actions));
    }
  }

  async #act(action: Action): Promise<void> {
    switch (action) {
      case "write":
        return this.#write();
      case "read":
        return this.#read();
      case "readRange":
        return this.#readRange();
      case "list":
        return this.#list();
      case "makeDirectory":
        return this.#makeDirectory();
      case "move":
        return this.#move();
      case "remove":
        return this.#remove();
    }
  }

  async #write(): Promise<void> {
    const { client, random } = this.#options;
    const files = this.model.paths("file");
    const isNew = files.length === 0 || (files.length < FILES_MAX && random.chance(0.6));
    const path = isNew ? this.#newPath("file") : random.pick(files);
    const { version, sizeBytes } = this.#nextContent();
    const state: PathState = { kind: "file", version, sizeBytes };
    await this.#mutate(`write ${path} ${version} ${sizeBytes} B`, new Map([[path, state]]), () =>
      client.write(path, contentOf(version, sizeBytes)),
    );
  }

  async #read(): Promise<void> {
    const file = this.#pickFile();
    if (file === undefined) return;
    await this.#ask(`read ${file.path}`, async () => {
      const bytes = await this.#options.client.read(file.path);
      const expected = contentOf(file.version, file.sizeBytes);
      return same(bytes, expected) ? undefined : different(bytes, expected);
    });
  }

  async #readRange(): Promise<void> {
    const file = this.#pickFile();
    if (file === undefined || file.sizeBytes === 0) return;
    const start = this.#options.random.integer(0, file.sizeBytes - 1);
    const endInclusive = this.#options.random.integer(start, file.sizeBytes - 1);
    await this.#ask(`read ${file.path} ${start}-${endInclusive}`, async () => {
      const bytes = await this.#options.client.read(file.path, { start, endInclusive });
      const whole = contentOf(file.version, file.sizeBytes);
      const expected = whole.subarray(start, endInclusive + 1);
      return same(bytes, expected) ? undefined : different(bytes, expected);
    });
  }

  async #list(): Promise<void> {
    const path = this.#options.random.pick(this.model.paths("directory"));
    await this.#ask(`list ${path}`, async () => {
      const names = await this.#options.client.list(path);
      return listingProblem(this.model, path, names);
    });
  }

  async #makeDirectory(): Promise<void> {
    const path = this.#newPath("directory");
    await this.#mutate(`mkdir ${path}`, new Map([[path, directory]]), () =>
      this.#options.client.makeDirectory(path),
    );
  }

  async #move(): Promise<void> {
    const from = this.#pickAny();
    if (from === undefined) return;
    const kind = this.model.state(from)?.kind === "directory" ? "directory" : "file";
    const to = this.#newPath(kind, from);
    await this.#mutate(`move ${from} ${to}`, moveChange(this.model, from, to), () =>
      this.#options.client.move(from, to),
    );
  }

  async #remove(): Promise<void> {
    const path = this.#pickAny();
    if (path === undefined) return;
    await this.#mutate(`remove ${path}`, removeChange(this.model, path), () =>
      this.#options.client.remove(path, { recursive: true }),
    );
  }

  async #mutate(what: string, change: Alternative, work: () => Promise<void>): Promise<void> {
    const { client, trace } = this.#options;
    trace.record(client.name, what);
    try {
      await work();
      this.model.apply(change);
      this.succeeded++;
      trace.record(client.name, `${what}: done`);
    } catch (error) {
      this.model.applyPerhaps(change);
      this.#noteFailure(what, error);
    }
  }

  /** `work` returns what is wrong with the answer. */
  async #ask(what: string, work: () => Promise<string | undefined>): Promise<void> {
    const { client, trace, violations } = this.#options;
    trace.record(client.name, what);
    try {
      const problem = await work();
      this.succeeded++;
      trace.record(client.name, `${what}: ${problem ?? "as expected"}`);
      if (problem !== undefined) violations.add(`${client.name}: ${what}: ${problem}`);
    } catch (error) {
      const isLost = isMeshError(error, "MESH_PATH_NOT_FOUND");
      if (isLost) violations.add(`${client.name}: ${what}: an acknowledged write is gone`);
      this.#noteFailure(what, error);
    }
  }

  #noteFailure(what: string, error: unknown): void {
    const { client, trace, violations, faultsExpected } = this.#options;
    this.failed++;
    const text = describeError(error);
    trace.record(client.name, `${what}: failed: ${text}`);
    if (!faultsExpected || !isAllowedFailure(error)) {
      violations.add(`${client.name}: ${what}: failed with ${text}`);
    }
  }

  #pickFile(): { path: string; version: string; sizeBytes: number } | undefined {
    const files = this.model.paths("file");
    if (files.length === 0) return undefined;
    const path = this.#options.random.pick(files);
    const state = this.model.state(path);
    return state?.kind === "file" ? { path, ...state } : undefined;
  }

  /** A file or a directory below the root; undefined when there is none. */
  #pickAny(): string | undefined {
    const directories = this.model
      .paths("directory")
      .filter((path) => path !== this.#options.root && this.model.isWhole(path));
    const all = [...this.model.paths("file"), ...directories];
    return all.length === 0 ? undefined : this.#options.random.pick(all);
  }

  /** A path that never was; not below `outside`. */
  #newPath(kind: "file" | "directory", outside?: string): string {
    const parents = this.model
      .paths("directory")
      .filter((path) => path !== outside && !path.startsWith(`${outside}/`));
    const parent = this.#options.random.pick(parents);
    return `${parent}/${kind === "file" ? "f" : "d"}${this.#nextNumber++}`;
  }

  #nextContent(): FileContent {
    const { client, random, contents } = this.#options;
    if (contents.length > 0 && random.chance(REPEATED_CONTENT)) {
      return random.pick(contents.slice(-REPEATABLE_CONTENTS));
    }
    const version = `${client.name}-${this.#nextNumber++}`;
    const content = { version, sizeBytes: this.#randomSize() };
    contents.push(content);
    return content;
  }

  #randomSize(): number {
    const { random, fileBytesMax } = this.#options;
    const tops = [0, 1, 3 * 1024, 3 * 1024 + 1, 100_000, 256 * 1024 + 1, fileBytesMax];
    const top = Math.min(random.pick(tops), fileBytesMax);
    return random.chance(0.3) ? top : random.integer(0, top);
  }
}

/** What is wrong with a listing; undefined when it fits all that is known. */
export function listingProblem(
  model: TreeModel,
  path: string,
  names: readonly string[],
): string | undefined {
  const children = [...model.paths("file"), ...model.paths("directory").map((name) => `${name}/`)]
    .filter((child) => parentOf(child) === path)
    .map((child) => child.slice(path.length + 1));
  const missing = children.filter((child) => !names.includes(child));
  if (missing.length > 0) return `the listing lacks ${missing.join(", ")}`;
  const extra = names.filter((name) => {
    const isCertain = model.isCertain(`${path}/${name.replace(/\/$/, "")}`);
    return isCertain && !children.includes(name);
  });
  return extra.length > 0 ? `the listing has ${extra.join(", ")} too` : undefined;
}

function parentOf(path: string): string {
  const bare = path.replace(/\/$/, "");
  return bare.slice(0, bare.lastIndexOf("/"));
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function different(bytes: Uint8Array, expected: Uint8Array): string {
  return `wrong bytes: ${fingerprint(bytes)} instead of ${fingerprint(expected)}`;
}

export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as { code?: unknown }).code;
  return typeof code === "string"
    ? `${code} (${error.message})`
    : `${error.name}: ${error.message}`;
}
