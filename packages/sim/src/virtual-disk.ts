/**
 * A disk in memory that does what real ones do on bad days: it forgets what was not synced, tears
 * pages at sector borders, fails reads, writes and syncs, flips bits, fills up and gets slow. Time
 * is virtual. The process gets a `Disk` from `mount`; the harness keeps this object.
 */
import { type Clock, type Disk, type DiskFile, MeshError } from "@hearthmesh/core";
import type { SeededRandom } from "./seeded-random.js";
import { VirtualDirectoryTree } from "./virtual-directory.js";
import type { VirtualFile } from "./virtual-file.js";

export interface DiskProfile {
  /** Time before the first byte of a read. */
  readMs: number;
  /** Time of a write into the kernel's cache, without its bytes. */
  writeMs: number;
  /** Time of a sync, without the bytes that it has to bring to the medium. */
  syncMs: number;
  bytesPerSecond: number;
}

/** A middling SATA solid-state drive. */
const solidStateProfile: DiskProfile = {
  readMs: 0.1,
  writeMs: 0.02,
  syncMs: 1.5,
  bytesPerSecond: 400e6,
};

/** Chance in [0, 1] that an operation fails with `MESH_DISK_FAILED`. */
export interface DiskErrorRates {
  read: number;
  write: number;
  sync: number;
}

const noErrors: DiskErrorRates = { read: 0, write: 0, sync: 0 };

export interface VirtualDiskOptions {
  clock: Clock;
  random: SeededRandom;
  capacityBytes?: number;
  profile?: DiskProfile;
}

const CAPACITY_BYTES_DEFAULT = 4 * 2 ** 30;

/** Never settles: what a call of a dead process gets. */
const never = () => new Promise<never>(() => undefined);

export class VirtualDisk {
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #profile: DiskProfile;
  #tree = new VirtualDirectoryTree();
  readonly #normalCapacityBytes: number;
  #capacityBytes: number;
  #mountCount = 0;
  #busyUntilMs = 0;
  #slowFactor = 1;
  #errorRates = noErrors;

  constructor(options: VirtualDiskOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#profile = options.profile ?? solidStateProfile;
    this.#normalCapacityBytes = options.capacityBytes ?? CAPACITY_BYTES_DEFAULT;
    this.#capacityBytes = this.#normalCapacityBytes;
  }

