/** A storage node for tests: speaks `chunk.put` and `chunk.get` over real links, and misbehaves. */
import { createHash } from "node:crypto";
import {
  type ChunkId,
  type Clock,
  decodeMessage,
  MeshError,
  type NodeId,
  toErrorRecord,
} from "@hearthmesh/core";
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import {
  type Link,
  type LinkIdentity,
  type LinkStream,
  listenLinks,
  nodeIdOfPublicKey,
  type Transport,
} from "@hearthmesh/qwormhole";
import { readMessages, writeMessage } from "../../message-stream.js";
import type { ChunkGetOpen, ChunkPutItem, ChunkPutOpen } from "../../protocol.js";
import type { NodeInfo } from "../../types.js";

export interface Misbehaviour {
  /** Called with the ticket of a `chunk.put` stream; may throw. */
  onOpen?(ticket: string): void;
  /** Called for each chunk before it is stored; may throw, wait for ever, or kill the node. */
  onPut?(item: ChunkPutItem): void | Promise<void>;
  onGet?(id: ChunkId): void | Promise<void>;
  /** Changes what is answered. */
  damage?(bytes: Uint8Array): Uint8Array;
}

export class SmallNode {
  readonly nodeId: NodeId;
  readonly chunks = new Map<ChunkId, Uint8Array>();
  readonly tickets = new Set<string>();
  misbehaviour: Misbehaviour = {};
  state: NodeInfo["state"] = "online";
  streams = 0;
  readonly #identity: LinkIdentity;
  readonly #links = new Set<Link>();
  #stopListening: (() => Promise<void>) | undefined;

  constructor(readonly name: string) {
    this.#identity = newIdentity(name);
    this.nodeId = nodeIdOfPublicKey(this.#identity.publicKey) as NodeId;
  }

  get info(): NodeInfo {
    const { nodeId, name, state } = this;
    const memberId = "alice" as NodeInfo["memberId"];
    const addresses = [`${name}:9000`];
    return {
      nodeId,
      name,
      memberId,
      roles: ["storage"],
      addresses,
      version: "1",
      state,
      lastSeenMs: 0,
    };
  }

  async start(transport: Transport, clock: Clock): Promise<void> {
    const options = {
      identity: this.#identity,
      handlers: { onStream: (stream: LinkStream) => this.#serve(stream) },
      clock,
    };
    const listener = await listenLinks(
      transport,
      { host: this.name, port: 9000 },
      options,
      (link) => {
        this.#links.add(link);
        void link.closed.then(() => this.#links.delete(link));
      },
    );
    this.#stopListening = () => listener.close();
  }

  /** As a process that is killed: links break, nobody listens. */
  async kill(): Promise<void> {
    await this.#stopListening?.();
    for (const link of this.#links) link.destroy(new Error("killed"));
  }

  async #serve(stream: LinkStream): Promise<void> {
    this.streams++;
    try {
      if (stream.method === "chunk.put") await this.#servePut(stream);
      else await this.#serveGet(stream);
      stream.end();
    } catch (error) {
      const record = toErrorRecord(error);
      stream.reset(record.code, record.message, Buffer.from(JSON.stringify(record)));
    } finally {
      this.streams--;
    }
  }

  async #servePut(stream: LinkStream): Promise<void> {
    const { header } = decodeMessage<ChunkPutOpen>(stream.header);
    this.tickets.add(header.ticket);
    this.misbehaviour.onOpen?.(header.ticket);
    for await (const message of readMessages<ChunkPutItem>(stream.readable)) {
      const { index, id } = message.header;
      try {
        await this.misbehaviour.onPut?.(message.header);
        this.chunks.set(id, Buffer.concat(message.pieces));
        await writeMessage(stream, { index, receipt: `${this.name}/${index}` });
      } catch (error) {
        await writeMessage(stream, { index, error: toErrorRecord(error) });
      }
    }
  }

  async #serveGet(stream: LinkStream): Promise<void> {
    const { header } = decodeMessage<ChunkGetOpen>(stream.header);
    for (const id of header.ids) {
      const bytes = this.chunks.get(id);
      try {
        await this.misbehaviour.onGet?.(id);
        if (bytes === undefined) throw new MeshError("MESH_CHUNK_NOT_FOUND");
        const sent = this.misbehaviour.damage?.(bytes) ?? bytes;
        await writeMessage(stream, { id, sizeBytes: sent.length }, [sent]);
      } catch (error) {
        if (stream.signal.aborted) throw error;
        await writeMessage(stream, { id, sizeBytes: 0, error: toErrorRecord(error) });
      }
    }
  }
}

/** The same key for the same name in every run, so that chunks are placed in the same way. */
export function newIdentity(name: string): LinkIdentity {
  let drawn = 0;
  const bytes = (length: number) =>
    createHash("shake256", { outputLength: length }).update(`${name}/${drawn++}`).digest();
  const keys = generateKeyPair({ bytes, float: () => 0.5 });
  return { publicKey: publicKeyDerOf(keys.publicKeyPem), sign: signerOf(keys.privateKeyPem) };
}
