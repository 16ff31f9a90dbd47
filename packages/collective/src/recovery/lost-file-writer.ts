/**
 * Puts one lost file under `/lost+found`: a whole one as a file, one of which a part is missing as
 * a directory with a file for each chunk that is there.
 *
 * The content gets an id that follows from the lost one's, so that a run that was broken off is
 * gone on with and nothing is kept twice, and so that no record of a file that is there is touched
 * whatever the nodes say. A long file is first an upload, like any other: its segments are written
 * one by one, and the last transaction makes it visible.
 */
import { createHash } from "node:crypto";
import {
  type Clock,
  type FileId,
  isMeshError,
  limits,
  type MemberId,
  type NodeId,
  type TrustDomain,
} from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { expectRevision, type KeyValue, type Operation, put, remove } from "@hearthmesh/store";
import { Access, type AccessPolicy } from "../coordinator/access.js";
import type { ChunkGuard } from "../coordinator/chunk-guard.js";
import { keys } from "../coordinator/keys.js";
import { linkFile } from "../coordinator/link-file.js";
import { Namespace } from "../coordinator/namespace.js";
import { bury, type NamespaceContext } from "../coordinator/namespace-context.js";
import type { OpenUploads } from "../coordinator/open-uploads.js";
import { type MeshPath, parsePath } from "../coordinator/paths.js";
import { encodeJson, encodeSegment, type UploadRecord } from "../coordinator/records.js";
import { referenceOperations } from "../coordinator/references.js";
import { batchesOf } from "../coordinator/store-helpers.js";
import { fileRecord } from "../coordinator/upload-checks.js";
import { LOST_DIRECTORY, type LostChunk, type LostFile, lostName } from "./lost-files.js";

const SEGMENT_CHUNKS = limits.MANIFEST_SEGMENT_CHUNKS_MAX;

export interface LostFileWriterOptions {
  readonly context: NamespaceContext;
  readonly guard: ChunkGuard;
  readonly open: OpenUploads;
  readonly memberId: MemberId;
  readonly clock: Clock;
}

export class LostFileWriter {
  readonly #options: LostFileWriterOptions;
  readonly #namespace: Namespace;
  readonly #access: Access;

  constructor(options: LostFileWriterOptions) {
    this.#options = options;
    this.#namespace = new Namespace(options.context);
    this.#access = accessOfMember(options.memberId);
  }

  /** False when the file was kept before. */
  async keep(file: LostFile): Promise<boolean> {
    const { guard, context, open } = this.#options;
    await this.#directory(LOST_DIRECTORY);
    const name = `${LOST_DIRECTORY}/${lostName(file.fileId)}`;
    const ids = file.chunks.map(({ id }) => id);
    const upload = await context.store.get(keys.upload(file.fileId));
    const kept = await guard.use(ids, () =>
      file.isWhole
        ? this.#keepWhole(parsePath(name), file, upload)
        : this.#keepParts(`${name}.parts`, file),
    );
    if (upload !== undefined && !file.isWhole) await this.#endUpload(file.fileId, upload);
    open.end(file.fileId);
    return kept;
  }

