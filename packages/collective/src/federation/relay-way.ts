/**
 * The way through the peer's coordinator: names as on the straight way, and the bytes over the same
 * link too (see `peer-streams.ts`). For callers that reach the peer's coordinator and not its
 * storage nodes, which often stand behind a router with one open port.
 */
import {
  asUnsent,
  type Clock,
  encodeMessage,
  fromWireError,
  limits,
  MeshError,
} from "@hearthmesh/core";
import type { Link, LinkStream } from "@hearthmesh/qwormhole";
import { withStallTimeout } from "../client/chunk-fetch.js";
import type { OpenFile, ReadOptions, WriteOptions } from "../client/index.js";
import { withTimeout } from "../client/waiting.js";
import { readMessages, writeMessage } from "../message-stream.js";
import type { Entry } from "../types.js";
import type { PeerCallClaim } from "./peer-claim.js";
import type { PeerWay } from "./peer-files.js";
import {
  PEER_READ,
  PEER_WRITE,
  type PeerReadOpen,
  type PeerStreamAnswer,
  type PeerWriteOpen,
} from "./peer-streams.js";

export interface RelayWayOptions {
  readonly name: string;
  /** The way over links, for everything but bytes. */
  readonly straight: PeerWay;
  /** To a coordinator of the peer. */
  link(signal: AbortSignal | undefined): Promise<Link>;
  /** For whom a coordinator asks; a person has none. */
  readonly claim?: PeerCallClaim;
  readonly clock: Clock;
}

/** From the last byte of a write to the answer: until every piece is on disk. */
const ANSWER_TIMEOUT_MS = 120_000;

export function relayWay(options: RelayWayOptions): PeerWay {
  return {
    name: options.name,
    open: async (signal) => ({
      ...(await options.straight.open(signal)),
      read: (path, range) => readThrough(options, path, range ?? {}),
      write: (path, source, more) => writeThrough(options, path, source, more ?? {}),
    }),
  };
}

async function readThrough(
  options: RelayWayOptions,
  path: string,
  { start, endInclusive, signal }: ReadOptions,
): Promise<OpenFile> {
  const open: PeerReadOpen = {
    ...claimOf(options),
    path,
    ...(start === undefined ? {} : { start }),
    ...(endInclusive === undefined ? {} : { endInclusive }),
  };
  const stream = await openStream(options, PEER_READ, open, signal);
  stream.end();
  const messages = readMessages<Partial<PeerStreamAnswer>>(withStallTimeout(stream, options.clock));
  const entry = await firstEntry(stream, messages);
  return { entry, stream: bytesOf(stream, messages) };
}

async function writeThrough(
  options: RelayWayOptions,
  path: string,
  source: AsyncIterable<Uint8Array>,
  { ifMatch, onProgress, signal }: WriteOptions,
): Promise<Entry> {
  const open: PeerWriteOpen = {
    ...claimOf(options),
    path,
    ...(ifMatch === undefined ? {} : { ifMatch }),
  };
  let isWhole = false;
  try {
    const stream = await openStream(options, PEER_WRITE, open, signal);
    try {
      let bytesSafe = 0;
      for await (const piece of source) {
        for (const part of partsOf(piece)) {
          await writeMessage(stream, { sizeBytes: part.length }, [part]);
        }
        bytesSafe += piece.length;
        onProgress?.({ bytesSafe });
      }
      isWhole = true;
      await writeMessage(stream, { end: true });
      stream.end();
      const messages = readMessages<Partial<PeerStreamAnswer>>(stream.readable);
      return await withTimeout(options.clock, ANSWER_TIMEOUT_MS, signal, () =>
        firstEntry(stream, messages),
      );
    } catch (error) {
      stream.reset("MESH_CANCELLED", "the write broke off");
      throw error;
    }
  } catch (thrown) {
    const error = fromWireError(thrown);
    throw isWhole ? error : asUnsent(error);
  }
}

function claimOf({ claim }: RelayWayOptions): { principal?: PeerCallClaim } {
  return claim === undefined ? {} : { principal: claim };
}

async function openStream(
  { link }: RelayWayOptions,
  method: string,
  open: PeerReadOpen | PeerWriteOpen,
  signal: AbortSignal | undefined,
): Promise<LinkStream> {
  const to = await link(signal);
  const header = Buffer.concat(encodeMessage(open));
  const more = signal === undefined ? {} : { signal };
  try {
    return await to.openStream(method, header, { ...more, priority: "bulk" });
  } catch (error) {
    throw fromWireError(error);
  }
}

type Messages = AsyncGenerator<
  { header: Partial<PeerStreamAnswer>; pieces: Uint8Array[] },
  void,
  undefined
>;

/** Who it is about is checked by `PeerFiles`. */
async function firstEntry(stream: LinkStream, messages: Messages): Promise<Entry> {
  try {
    const first = await messages.next();
    const entry = first.done === true ? undefined : first.value.header.entry;
    if (entry !== undefined) return entry;
    throw new MeshError("MESH_PROTOCOL", { message: "it answered without an entry" });
  } catch (error) {
    stream.reset("MESH_CANCELLED", "the answer was of no use");
    throw fromWireError(error);
  }
}

async function* bytesOf(
  stream: LinkStream,
  messages: Messages,
): AsyncGenerator<Uint8Array, void, undefined> {
  let isOver = false;
  try {
    for await (const { pieces } of messages) yield* pieces;
    isOver = true;
  } catch (error) {
    throw fromWireError(error);
  } finally {
    if (!isOver) stream.reset("MESH_CANCELLED", "the reader reads no further");
  }
}

/** No longer than the other side takes. */
function* partsOf(piece: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < piece.length; at += limits.CHUNK_BYTES_MAX) {
    yield piece.subarray(at, at + limits.CHUNK_BYTES_MAX);
  }
}
