/** `file.*`: reads the headers of requests, calls the part that does it, shapes the answers. */
import {
  type FileId,
  limits,
  MeshError,
  parseChunkId,
  parseFileId,
  parseNodeId,
} from "@hearthmesh/core";
import type { ChunkReceipt, FileOpenResponse, FileTicketResponse } from "../protocol.js";
import type { ChunkRef } from "../types.js";
import type { Access } from "./access.js";
import type { AnswerContext } from "./answer-context.js";
import type { Fields } from "./fields.js";
import type { Answer, Call, MethodTable } from "./method-table.js";
import type { Namespace } from "./namespace.js";
import type { NamespaceContext } from "./namespace-context.js";
import { moveEntry } from "./namespace-move.js";
import { removeEntry } from "./namespace-remove.js";
import { type MeshPath, parsePath } from "./paths.js";
import { openFile } from "./reading.js";
import type { SmallFiles } from "./small-files.js";
import type { Uploads } from "./uploads.js";

const ETAG_LENGTH_MAX = 64;
const RECEIPT_LENGTH_MAX = 64;
const RECEIPTS_MAX = limits.MANIFEST_SEGMENT_CHUNKS_MAX * limits.REPLICAS_MAX;

export interface FileParts {
  readonly context: NamespaceContext;
  readonly namespace: Namespace;
  readonly smallFiles: SmallFiles;
  readonly uploads: Uploads;
  readonly answers: AnswerContext;
}

export function fileMethods(parts: FileParts): MethodTable {
  return { ...treeMethods(parts), ...uploadMethods(parts), ...contentMethods(parts) };
}

function enrolled(serve: (call: Call) => Promise<Answer>) {
  return { policy: "enrolled" as const, serve };
}

/** Methods that only look, which a coordinator that does not lead serves too. */
export function lookMethods(namespace: Pick<Namespace, "stat" | "list">) {
  return {
    "file.stat": async ({ access, fields }: Pick<Call, "access" | "fields">): Promise<Answer> => ({
      header: { entry: await namespace.stat(access, pathOf(fields)) },
    }),
    "file.list": async ({ access, fields }: Pick<Call, "access" | "fields">): Promise<Answer> => {
      const limit = fields.optionalInteger("limit") ?? limits.LIST_PAGE_ENTRIES_MAX;
      const bounded = Math.min(Math.max(1, limit), limits.LIST_PAGE_ENTRIES_MAX);
      const after = fields.optionalText("after", limits.PATH_NAME_BYTES_MAX);
      if (after !== undefined) checkName(fields, after);
      return { header: await namespace.list(access, pathOf(fields), after, bounded) };
    },
  };
}

function treeMethods({ context, namespace }: FileParts): MethodTable {
  const look = lookMethods(namespace);
  return {
    "file.stat": enrolled(look["file.stat"]),
    "file.list": enrolled(look["file.list"]),
    "file.mkdir": enrolled(async ({ access, fields }) => ({
      header: {
        entry: await namespace.makeDirectory(access, pathOf(fields), fields.flag("parents")),
      },
    })),
    "file.move": enrolled(async ({ access, fields }) => {
      const from = parsePath(fields.raw("from"));
      const to = parsePath(fields.raw("to"));
      const overwrite = fields.flag("overwrite");
      return { header: { entry: await moveEntry(context, access, { from, to, overwrite }) } };
    }),
    "file.remove": enrolled(async ({ access, fields }) => {
      const ifMatch = fields.optionalText("ifMatch", ETAG_LENGTH_MAX);
      const removed = await removeEntry(context, access, {
        path: pathOf(fields),
        recursive: fields.flag("recursive"),
        permanent: fields.flag("permanent"),
        ...(ifMatch === undefined ? {} : { ifMatch }),
      });
      return { header: { removed } };
    }),
  };
}

