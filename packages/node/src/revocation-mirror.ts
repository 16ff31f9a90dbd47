/**
 * What a node without an authority knows of revoked keys: the newest list that the coordinator
 * sent, signed by the CA. It is kept on disk, so that a restart without the coordinator lets nobody
 * back in.
 */

import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { decodeMessage, encodeMessage, MeshError, type NodeId } from "@hearthmesh/core";
import {
  isRevoked,
  type Principal,
  type RevocationList,
  type TrustBundle,
  verifyRevocationList,
} from "@hearthmesh/identity";
import type { IncomingRequest, Link } from "@hearthmesh/qwormhole";
import { principalOf } from "./method-router.js";

const METHOD = "node.revocations";

export interface RevocationMirrorOptions {
  /** File in which the newest list is kept. */
  path: string;
  bundle: TrustBundle;
  /** Called for every key of a newly accepted list. */
  onRevoked(nodeId: NodeId): void;
}

export class RevocationMirror {
  readonly #options: RevocationMirrorOptions;
  #list: RevocationList | undefined;

  private constructor(options: RevocationMirrorOptions, list: RevocationList | undefined) {
    this.#options = options;
    this.#list = list;
  }

  /** A list on disk that is damaged or not the member's own is `MESH_STORE_CORRUPT`. */
  static async open(options: RevocationMirrorOptions): Promise<RevocationMirror> {
    const text = await readIfThere(options.path);
    if (text === undefined) return new RevocationMirror(options, undefined);
    try {
      const list = verifyRevocationList(JSON.parse(text), options.bundle);
      return new RevocationMirror(options, list);
    } catch (cause) {
      throw new MeshError("MESH_STORE_CORRUPT", {
        message: `${options.path}, the list of revoked keys, is damaged`,
        hint: "Remove it; the coordinator sends a new one when this node reaches it.",
        cause,
      });
    }
  }

  isRevoked(nodeId: NodeId): boolean {
    return this.#list !== undefined && isRevoked(this.#list, nodeId);
  }

  /** Throws `MESH_CERT_REVOKED`. */
  check(principal: Pick<Principal, "nodeId" | "name">): void {
    if (!this.isRevoked(principal.nodeId)) return;
    throw new MeshError("MESH_CERT_REVOKED", { message: `${principal.name} was revoked` });
  }

  /** Serves `node.revocations`, from the coordinator alone. An older list changes nothing. */
  async onRequest(request: IncomingRequest): Promise<Uint8Array[]> {
    const sender = principalOf(request.peer);
    if (request.method !== METHOD || sender.kind !== "coordinator") {
      throw new MeshError("MESH_FORBIDDEN", {
        message: `${sender.name} may not call ${request.method} here`,
      });
    }
    const { header } = decodeMessage<{ list?: unknown }>(request.body);
    const list = verifyRevocationList(header.list, this.#options.bundle);
    if (this.#list === undefined || list.epoch > this.#list.epoch) {
      await writePrivate(this.#options.path, JSON.stringify(list));
      this.#list = list;
      for (const entry of list.entries) this.#options.onRevoked(entry.nodeId);
    }
    return encodeMessage({ epoch: this.#list?.epoch ?? 0 });
  }
}

/** Coordinator: sends the newest list over a link to a node. */
export async function sendRevocations(link: Link, list: RevocationList): Promise<void> {
  await link.request(METHOD, encodeMessage({ list }), { priority: "control" });
}