  async #keepWhole(path: MeshPath, file: LostFile, before: KeyValue | undefined): Promise<boolean> {
    const { chunks } = file;
    if (before === undefined && chunks.length <= limits.ENTRY_CHUNKS_MAX) {
      const fileId = derivedId(file.fileId, "whole");
      return this.#link(path, file, { fileId, chunks: chunks.map(({ id }) => id) }, [
        ...referenceOperations(fileId, 0, chunks),
      ]);
    }
    const fileId = before === undefined ? derivedId(file.fileId, "whole") : file.fileId;
    const upload = before ?? (await this.#beginUpload(fileId, path, file));
    for (const [segment, part] of batchesOf(chunks, SEGMENT_CHUNKS).entries()) {
      const rows = referenceOperations(fileId, segment * SEGMENT_CHUNKS, part);
      const ids = encodeSegment(part.map(({ id }) => id));
      const success = [put(keys.segment(fileId, segment), ids), ...rows];
      await this.#options.context.store.transact({ success });
    }
    const guard = { key: keys.upload(fileId), modRevision: upload.modRevision };
    return this.#link(path, file, { fileId }, [remove(keys.upload(fileId))], guard);
  }

  /** Each chunk as a file of its own, named by its place. */
  async #keepParts(directory: string, file: LostFile): Promise<boolean> {
    await this.#directory(directory);
    let isNew = false;
    for (const chunk of file.chunks) {
      const path = parsePath(`${directory}/${String(chunk.index).padStart(8, "0")}`);
      const fileId = derivedId(file.fileId, `part ${chunk.index}`);
      const rows = referenceOperations(fileId, 0, [chunk]);
      const alone = { ...file, chunks: [chunk] };
      if (await this.#link(path, alone, { fileId, chunks: [chunk.id] }, rows)) isNew = true;
    }
    return isNew;
  }

  async #beginUpload(fileId: FileId, path: MeshPath, file: LostFile): Promise<KeyValue> {
    const { context, clock } = this.#options;
    const key = keys.upload(fileId);
    const record: UploadRecord = {
      v: 1,
      path: path.text,
      owner: file.owner,
      beganAtMs: clock.nowMs(),
      segments: 0,
      chunks: 0,
      sizeBytes: 0,
    };
    await context.store.transact({ success: [put(key, encodeJson(record))] });
    const row = await context.store.get(key);
    if (row === undefined) throw new Error("the upload that was just begun is not there");
    return row;
  }

  /** False when there is a file already: a run that was broken off had come so far. */
  async #link(
    path: MeshPath,
    file: LostFile,
    content: { fileId: FileId; chunks?: readonly LostChunk["id"][] },
    operations: readonly Operation[],
    guard?: { key: string; modRevision: number },
  ): Promise<boolean> {
    const { fileId, ...rest } = content;
    const record = fileRecord(fileId, {
      sizeBytes: file.chunks.reduce((sum, chunk) => sum + chunk.sizeBytes, 0),
      chunkCount: file.chunks.length,
      owner: file.owner,
      createdAtMs: file.atMs,
      modifiedAtMs: file.atMs,
      ...rest,
    });
    try {
      await linkFile(this.#options.context, {
        path,
        record,
        ifMatch: "",
        operations,
        ...(guard === undefined ? {} : { guard }),
      });
      return true;
    } catch (error) {
      if (isMeshError(error, "MESH_PATH_CHANGED")) return false;
      throw error;
    }
  }

  /** Its chunks have files of their own now: the sweeper takes away its segments. */
  async #endUpload(fileId: FileId, row: KeyValue): Promise<void> {
    const { context } = this.#options;
    await context.store.transact({
      compare: [expectRevision(row.key, row.modRevision)],
      success: [
        remove(row.key),
        ...bury(context, fileRecord(fileId, { sizeBytes: 0, chunkCount: 1 })),
      ],
    });
  }

  async #directory(path: string): Promise<void> {
    await this.#namespace.makeDirectory(this.#access, parsePath(path), true);
  }
}

function derivedId(fileId: FileId, purpose: string): FileId {
  const hash = createHash("sha256").update(`lost+found\n${fileId}\n${purpose}`).digest("hex");
  // The time in front stays: ids are ordered by it.
  return (fileId.slice(0, 12) + hash.slice(0, 20)) as FileId;
}

/** The member itself: no grant of anybody decides where its lost files go. */
function accessOfMember(memberId: MemberId): Access {
  const policy: AccessPolicy = { authorize: () => undefined, visible: () => true };
  const principal: Principal = {
    kind: "coordinator",
    spiffeId: `member/${memberId}`,
    trustDomain: memberId as string as TrustDomain,
    name: memberId,
    nodeId: "" as NodeId,
    serial: "",
    notAfterMs: Number.POSITIVE_INFINITY,
  };
  return new Access(policy, principal);
}
