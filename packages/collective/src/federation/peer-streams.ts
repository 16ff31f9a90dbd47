/**
 * `peer.read` and `peer.write` (streams): the bytes of a file through the coordinator of the member
 * that owns it, for somebody of a peer who cannot reach its storage nodes.
 *
 * The opening header is `PeerReadOpen` or `PeerWriteOpen`. Messages as in `message-stream.ts`:
 * - `peer.read` is answered with `{entry}` and then with pieces, `{sizeBytes}` and the bytes.
 * - `peer.write` takes pieces of the same form and then `{end: true}`; it is answered with
 *   `{entry}`. A stream that ends without the end was broken off, and nothing of it is kept.
 *
 * Who may: people of a peer for themselves, and coordinators of a peer for their own people or
 * their operator (see `peer-claim.ts`). The right is judged again at every piece, so that a
 * transfer ends with the right that it rests on.
 *
 * Errors: `MESH_FORBIDDEN`, `MESH_BAD_REQUEST`, `MESH_LIMIT` above `PEER_STREAMS_MAX` of a caller
 * or `PEER_STREAMS_OF_MEMBER_MAX` of its member, and those of reading and writing.
 */
import { decodeMessage, limits, MeshError, resetWith } from "@hearthmesh/core";
import type { Principal, Right } from "@hearthmesh/identity";
import type { LinkHandlers, LinkStream } from "@hearthmesh/qwormhole";
import type { AccessPolicy } from "../coordinator/access.js";
import { Fields } from "../coordinator/fields.js";
import { parsePath } from "../coordinator/paths.js";
import { readMessages, writeMessage } from "../message-stream.js";
import type { Entry } from "../types.js";
import { type PeerCallClaim, principalOfClaim } from "./peer-claim.js";
import type { FileOperations } from "./peer-files.js";
import { UnderWay } from "./under-way.js";

export const PEER_READ = "peer.read";
export const PEER_WRITE = "peer.write";

export interface PeerReadOpen {
  /** Of a coordinator: for whom. A person has none. */
  principal?: PeerCallClaim;
  path: string;
  start?: number;
  endInclusive?: number;
}

export interface PeerWriteOpen {
  principal?: PeerCallClaim;
  path: string;
  ifMatch?: string;
}

/** The first answer of a read, and the only one of a write. */
export interface PeerStreamAnswer {
  entry: Entry;
}

/** Of a piece in either direction, and of the end of a write. */
interface PeerStreamPiece {
  sizeBytes?: number;
  end?: true;
}

export interface PeerStreamsOptions {
  /** Files as this principal, over links that reach the storage nodes. */
  files(principal: Principal): Pick<FileOperations, "read" | "write">;
  readonly access: Pick<AccessPolicy, "authorize">;
}

const ETAG_LENGTH_MAX = 64;

export class PeerStreams {
  readonly #options: PeerStreamsOptions;
  /** By caller and by member: a member has as many people as it likes. */
  readonly #open = new UnderWay("transfers of this caller or its member");

  constructor(options: PeerStreamsOptions) {
    this.#options = options;
  }

  handlers(): LinkHandlers {
    return { onStream: (stream) => this.#serve(stream) };
  }

  async #serve(stream: LinkStream): Promise<void> {
    const leave: (() => void)[] = [];
    try {
      const { nodeId, trustDomain } = requirePeer(stream);
      leave.push(this.#open.enter(`member ${trustDomain}`, limits.PEER_STREAMS_OF_MEMBER_MAX));
      leave.push(this.#open.enter(`caller ${nodeId}`, limits.PEER_STREAMS_MAX));
      if (stream.method === PEER_READ) await this.#read(stream);
      else if (stream.method === PEER_WRITE) await this.#write(stream);
      else throw new MeshError("MESH_FORBIDDEN", { message: "no such stream here" });
    } catch (error) {
      resetWith(stream, error);
    } finally {
      for (const one of leave) one();
    }
  }

  async #read(stream: LinkStream): Promise<void> {
    const { fields, principal, path } = readOpen(stream);
    const start = fields.optionalInteger("start");
    const endInclusive = fields.optionalInteger("endInclusive");
    const opened = await this.#options.files(principal).read(path, {
      ...(start === undefined ? {} : { start }),
      ...(endInclusive === undefined ? {} : { endInclusive }),
      signal: stream.signal,
    });
    const answer: PeerStreamAnswer = { entry: opened.entry };
    await writeMessage(stream, answer);
    for await (const piece of opened.stream) {
      this.#judge(principal, path, "read");
      await writeMessage(stream, { sizeBytes: piece.length }, [piece]);
    }
    stream.end();
  }

  async #write(stream: LinkStream): Promise<void> {
    const { fields, principal, path } = readOpen(stream);
    const ifMatch = fields.optionalText("ifMatch", ETAG_LENGTH_MAX);
    const options = ifMatch === undefined ? {} : { ifMatch };
    const source = this.#pieces(stream, principal, path);
    const entry = await this.#options
      .files(principal)
      .write(path, source, { ...options, signal: stream.signal });
    const answer: PeerStreamAnswer = { entry };
    await writeMessage(stream, answer);
    stream.end();
  }

  async *#pieces(
    stream: LinkStream,
    principal: Principal,
    path: string,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const { header, pieces } of readMessages<PeerStreamPiece>(stream.readable)) {
      if (header.end === true) return;
      this.#judge(principal, path, "write");
      yield* pieces;
    }
    throw new MeshError("MESH_CANCELLED", { message: "the write broke off" });
  }

  #judge(principal: Principal, path: string, right: Right): void {
    this.#options.access.authorize(principal, path, right);
  }
}

function readOpen(stream: LinkStream): { fields: Fields; principal: Principal; path: string } {
  const caller = requirePeer(stream);
  const { header } = decodeMessage<object>(stream.header);
  const fields = new Fields(stream.method, header);
  const principal = whoAsks(fields, caller);
  return { fields, principal, path: parsePath(fields.raw("path")).text };
}

/** The verified principal of the link. */
function requirePeer({ peer }: LinkStream): Principal {
  const caller = peer.identity as Principal | null | undefined;
  if (caller?.kind === "foreign" && caller.nodeId === peer.nodeId) return caller;
  throw refused();
}

function whoAsks(fields: Fields, caller: Principal): Principal {
  const claim = fields.object("principal");
  if (caller.foreignKind === "coordinator" && claim !== undefined) {
    return principalOfClaim(claim, caller);
  }
  if (caller.foreignKind === "person" && claim === undefined) return caller;
  throw refused();
}

function refused(): MeshError {
  return new MeshError("MESH_FORBIDDEN", {
    message: "this is for people of peers, and for their coordinators on their behalf",
  });
}
