/** The pack files of one directory: their names, and a bounded number of open handles. */
import type { Disk, DiskFile } from "@hearthmesh/core";
import { decodePackIndex, encodePackIndex, type PackIndex } from "./pack-index-file.js";

/** A terabyte of chunks is 4,000 packs, and a process often may open only 1,024 files. */
const HANDLES_OPEN_MAX = 64;

interface Handle {
  readonly file: Promise<DiskFile>;
  users: number;
  /** Set when the handle is to be closed as soon as nobody uses it. */
  onIdle: (() => void) | undefined;
}

export class PackFiles {
  readonly disk: Disk;
  readonly directory: string;
  /** In the order of use, the least recent first. */
  readonly #handles = new Map<number, Handle>();

  constructor(disk: Disk, directory: string) {
    this.disk = disk;
    this.directory = directory;
  }

  packPath(number: number): string {
    return `${this.directory}/${number.toString().padStart(10, "0")}.pack`;
  }

  indexPath(number: number): string {
    return `${this.directory}/${number.toString().padStart(10, "0")}.index`;
  }

  /**
   * Makes the directory when it is missing. The names in it are synced before anything in them is
   * believed: a process that was killed may have left a pack that a loss of power would take away.
   */
  async makeDurable(): Promise<void> {
    const parent = this.directory.split("/").slice(0, -1).join("/");
    await this.disk.makeDirectory(this.directory);
    await this.disk.syncDirectory(parent === "" ? "." : parent);
    await this.disk.syncDirectory(this.directory);
  }

  /** The numbers of all packs, ascending. Leftovers of an interrupted index write are removed. */
  async packNumbers(): Promise<number[]> {
    const numbers: number[] = [];
    for (const name of await this.disk.list(this.directory)) {
      const match = /^(\d{10})\.pack$/.exec(name);
      if (match !== null) numbers.push(Number(match[1]));
      if (name.endsWith(".index.new")) await this.disk.remove(`${this.directory}/${name}`);
    }
    return numbers.sort((a, b) => a - b);
  }

  /** Runs `work` with the open pack; it stays open until the work is done. */
  async use<T>(
    number: number,
    work: (file: DiskFile) => Promise<T>,
    options: { create?: boolean } = {},
  ): Promise<T> {
    const handle = this.#take(number, options);
    try {
      return await work(await handle.file);
    } finally {
      handle.users--;
      if (handle.users === 0) handle.onIdle?.();
    }
  }

  #take(number: number, options: { create?: boolean }): Handle {
    const known = this.#handles.get(number);
    const handle = known ?? {
      file: this.disk.open(this.packPath(number), options),
      users: 0,
      onIdle: undefined,
    };
    handle.users++;
    this.#handles.delete(number);
    this.#handles.set(number, handle);
    if (known === undefined) {
      handle.file.catch(() => this.#handles.delete(number));
      this.#closeSurplus();
    }
    return handle;
  }

  #closeSurplus(): void {
    let surplus = this.#handles.size - HANDLES_OPEN_MAX;
    for (const [number, handle] of this.#handles) {
      if (surplus <= 0) return;
      if (handle.users > 0) continue;
      this.#handles.delete(number);
      surplus--;
      // Everything that must be durable was synced; a failing close loses nothing.
      handle.file.then((file) => file.close()).catch(() => undefined);
    }
  }

  /** Closes the pack when its last user is done. */
  async close(number: number): Promise<void> {
    const handle = this.#handles.get(number);
    if (handle === undefined) return;
    this.#handles.delete(number);
    if (handle.users > 0) {
      await new Promise<void>((resolve) => {
        handle.onIdle = resolve;
      });
    }
    await handle.file.then((file) => file.close()).catch(() => undefined);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#handles.keys()].map((number) => this.close(number)));
  }

  /** Removes a pack that nothing points to any more. Readers that have it open finish first. */
  async remove(number: number): Promise<void> {
    await this.close(number);
    // The index goes first: without it the pack is only scanned, without the pack it is garbage.
    await this.disk.remove(this.indexPath(number));
    await this.disk.remove(this.packPath(number));
    await this.disk.syncDirectory(this.directory);
  }

  async readIndex(number: number): Promise<PackIndex | undefined> {
    const path = this.indexPath(number);
    if (!(await this.disk.exists(path))) return undefined;
    const file = await this.disk.open(path);
    try {
      return decodePackIndex(await file.read(0, await file.sizeBytes()), number);
    } finally {
      await file.close();
    }
  }

  /** Replaces the index file of a pack as a whole: there is the old one or the new one. */
  async writeIndex(number: number, index: PackIndex): Promise<void> {
    const path = this.indexPath(number);
    const file = await this.disk.open(`${path}.new`, { create: true });
    try {
      await file.truncate(0);
      await file.write(0, encodePackIndex(number, index));
      await file.sync();
    } finally {
      await file.close();
    }
    await this.disk.rename(`${path}.new`, path);
    await this.disk.syncDirectory(this.directory);
  }
}
