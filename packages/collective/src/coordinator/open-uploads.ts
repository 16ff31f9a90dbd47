/**
 * The uploads that are under way, in memory beside their rows: how many each caller has, which ones
 * were left alone for too long, and since when the oldest one is open. Times are of the steady
 * clock; after a restart every upload has its whole time again.
 */
import { type FileId, limits, MeshError } from "@hearthmesh/core";
import { domainOfOwner } from "./usage.js";

interface OpenUpload {
  readonly owner: string;
  readonly beganMs: number;
  touchedMs: number;
  /** Revision of the transaction that began it; 0 until that is known. */
  revision: number;
}

export class OpenUploads {
  readonly #open = new Map<FileId, OpenUpload>();
  readonly #counts = new Map<string, number>();
  readonly #ownDomain: string | undefined;

  /** People of another domain are counted together: a peer has as many as it likes. */
  constructor(ownDomain?: string) {
    this.#ownDomain = ownDomain;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Before the row is written, so that no moment exists in which the upload is not seen. */
  reserve(fileId: FileId, owner: string, nowMs: number): void {
    const count = this.#counts.get(this.#groupOf(owner)) ?? 0;
    if (count >= limits.UPLOADS_OPEN_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `${limits.UPLOADS_OPEN_MAX} uploads are open for ${owner}`,
        hint: "Finish or abort some; they end on their own when they are not touched for an hour.",
      });
    }
    this.restore(fileId, owner, 0, nowMs);
  }

  restore(fileId: FileId, owner: string, revision: number, nowMs: number): void {
    this.#open.set(fileId, { owner, beganMs: nowMs, touchedMs: nowMs, revision });
    const group = this.#groupOf(owner);
    this.#counts.set(group, (this.#counts.get(group) ?? 0) + 1);
  }

  began(fileId: FileId, revision: number): void {
    const upload = this.#open.get(fileId);
    if (upload !== undefined) upload.revision = revision;
  }

  /** Of an open upload: 0 until its row is written. */
  revisionOf(fileId: FileId): number | undefined {
    return this.#open.get(fileId)?.revision;
  }

  touch(fileId: FileId, nowMs: number): void {
    const upload = this.#open.get(fileId);
    if (upload !== undefined) upload.touchedMs = nowMs;
  }

  end(fileId: FileId): void {
    const upload = this.#open.get(fileId);
    if (upload === undefined) return;
    this.#open.delete(fileId);
    const group = this.#groupOf(upload.owner);
    const count = (this.#counts.get(group) ?? 1) - 1;
    if (count === 0) this.#counts.delete(group);
    else this.#counts.set(group, count);
  }

  /** Left alone for too long, or kept open for longer than any upload takes. */
  idle(nowMs: number): FileId[] {
    const isOver = ({ touchedMs, beganMs }: OpenUpload) =>
      nowMs - touchedMs > limits.UPLOAD_IDLE_MS_MAX || nowMs - beganMs > limits.UPLOAD_AGE_MS_MAX;
    return [...this.#open].filter(([, upload]) => isOver(upload)).map(([fileId]) => fileId);
  }

  #groupOf(owner: string): string {
    const domain = domainOfOwner(owner);
    return this.#ownDomain === undefined || domain === this.#ownDomain ? owner : domain;
  }

  /** Revision of the oldest open upload; infinite without any. */
  oldestRevision(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { revision } of this.#open.values()) oldest = Math.min(oldest, revision);
    return oldest;
  }

  /** When the oldest open upload began; infinite without any. */
  oldestBeganMs(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { beganMs } of this.#open.values()) oldest = Math.min(oldest, beganMs);
    return oldest;
  }
}
