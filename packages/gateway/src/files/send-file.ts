/** Answers a read of a file: whole or a range, with its validators, or only its headers. */

import { Readable } from "node:stream";
import { isMeshError, MeshError } from "@hearthmesh/core";
import type { FastifyReply } from "fastify";
import type { FileReadQuery } from "../contracts/index.js";
import type { FileService } from "../services.js";
import { isUnchanged, rangeStands } from "./conditions.js";
import { fileHeaders } from "./content-type.js";
import { type ByteRange, parseRange } from "./range.js";

/** How often a read starts anew because the file was replaced between its headers and its bytes. */
const ATTEMPTS_MAX = 3;

export interface SendFileOptions {
  readonly files: FileService;
  readonly query: FileReadQuery;
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly signal: AbortSignal;
}

type OpenFile = Awaited<ReturnType<FileService["read"]>>;

export async function sendFile(reply: FastifyReply, options: SendFileOptions): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    if (await attemptSend(reply, options)) return;
  }
  throw new MeshError("MESH_PATH_CHANGED", { message: "the file is being replaced all the time" });
}

/** False when the file changed between the look at its entry and the opening. */
async function attemptSend(reply: FastifyReply, options: SendFileOptions): Promise<boolean> {
  const { files, query, method, headers, signal } = options;
  const isPlainRead =
    method === "GET" && headers.range === undefined && headers["if-none-match"] === undefined;
  if (isPlainRead) {
    await sendBytes(reply, options, await files.read(query.path, { signal }), undefined);
    return true;
  }
  const entry = await files.stat(query.path, signal);
  if (entry.kind === "directory") throw new MeshError("MESH_IS_A_DIRECTORY");
  const { name, etag, sizeBytes } = entry;
  if (isUnchanged(headers["if-none-match"], etag)) {
    reply
      .code(304)
      .headers({ etag: `"${etag}"` })
      .send();
    return true;
  }
  const range = rangeOf(reply, headers, sizeBytes, etag);
  if (method === "HEAD") {
    reply.headers(fileHeaders({ name, etag, download: query.download ?? false }));
    describe(reply, range, sizeBytes).send();
    return true;
  }
  const asked = range === undefined ? {} : { ...range };
  const opened = await openSame(files, query.path, { ...asked, signal });
  if (opened?.entry.etag !== etag) return false;
  await sendBytes(reply, options, opened, range);
  return true;
}

/**
 * The range is right for the entry that was seen: when it is refused, the file has shrunk since.
 */
async function openSame(
  files: FileService,
  path: string,
  options: Partial<ByteRange> & { signal: AbortSignal },
): Promise<OpenFile | undefined> {
  try {
    return await files.read(path, options);
  } catch (error) {
    if (isMeshError(error, "MESH_RANGE_INVALID")) return undefined;
    throw error;
  }
}

function rangeOf(
  reply: FastifyReply,
  headers: SendFileOptions["headers"],
  sizeBytes: number,
  etag: string,
): ByteRange | undefined {
  if (!rangeStands(headers["if-range"], etag)) return undefined;
  try {
    return parseRange(headers.range === undefined ? undefined : String(headers.range), sizeBytes);
  } catch (error) {
    reply.header("content-range", `bytes */${sizeBytes}`);
    throw error;
  }
}

function describe(
  reply: FastifyReply,
  range: ByteRange | undefined,
  sizeBytes: number,
): FastifyReply {
  if (range === undefined) return reply.code(200).header("content-length", sizeBytes);
  const { start, endInclusive } = range;
  return reply
    .code(206)
    .header("content-range", `bytes ${start}-${endInclusive}/${sizeBytes}`)
    .header("content-length", endInclusive - start + 1);
}

/**
 * The first piece is fetched before any header is sent, so that most failures have an own answer.
 */
async function sendBytes(
  reply: FastifyReply,
  options: SendFileOptions,
  opened: OpenFile,
  range: ByteRange | undefined,
): Promise<void> {
  const { name, etag, sizeBytes } = opened.entry;
  const pieces = opened.stream[Symbol.asyncIterator]();
  const first = await pieces.next();
  reply.headers(fileHeaders({ name, etag, download: options.query.download ?? false }));
  describe(reply, range, sizeBytes);
  const whole = first.done === true ? Buffer.alloc(0) : first.value;
  if (whole.length !== Number(reply.getHeader("content-length"))) {
    reply.send(Readable.from(joined(first, pieces), { objectMode: false }));
    return;
  }
  await pieces.return?.();
  reply.send(whole);
}

async function* joined(
  first: IteratorResult<Uint8Array, unknown>,
  pieces: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (let next = first; next.done !== true; next = await pieces.next()) yield next.value;
  } finally {
    await pieces.return?.();
  }
}
