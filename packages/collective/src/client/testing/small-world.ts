/** A file client with nodes of its own, over links in one process. */
import { type NodeId, silentLogger } from "@hearthmesh/core";
import { dialLink, memoryTransport, nodeIdOfPublicKey } from "@hearthmesh/qwormhole";
import { FileClient } from "../file-client.js";
import { LinkPool } from "../link-pool.js";
import { IdleClock } from "./idle-clock.js";
import { SmallCoordinator } from "./small-coordinator.js";
import { newIdentity, SmallNode } from "./small-node.js";

export interface SmallWorld {
  clock: IdleClock;
  nodes: SmallNode[];
  coordinator: SmallCoordinator;
  client: FileClient;
  pool: LinkPool;
  stop(): Promise<void>;
}

export async function startWorld(nodeCount: number): Promise<SmallWorld> {
  const clock = new IdleClock();
  const transport = memoryTransport();
  const nodes = Array.from({ length: nodeCount }, (_, at) => new SmallNode(`node-${at + 1}`));
  for (const node of nodes) await node.start(transport, clock);
  const coordinator = new SmallCoordinator(nodes);
  const identity = newIdentity("client");
  const options = { identity, handlers: {}, clock };
  const pool = new LinkPool({
    dial: (address, more) => dialLink(transport, address, { ...options, ...more }),
    clock,
    log: silentLogger,
  });
  const client = new FileClient({
    coordinator,
    links: pool,
    self: nodeIdOfPublicKey(identity.publicKey) as NodeId,
    clock,
    random: { bytes: (length) => new Uint8Array(length), float: () => 0.5 },
    log: silentLogger,
  });
  const stop = async () => {
    await pool.close();
    for (const node of nodes) await node.kill();
    clock.stop();
  };
  return { clock, nodes, coordinator, client, pool, stop };
}

/** Bytes that differ from chunk to chunk and are the same in every run. */
export function pattern(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 1024)
    bytes.writeUInt32BE((at * 2654435761) >>> 0, at);
  return bytes;
}

export async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

export async function joined(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}
