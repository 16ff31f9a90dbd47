/** The program on a person's machine: the file client that ships, behind a few plain methods. */
import {
  type CoordinatorPort,
  coordinatorOverLink,
  FileClient,
  type FileOpenResponse,
  LinkPool,
  type LinkPoolOptions,
  type NodeInfo,
} from "@hearthmesh/collective";
import type { ChunkId, MemberId } from "@hearthmesh/core";
import type { TrustBundle } from "@hearthmesh/identity";
import { dialLink } from "@hearthmesh/qwormhole";
import type { MeshClient } from "./mesh-client.js";
import { SIM_MEMBER, type SimIdentity } from "./sim-identities.js";
import { LINK_PORT, principalByBundle, simLinkOptions } from "./sim-links.js";
import type { ProcessContext } from "./sim-machine.js";

/** Pieces in which a source is handed to the client: not aligned with chunks. */
const PIECE_BYTES = 300_007;

export interface SimClientOptions {
  process: ProcessContext;
  identity: SimIdentity;
  coordinator: SimIdentity;
  bundle: TrustBundle;
}

/** Also looks at where the bytes of a file are. */
export interface InspectingClient extends MeshClient {
  /** The chunks of a file in order; none when it lives in its entry. */
  chunksOf(path: string): Promise<ChunkId[]>;
}

export function startClient(options: SimClientOptions): InspectingClient {
  const { process, identity } = options;
  const { clock, random, log } = process;
  const links = new LinkPool(linkPoolOptions(options));
  const coordinatorInfo = infoOfCoordinator(options.coordinator);
  const coordinator = coordinatorOverLink((signal) => links.linkTo(coordinatorInfo, signal));
  const files = new FileClient({
    coordinator,
    links,
    self: identity.nodeId,
    clock,
    random: random.fork("client"),
    log,
  });
  return new SimClient(identity.name, files, coordinator);
}

function linkPoolOptions(options: SimClientOptions): LinkPoolOptions {
  const { process, identity, bundle } = options;
  const link = simLinkOptions(process, identity, {}, principalByBundle(bundle, process));
  return {
    clock: process.clock,
    log: process.log,
    dial: (address, { expectedNodeId, signal }) =>
      dialLink(process.transport, address, { ...link, expectedNodeId, signal }),
  };
}

function infoOfCoordinator(coordinator: SimIdentity): NodeInfo {
  return {
    nodeId: coordinator.nodeId,
    name: coordinator.name,
    memberId: SIM_MEMBER as MemberId,
    roles: ["coordinator"],
    addresses: [`${coordinator.name}:${LINK_PORT}`],
    version: "sim",
    state: "online",
    lastSeenMs: 0,
  };
}

class SimClient implements InspectingClient {
  readonly name: string;
  readonly #files: FileClient;
  readonly #coordinator: CoordinatorPort;

  constructor(name: string, files: FileClient, coordinator: CoordinatorPort) {
    this.name = name;
    this.#files = files;
    this.#coordinator = coordinator;
  }

  async chunksOf(path: string): Promise<ChunkId[]> {
    const ids: ChunkId[] = [];
    for (;;) {
      const request = { path, firstChunk: ids.length };
      const { header } = await this.#coordinator.call("file.open", request);
      const { chunks, chunkCount } = header as FileOpenResponse;
      ids.push(...chunks.map(({ id }) => id));
      if (ids.length >= chunkCount || chunks.length === 0) return ids;
    }
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    await this.#files.write(path, inPieces(bytes));
  }

  async read(path: string, range?: { start: number; endInclusive: number }): Promise<Uint8Array> {
    const { stream } = await this.#files.read(path, range);
    const pieces: Uint8Array[] = [];
    for await (const piece of stream) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async list(path: string): Promise<string[]> {
    const names: string[] = [];
    for await (const entry of this.#files.list(path)) {
      names.push(entry.kind === "directory" ? `${entry.name}/` : entry.name);
    }
    return names;
  }

  async stat(path: string): Promise<{ kind: "file" | "directory"; sizeBytes: number }> {
    const { kind, sizeBytes } = await this.#files.stat(path);
    return { kind, sizeBytes };
  }

  makeDirectory(path: string): Promise<void> {
    return this.#files.makeDirectory(path);
  }

  move(from: string, to: string): Promise<void> {
    return this.#files.move(from, to);
  }

  async remove(path: string, options: { recursive?: boolean } = {}): Promise<void> {
    await this.#files.remove(path, options);
  }
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield bytes.subarray(at, at + PIECE_BYTES);
  }
}
