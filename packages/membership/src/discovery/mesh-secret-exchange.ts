/**
 * The link method `mesh.secret`: a node asks the coordinator, or another node of its member, for
 * the newest mesh secret. Only machines of the member get here; the daemon's router checks that.
 *
 *     request  header { epoch, fingerprint }   of what the asker has; epoch 0 for nothing
 *     answer   header { epoch: 0 }             nothing for you
 *              header { epoch, previousEpoch } previousEpoch 0 when there is none;
 *                                              body: 32 bytes, or 64 with the previous key
 *
 * The coordinator answers whenever its key is another one than the asker's, so that it also
 * corrects what a node was told by others. A node answers when its epoch is higher.
 */
import {
  asWireError,
  decodeMessage,
  encodeMessage,
  fromWireError,
  MeshError,
} from "@hearthmesh/core";
import type { IncomingRequest, Link, LinkHandlers, Peer } from "@hearthmesh/qwormhole";
import { MESH_SECRET_BYTES } from "./limits.js";
import {
  type MeshSecret,
  type MeshSecretKey,
  mergeMeshSecret,
  meshSecretFingerprint,
} from "./mesh-secret.js";

export const MESH_SECRET_METHOD = "mesh.secret";

export interface MeshSecretHandlerOptions {
  /** The newest that this node has. */
  secret(): MeshSecret | undefined;
  /** This node is its member's coordinator: its secret is the one that counts. */
  isCoordinator: boolean;
}

/** Serves `mesh.secret`. A request that is none is answered with `MESH_PROTOCOL`. */
export function meshSecretHandlers(options: MeshSecretHandlerOptions): LinkHandlers {
  return {
    onRequest(request: IncomingRequest) {
      try {
        return answer(request.body, options);
      } catch (error) {
        throw asWireError(error);
      }
    },
  };
}

function answer(body: Uint8Array, options: MeshSecretHandlerOptions): readonly Uint8Array[] {
  const { epoch, fingerprint } = decodeMessage<Record<string, unknown>>(body).header;
  if (!isEpoch(epoch) || typeof fingerprint !== "string" || fingerprint.length > 64) {
    throw new MeshError("MESH_PROTOCOL", { message: "the request for the secret is unreadable" });
  }
  const secret = options.secret();
  if (secret === undefined) return encodeMessage({ epoch: 0 });
  const { current, previous } = secret;
  const isSame = epoch === current.epoch && fingerprint === meshSecretFingerprint(current);
  const isNews = options.isCoordinator ? !isSame : current.epoch > epoch;
  // The coordinator also says "yes, that one" by sending it: the asker may not be sure of it.
  if (!isNews && !(options.isCoordinator && isSame)) return encodeMessage({ epoch: 0 });
  const header = { epoch: current.epoch, previousEpoch: previous?.epoch ?? 0 };
  return encodeMessage(header, previous ? [current.bytes, previous.bytes] : current.bytes);
}

export interface FetchMeshSecretOptions {
  /** What this node has. */
  have: MeshSecret | undefined;
  /** The peer's certificate names it as the coordinator of this member. */
  isCoordinator(peer: Peer): boolean;
  /** The peer's certificate names it as a machine of this member. */
  isMemberNode(peer: Peer): boolean;
  signal?: AbortSignal;
  timeoutMs?: number;
}

/**
 * Asks the peer of the link, and answers what to keep: `have` itself when there is nothing new,
 * undefined when neither side has one. `MESH_FORBIDDEN` when the peer is not of this member;
 * `MESH_PROTOCOL` for an answer that is none; else what the link threw, as a `MeshError`.
 */
export async function fetchMeshSecret(
  link: Link,
  options: FetchMeshSecretOptions,
): Promise<MeshSecret | undefined> {
  const { have, signal, timeoutMs } = options;
  const isCoordinator = options.isCoordinator(link.peer);
  if (!isCoordinator && !options.isMemberNode(link.peer)) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: "the mesh secret is taken from machines of this member alone",
    });
  }
  const request = {
    epoch: have?.current.epoch ?? 0,
    fingerprint: have === undefined ? "" : meshSecretFingerprint(have.current),
  };
  let bytes: Uint8Array;
  try {
    const limits = { signal, timeoutMs, priority: "control" as const };
    bytes = await link.request(MESH_SECRET_METHOD, encodeMessage(request), limits);
  } catch (error) {
    throw fromWireError(error);
  }
  const offered = readAnswer(bytes);
  if (offered === undefined) return have;
  return mergeMeshSecret(have, offered, isCoordinator ? "coordinator" : "node");
}

function readAnswer(bytes: Uint8Array): Omit<MeshSecret, "isVouched"> | undefined {
  const { header, body } = decodeMessage<Record<string, unknown>>(bytes);
  const { epoch, previousEpoch = 0 } = header;
  if (epoch === 0 && body.length === 0) return undefined;
  const keys = isEpoch(previousEpoch) && previousEpoch > 0 ? 2 : 1;
  if (!isEpoch(epoch) || !isEpoch(previousEpoch) || epoch <= previousEpoch) throw unreadable();
  if (body.length !== keys * MESH_SECRET_BYTES) throw unreadable();
  const keyAt = (place: number, of: number): MeshSecretKey => {
    const start = place * MESH_SECRET_BYTES;
    return { epoch: of, bytes: new Uint8Array(body.subarray(start, start + MESH_SECRET_BYTES)) };
  };
  const current = keyAt(0, epoch);
  return keys === 1 ? { current } : { current, previous: keyAt(1, previousEpoch) };
}

function isEpoch(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function unreadable(): MeshError {
  return new MeshError("MESH_PROTOCOL", { message: "the answer with the secret is unreadable" });
}