function uploadMethods({ context, uploads, answers }: FileParts): MethodTable {
  const ticketFor = (
    { access, holder, principal }: Call,
    path: MeshPath,
    fileId: FileId,
  ): FileTicketResponse => {
    const chunksMax = context.quotas.chunksAllowed(principal, fileId);
    return answers.writeGrant({ access, path }, holder, fileId, chunksMax);
  };
  return {
    "file.begin": enrolled(async (call) => {
      const ifMatch = call.fields.optionalText("ifMatch", ETAG_LENGTH_MAX);
      const path = pathOf(call.fields);
      const fileId = await uploads.begin(call.access, path, ifMatch);
      const chunkBytes = limits.CHUNK_BYTES_MAX;
      return { header: { fileId, chunkBytes, ...ticketFor(call, path, fileId) } };
    }),
    "file.ticket": enrolled(async (call) => {
      const fileId = parseFileId(call.fields.text("fileId"));
      const path = await uploads.renew(call.access, fileId);
      return { header: ticketFor(call, path, fileId) };
    }),
    "file.segment": enrolled(async ({ access, fields }) => {
      const segment = fields.integer("segment");
      await uploads.segment(access, { ...readClaim(fields), segment });
      return { header: { segment } };
    }),
    "file.commit": enrolled(async ({ access, fields }) => {
      const sizeBytes = fields.integer("sizeBytes");
      const segments = fields.integer("segments");
      const entry = await uploads.commit(access, { ...readClaim(fields), sizeBytes, segments });
      return { header: { entry } };
    }),
    "file.abort": enrolled(async ({ access, fields }) => {
      await uploads.abort(access, parseFileId(fields.text("fileId")));
      return { header: {} };
    }),
  };
}

function contentMethods({ context, smallFiles, answers }: FileParts): MethodTable {
  return {
    "file.put": enrolled(async ({ access, fields, body }) => {
      const ifMatch = fields.optionalText("ifMatch", ETAG_LENGTH_MAX);
      const entry = await smallFiles.put(access, { path: pathOf(fields), ifMatch, bytes: body });
      return { header: { entry } };
    }),
    "file.open": enrolled(async (call) => answerOpen(context, answers, call, call.access)),
  };
}

async function answerOpen(
  context: NamespaceContext,
  answers: AnswerContext,
  { fields, holder }: Call,
  access: Access,
): Promise<Answer> {
  const firstChunk = fields.optionalInteger("firstChunk") ?? 0;
  const path = pathOf(fields);
  const page = await openFile(context, access, {
    path,
    firstChunk,
    chunks: Math.min(
      fields.optionalInteger("chunks") ?? limits.MANIFEST_SEGMENT_CHUNKS_MAX,
      limits.MANIFEST_SEGMENT_CHUNKS_MAX,
    ),
    etag: fields.optionalText("etag", ETAG_LENGTH_MAX),
  });
  const ids = page.chunks.map((chunk) => chunk.id);
  const header: FileOpenResponse = {
    entry: page.entry,
    inline: page.inline !== undefined,
    chunkBytes: limits.CHUNK_BYTES_MAX,
    chunkCount: page.chunkCount,
    firstChunk,
    chunks: page.chunks,
    ...answers.readGrant({ access, path }, holder, ids),
  };
  return { header, body: page.inline };
}

function pathOf(fields: Fields) {
  return parsePath(fields.raw("path"));
}

function readClaim(fields: Fields) {
  return {
    fileId: parseFileId(fields.text("fileId")),
    chunks: fields.list("chunks", limits.MANIFEST_SEGMENT_CHUNKS_MAX, readChunk),
    receipts: fields.list("receipts", RECEIPTS_MAX, readReceipt),
  };
}

function readChunk(fields: Fields): ChunkRef {
  const id = parseChunkId(fields.text("id"));
  return { id, sizeBytes: fields.integer("sizeBytes", limits.CHUNK_BYTES_MAX) };
}

function readReceipt(fields: Fields): ChunkReceipt {
  return {
    index: fields.integer("index"),
    nodeId: parseNodeId(fields.text("nodeId")),
    receipt: fields.text("receipt", RECEIPT_LENGTH_MAX),
  };
}

/** The name after which a listing goes on becomes part of a key. */
function checkName(fields: Fields, name: string): void {
  if (/[\p{Cc}\p{Surrogate}/]/u.test(name)) throw fields.bad("after");
  if (Buffer.byteLength(name) > limits.PATH_NAME_BYTES_MAX) {
    throw new MeshError("MESH_PATH_TOO_LONG");
  }
}
