/**
 * A disk in memory for tests, which does what disks do at bad times: it forgets what was not
 * synced, in sectors and in any order; fills up in the middle of a write; fails a write, a read or
 * a sync.
 */
import { type Disk, type DiskFile, MeshError } from "@hearthmesh/core";

/** Smaller than real ones, so that the small records of tests tear, too. */
const SECTOR_BYTES = 64;

interface Unsynced {
  readonly position: number;
  /** Undefined for a truncation at `position`. */
  readonly bytes: Buffer | undefined;
}

type Act = <T>(action: DiskAction, path: string, effect: () => T) => Promise<T>;

interface Inode {
  current: Buffer;
  durable: Buffer;
  unsynced: Unsynced[];
}

export type DiskAction = "open" | "read" | "write" | "sync" | "truncate" | "remove" | "rename";

export class FaultyDisk {
  /** All bytes that fit; a write beyond fails half-way. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Called before each action; what it throws is the action's failure. */
  onAction: (action: DiskAction, path: string) => void = () => undefined;
  readonly counts = { write: 0, sync: 0 };
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #generation = 0;

  /**
   * The machine loses power: open files are dead, names that no `syncDirectory` covered are gone,
   * and of each unsynced write every sector was written or not, as `chance` says.
   */
  losePower(chance: () => boolean): void {
    this.#generation++;
    this.#names = new Map(this.#durableNames);
    for (const inode of this.#names.values()) {
      for (const change of inode.unsynced) applyTorn(inode, change, chance);
      inode.current = Buffer.from(inode.durable);
      inode.unsynced = [];
    }
  }

  /** The process ends, the system goes on: everything written is still in the cache. */
  killProcess(): void {
    this.#generation++;
  }

  /** Turns bytes of a file over, as a bad sector would. */
  damage(path: string, position: number, length = 1): void {
    const inode = this.#names.get(path);
    if (inode === undefined) throw new Error(`no file ${path}`);
    for (const bytes of [inode.current, inode.durable]) {
      for (let at = position; at < Math.min(position + length, bytes.length); at++) {
        bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      }
    }
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  sizeOf(path: string): number {
    return this.#names.get(path)?.current.length ?? 0;
  }

  /** The disk as one process sees it: after a crash the process can do no more harm. */
  process(): Disk {
    const generation = this.#generation;
    const act: Act = async (action, path, effect) => {
      // Real disks answer later: this lets other work of the test run in between. From here to the
      // end of the effect nothing else runs, so a crash comes before or after and never within.
      await Promise.resolve();
      if (generation !== this.#generation) throw new MeshError("MESH_DISK_FAILED");
      this.onAction(action, path);
      return effect();
    };
    return {
      open: (path, options = {}) =>
        act("open", path, () =>
          this.#fileOf(path, this.#inode(path, options.create === true), act),
        ),
      exists: async (path) => this.#names.has(path),
      list: async (directory) => this.#list(directory),
      makeDirectory: async () => undefined,
      remove: (path) => act("remove", path, () => void this.#names.delete(path)),
      rename: (from, to) =>
        act("rename", from, () => {
          const inode = this.#inode(from, false);
          this.#names.delete(from);
          this.#names.set(to, inode);
        }),
      syncDirectory: (directory) => act("sync", directory, () => this.#syncDirectory(directory)),
      freeBytes: async () => this.capacityBytes - this.#usedBytes(),
    };
  }

  #inode(path: string, create: boolean): Inode {
    const known = this.#names.get(path);
    if (known !== undefined) return known;
    if (!create) throw new MeshError("MESH_DISK_FAILED", { message: `no file ${path}` });
    const inode = { current: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] };
    this.#names.set(path, inode);
    return inode;
  }

  #list(directory: string): string[] {
    const prefix = `${directory}/`;
    return this.paths()
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length));
  }

  #syncDirectory(directory: string): void {
    const prefix = `${directory}/`;
    const kept = [...this.#durableNames].filter(([path]) => !path.startsWith(prefix));
    const fresh = [...this.#names].filter(([path]) => path.startsWith(prefix));
    this.#durableNames = new Map([...kept, ...fresh]);
  }

  #usedBytes(): number {
    let used = 0;
    for (const inode of this.#names.values()) used += inode.current.length;
    return used;
  }

  #fileOf(path: string, inode: Inode, act: Act): DiskFile {
    return {
      read: (position, length) =>
        act("read", path, () => Buffer.from(inode.current.subarray(position, position + length))),
      write: (position, pieces) => {
        this.counts.write++;
        const bytes = Buffer.concat(pieces);
        return act("write", path, () => this.#write(inode, position, bytes));
      },
      sync: () => {
        this.counts.sync++;
        return act("sync", path, () => {
          inode.durable = Buffer.from(inode.current);
          inode.unsynced = [];
        }).catch((error: unknown) => {
          // As Linux does: the dirty pages are marked clean, and no later sync writes them.
          inode.unsynced = [];
          throw error;
        });
      },
      truncate: (sizeBytes) =>
        act("truncate", path, () => {
          inode.current = resized(inode.current, sizeBytes);
          inode.unsynced.push({ position: sizeBytes, bytes: undefined });
        }),
      sizeBytes: async () => inode.current.length,
      close: async () => undefined,
    };
  }

  #write(inode: Inode, position: number, bytes: Buffer): void {
    const growth = Math.max(0, position + bytes.length - inode.current.length);
    const lacking = Math.max(0, this.#usedBytes() + growth - this.capacityBytes);
    const written = bytes.subarray(0, Math.max(0, bytes.length - lacking));
    inode.current =
      written.length === 0 ? inode.current : overwritten(inode.current, position, written);
    inode.unsynced.push({ position, bytes: written });
    if (lacking > 0) throw new MeshError("MESH_DISK_FULL");
  }
}

function applyTorn(inode: Inode, change: Unsynced, chance: () => boolean): void {
  if (change.bytes === undefined) {
    if (chance()) inode.durable = resized(inode.durable, change.position);
    return;
  }
  for (let at = 0; at < change.bytes.length; at += SECTOR_BYTES) {
    if (!chance()) continue;
    const sector = change.bytes.subarray(at, at + SECTOR_BYTES);
    inode.durable = overwritten(inode.durable, change.position + at, sector);
  }
}

function overwritten(bytes: Buffer, position: number, added: Buffer): Buffer {
  const result = resized(bytes, Math.max(bytes.length, position + added.length));
  added.copy(result, position);
  return result;
}

function resized(bytes: Buffer, sizeBytes: number): Buffer {
  const result = Buffer.alloc(sizeBytes);
  bytes.copy(result, 0, 0, Math.min(bytes.length, sizeBytes));
  return result;
}
