/**
 * The names on a simulated disk. A change of names is durable after its directory was synced; until
 * then a loss of power keeps the first changes of the journal, as many as chance says, in order.
 */
import { MeshError } from "@hearthmesh/core";
import type { SeededRandom } from "./seeded-random.js";
import { VirtualFile } from "./virtual-file.js";

type Node = VirtualFile | "directory";

interface Change {
  readonly directories: readonly string[];
  apply(names: Map<string, Node>): void;
}

export class VirtualDirectoryTree {
  #names = new Map<string, Node>();
  readonly #durableNames = new Map<string, Node>();
  #journal: Change[] = [];

  get files(): VirtualFile[] {
    return [...this.#names.values()].filter((node) => node instanceof VirtualFile);
  }

  /** Paths of files, sorted. */
  get filePaths(): string[] {
    const paths = [...this.#names].filter(([, node]) => node !== "directory").map(([path]) => path);
    return paths.sort();
  }

  has(path: string): boolean {
    return isRoot(path) || this.#names.has(normal(path));
  }

  file(path: string): VirtualFile | undefined {
    const node = this.#names.get(normal(path));
    if (node === "directory") throw failed(path, "is a directory");
    return node;
  }

  create(path: string): VirtualFile {
    const name = normal(path);
    this.#requireParent(name);
    const file = new VirtualFile();
    this.#change([parentOf(name)], (names) => names.set(name, file));
    return file;
  }

  list(directory: string): string[] {
    const prefix = isRoot(directory) ? "" : `${normal(directory)}/`;
    const below = [...this.#names.keys()].filter((path) => path.startsWith(prefix));
    return below
      .map((path) => path.slice(prefix.length))
      .filter((rest) => !rest.includes("/"))
      .sort();
  }

  makeDirectory(directory: string): void {
    if (isRoot(directory)) return;
    const parts = normal(directory).split("/");
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = parts.slice(0, depth).join("/");
      const node = this.#names.get(path);
      if (node instanceof VirtualFile) throw failed(path, "is a file");
      if (node === undefined) {
        this.#change([parentOf(path)], (names) => names.set(path, "directory"));
      }
    }
  }

  /** Content to find it missing, as the real disk is. */
  remove(path: string): void {
    const name = normal(path);
    const node = this.#names.get(name);
    if (node === undefined) return;
    if (node === "directory") throw failed(path, "is a directory");
    this.#change([parentOf(name)], (names) => names.delete(name));
  }

  rename(from: string, to: string): void {
    const [source, target] = [normal(from), normal(to)];
    const node = this.#names.get(source);
    if (node === undefined) throw failed(from, "is missing");
    this.#requireParent(target);
    this.#change([parentOf(source), parentOf(target)], (names) => {
      names.delete(source);
      names.set(target, node);
    });
  }

  sync(directory: string): void {
    const path = isRoot(directory) ? "" : normal(directory);
    const kept: Change[] = [];
    for (const change of this.#journal) {
      if (change.directories.includes(path)) change.apply(this.#durableNames);
      else kept.push(change);
    }
    this.#journal = kept;
  }

  losePower(random: SeededRandom): void {
    const survivors = random.integer(0, this.#journal.length);
    for (const change of this.#journal.slice(0, survivors)) change.apply(this.#durableNames);
    this.#journal = [];
    this.#names = new Map(this.#durableNames);
  }

  #change(directories: readonly string[], apply: Change["apply"]): void {
    apply(this.#names);
    this.#journal.push({ directories, apply });
  }

  #requireParent(path: string): void {
    const parent = parentOf(path);
    if (parent !== "" && this.#names.get(parent) !== "directory") {
      throw failed(parent, "is not a directory");
    }
  }
}

function failed(path: string, what: string): MeshError {
  return new MeshError("MESH_DISK_FAILED", { message: `${path} ${what}` });
}

function isRoot(path: string): boolean {
  return normal(path) === "";
}

function normal(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}