  /** What one process gets. A later mount, `killProcess` and `losePower` end it. */
  mount(): Disk {
    return new MountedDisk(this, ++this.#mountCount);
  }

  /** The process is gone; the kernel still writes what it had taken over. Nothing is lost. */
  killProcess(): void {
    this.#mountCount++;
    for (const file of this.#tree.files) file.finishSyncs();
  }

  losePower(): void {
    this.#mountCount++;
    const all = new Set(this.#tree.files);
    this.#tree.losePower(this.#random);
    for (const file of this.#tree.files) all.add(file);
    for (const file of all) file.losePower(this.#random);
  }

  /** A new, empty disk in the same machine. */
  wipe(): void {
    this.#mountCount++;
    this.#tree = new VirtualDirectoryTree();
  }

  setCapacity(capacityBytes: number): void {
    this.#capacityBytes = capacityBytes;
  }

  /** What it was made with. */
  setNormalCapacity(): void {
    this.#capacityBytes = this.#normalCapacityBytes;
  }

  /** 10 makes everything take ten times as long; 1 is normal. */
  setSlowFactor(factor: number): void {
    this.#slowFactor = factor;
  }

  /** Rates that are left out stay as they are. */
  setErrorRates(rates: Partial<DiskErrorRates>): void {
    this.#errorRates = { ...this.#errorRates, ...rates };
  }

  get usedBytes(): number {
    return this.#tree.files.reduce((sum, file) => sum + file.storedBytes, 0);
  }

  get freeBytes(): number {
    return Math.max(0, this.#capacityBytes - this.usedBytes);
  }

  get filePaths(): readonly string[] {
    return this.#tree.filePaths;
  }

  /** Damages one bit of a file; undefined when the byte lies behind its end. */
  flipBit(path: string, position: number): boolean {
    const file = this.#tree.file(path);
    if (file === undefined || position >= file.sizeBytes) return false;
    file.flipBit(position, this.#random.integer(0, 7));
    return true;
  }

  /** Size of a file as the process sees it; 0 when it is missing. */
  sizeOf(path: string): number {
    return this.#tree.file(path)?.sizeBytes ?? 0;
  }

  get tree(): VirtualDirectoryTree {
    return this.#tree;
  }

  /** How much of a write of this many bytes has happened when the call is made. */
  earlyPart(bytes: number): number {
    return this.#random.integer(0, bytes);
  }

  /** Waits as long as the device needs, and for ever when the process died meanwhile. */
  async serve(mount: number, kind: keyof DiskErrorRates, bytes: number): Promise<void> {
    if (mount !== this.#mountCount) return never();
    const base = { read: "readMs", write: "writeMs", sync: "syncMs" } as const;
    const transferMs = (bytes * 1000) / this.#profile.bytesPerSecond;
    const nowMs = this.#clock.monotonicMs();
    const beginMs = Math.max(nowMs, this.#busyUntilMs);
    this.#busyUntilMs = beginMs + transferMs * this.#slowFactor;
    const doneMs = this.#busyUntilMs + this.#profile[base[kind]] * this.#slowFactor;
    await new Promise<void>((resolve) => this.#clock.setTimeout(resolve, doneMs - nowMs));
    if (mount !== this.#mountCount) return never();
    if (this.#errorRates[kind] > 0 && this.#random.chance(this.#errorRates[kind])) {
      throw new MeshError("MESH_DISK_FAILED", { message: `a ${kind} failed: input/output error` });
    }
  }
}

/** The `Disk` of one process. */
class MountedDisk implements Disk {
  readonly #disk: VirtualDisk;
  readonly #mount: number;

  constructor(disk: VirtualDisk, mount: number) {
    this.#disk = disk;
    this.#mount = mount;
  }

  async open(path: string, options: { create?: boolean } = {}): Promise<DiskFile> {
    await this.#disk.serve(this.#mount, "read", 0);
    const present = this.#disk.tree.file(path);
    if (present === undefined && options.create !== true) {
      throw new MeshError("MESH_DISK_FAILED", { message: `${path} is missing` });
    }
    return new OpenFile(this.#disk, this.#mount, present ?? this.#disk.tree.create(path));
  }

  async exists(path: string): Promise<boolean> {
    await this.#disk.serve(this.#mount, "read", 0);
    return this.#disk.tree.has(path);
  }

  async list(directory: string): Promise<string[]> {
    await this.#disk.serve(this.#mount, "read", 0);
    return this.#disk.tree.list(directory);
  }

  async makeDirectory(directory: string): Promise<void> {
    await this.#disk.serve(this.#mount, "write", 0);
    this.#disk.tree.makeDirectory(directory);
  }

  async remove(path: string): Promise<void> {
    await this.#disk.serve(this.#mount, "write", 0);
    this.#disk.tree.remove(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#disk.serve(this.#mount, "write", 0);
    this.#disk.tree.rename(from, to);
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#disk.serve(this.#mount, "sync", 0);
    this.#disk.tree.sync(directory);
  }

  async freeBytes(): Promise<number> {
    await this.#disk.serve(this.#mount, "read", 0);
    return this.#disk.freeBytes;
  }
}

class OpenFile implements DiskFile {
  readonly #disk: VirtualDisk;
  readonly #mount: number;
  readonly #file: VirtualFile;
  #closed = false;

  constructor(disk: VirtualDisk, mount: number, file: VirtualFile) {
    this.#disk = disk;
    this.#mount = mount;
    this.#file = file;
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    this.#requireOpen();
    await this.#disk.serve(this.#mount, "read", length);
    return this.#file.read(position, length);
  }

  async write(position: number, pieces: readonly Uint8Array[]): Promise<void> {
    this.#requireOpen();
    const bytes = Buffer.concat(pieces);
    const free = this.#disk.freeBytes;
    const fits = this.#file.growthBytes(position, bytes.length) <= free;
    // A part is there at once: who dies, fails or runs out of space in mid-write leaves that part.
    const early = this.#disk.earlyPart(fits ? bytes.length : Math.min(bytes.length, free));
    this.#file.write(position, bytes.subarray(0, early));
    await this.#disk.serve(this.#mount, "write", bytes.length);
    if (!fits) throw new MeshError("MESH_DISK_FULL");
    this.#file.write(position + early, bytes.subarray(early));
  }

  async sync(): Promise<void> {
    this.#requireOpen();
    const sync = this.#file.beginSync();
    try {
      await this.#disk.serve(this.#mount, "sync", 0);
    } catch (error) {
      this.#file.failSync(sync);
      throw error;
    }
    this.#file.finishSync(sync);
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#requireOpen();
    await this.#disk.serve(this.#mount, "write", 0);
    this.#file.truncate(sizeBytes);
  }

  async sizeBytes(): Promise<number> {
    this.#requireOpen();
    await this.#disk.serve(this.#mount, "read", 0);
    return this.#file.sizeBytes;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #requireOpen(): void {
    if (this.#closed) {
      throw new MeshError("MESH_DISK_FAILED", { message: "the file was closed" });
    }
  }
}
