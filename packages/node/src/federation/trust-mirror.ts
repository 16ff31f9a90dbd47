/**
 * What a node without an authority knows of the peers of its member: the newest list that a
 * coordinator sent, signed by the CA, kept on disk. By it, people and coordinators of peers may
 * bring their tickets; when a peer is removed, they are refused at once.
 */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import {
  decodeMessage,
  encodeMessage,
  MeshError,
  type NodeId,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  type KnownMembers,
  type PeerTrustList,
  type TrustBundle,
  type TrustedPeer,
  verifyPeerTrustList,
} from "@hearthmesh/identity";
import type { IncomingRequest, Link } from "@hearthmesh/qwormhole";
import { type MethodPart, principalOf } from "../method-router.js";

const METHOD = "node.peers";
const TIMEOUT_MS = 5_000;

export interface TrustMirrorOptions {
  /** File in which the newest list is kept. */
  readonly path: string;
  readonly bundle: TrustBundle;
  /** After a list was taken: links of peers may not be good any longer. */
  onChanged(): void;
}

export class TrustMirror implements KnownMembers {
  readonly #options: TrustMirrorOptions;
  #list: PeerTrustList | undefined;
  #peers: ReadonlyMap<string, TrustedPeer> = new Map();
  #revoked: ReadonlySet<string> = new Set();
  /** Lists are taken one after the other. */
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(options: TrustMirrorOptions, list: PeerTrustList | undefined) {
    this.#options = options;
    if (list !== undefined) this.#take(list);
  }

  /** A list on disk that is damaged or not the member's own is `MESH_STORE_CORRUPT`. */
  static async open(options: TrustMirrorOptions): Promise<TrustMirror> {
    const text = await readIfThere(options.path);
    if (text === undefined) return new TrustMirror(options, undefined);
    try {
      return new TrustMirror(options, verifyPeerTrustList(JSON.parse(text), options.bundle));
    } catch (cause) {
      throw new MeshError("MESH_STORE_CORRUPT", {
        message: `${options.path}, the list of peers, is damaged`,
        hint: "Remove it; the coordinator sends a new one when this node reaches it.",
        cause,
      });
    }
  }

  get(trustDomain: TrustDomain): TrustedPeer | undefined {
    return this.#peers.get(trustDomain);
  }

  isRevoked(trustDomain: TrustDomain, nodeId: NodeId): boolean {
    return this.#revoked.has(`${trustDomain} ${nodeId}`);
  }

  /** CAs that TLS lets through, to be judged by their own domain then. */
  caCertificatesPem(): string[] {
    return [...new Set([...this.#peers.values()].flatMap((peer) => peer.caCertificatesPem))];
  }

  /** Serves `node.peers`, from a coordinator alone. An older list changes nothing. */
  part(): MethodPart {
    const onRequest = (request: IncomingRequest) => this.#onRequest(request);
    return { prefixes: [METHOD], callers: "machines", handlers: { onRequest } };
  }

  async #onRequest({ peer, body }: IncomingRequest): Promise<Uint8Array[]> {
    const sender = principalOf(peer);
    if (sender.kind !== "coordinator") {
      throw new MeshError("MESH_FORBIDDEN", {
        message: `${sender.name} may not say who the peers of this member are`,
      });
    }
    const list = verifyPeerTrustList(readList(body), this.#options.bundle);
    const taken = this.#tail.then(() => this.#takeNewer(list));
    this.#tail = taken.catch(() => undefined);
    await taken;
    return encodeMessage({ sequence: this.#list?.sequence ?? 0 });
  }

  async #takeNewer(list: PeerTrustList): Promise<void> {
    if (this.#list !== undefined && list.sequence <= this.#list.sequence) return;
    // In force before it is on the disk: a removal must not wait for that.
    this.#take(list);
    this.#options.onChanged();
    await writePrivate(this.#options.path, JSON.stringify(list));
  }

  #take(list: PeerTrustList): void {
    this.#list = list;
    this.#peers = new Map(list.peers.map((peer) => [peer.trustDomain as string, peer]));
    this.#revoked = new Set(
      list.peers.flatMap(({ trustDomain, revokedNodeIds }) =>
        revokedNodeIds.map((nodeId) => `${trustDomain} ${nodeId}`),
      ),
    );
  }
}

/** The list is the body: it may be longer than a header. */
function readList(message: Uint8Array): unknown {
  const text = Buffer.from(decodeMessage(message).body).toString("utf8");
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new MeshError("MESH_CERT_INVALID", { message: "the list of peers is not JSON" });
  }
}

/** Coordinator: sends the newest list over a link to a node. */
export async function sendPeerTrust(link: Link, list: PeerTrustList): Promise<void> {
  const options = { priority: "control" as const, timeoutMs: TIMEOUT_MS };
  await link.request(METHOD, encodeMessage({}, Buffer.from(JSON.stringify(list))), options);
}
